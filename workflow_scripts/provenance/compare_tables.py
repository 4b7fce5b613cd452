"""Two tables of one kind, row by row: which rows only one has, and which values of the others differ.

Values are compared as they are written, so a number differs where its shortest exact form does. Tables are read without
pandas, because the audit does without it.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from workflow_scripts.runtime.untrusted_files import UnreadableError, read_regular

RUN = ("space", "data_set", "search", "run")
DEPTH_RUN = ("experiment", "run")
KEYS = {
    "searches": RUN,
    "search_epochs": (*RUN, "epoch"),
    "curvature": (*RUN, "epoch"),
    "spectra": (*RUN, "epoch", "index"),
    "evaluations": (*RUN, "method", "evaluation_seed", "evaluation_epochs"),
    "comparison": ("space", "data_set", "method"),
    "search_spaces": ("space", "cell", "edge", "operation"),
    "published_evaluations": ("space", "data_set", "l2", "drop_path", "init_channels", "layers", "genotype"),
    "depth_runs": DEPTH_RUN,
    "depth_posteriors": (*DEPTH_RUN, "depth"),
    "depth_calibration": (*DEPTH_RUN, "prediction", "bin"),
    "depth_speed": (*DEPTH_RUN, "batch", "device", "repeat"),
}
"""By table, the columns that name a row. Rows that share them all are told apart by their order."""
ROWS_SHOWN, VALUES_SHOWN, VALUE_WIDTH = 5, 4, 40

Row = dict[str, str]


class NotComparable(Exception):
    """Two files that are not compared row by row; the text says why, in a few words."""


@dataclass(frozen=True)
class TableDifference:
    """What differs between two tables; a row by its key, `changed` with the values (before, after) by column."""

    only_first: list[tuple[str, ...]]
    only_second: list[tuple[str, ...]]
    changed: dict[tuple[str, ...], dict[str, tuple[str, str]]]


def is_table(name: str) -> bool:
    """Whether a path in a results folder is that of a table that is compared row by row."""
    path = PurePosixPath(name)
    return path.parts[:1] == ("tables",) and path.suffix == ".csv" and path.stem in KEYS


def compare_tables(first: Path, second: Path) -> TableDifference:
    """The rows that differ between two files of one table. Raises NotComparable."""
    key = KEYS[first.stem]
    before, after = (_keyed(file, key) for file in (first, second))
    changed = {}
    for name in before:
        if name in after and before[name] != after[name]:
            one, other = before[name], after[name]
            columns = [column for column in {**one, **other} if one.get(column) != other.get(column)]
            changed[name] = {column: (one.get(column, ""), other.get(column, "")) for column in columns}
    return TableDifference(
        [name for name in before if name not in after], [name for name in after if name not in before], changed
    )


def table_lines(name: str, first: Path, second: Path) -> Iterator[str]:
    """What differs between a table in two results folders, in lines for a person: of many rows the first ones."""
    try:
        found = compare_tables(first / name, second / name)
    except NotComparable as error:
        yield f"{name}: not compared row by row: {error}"
        return
    counts = [
        f"{len(rows)} {'row' if len(rows) == 1 else 'rows'} {what}"
        for rows, what in (
            (found.only_first, f"only in {first}"),
            (found.only_second, f"only in {second}"),
            (found.changed, "with other values"),
        )
        if rows
    ]
    yield f"{name}: {', '.join(counts) or 'the same rows, in another order or form'}"
    columns = KEYS[PurePosixPath(name).stem]
    for rows, folder in ((found.only_first, first), (found.only_second, second)):
        yield from _cut([f"only in {folder}: {_named(columns, row)}" for row in rows], "rows", ROWS_SHOWN)
    yield from _cut(
        [f"{_named(columns, row)}: {_values(values)}" for row, values in found.changed.items()], "rows", ROWS_SHOWN
    )


def _keyed(file: Path, key: Sequence[str]) -> dict[tuple[str, ...], Row]:
    """The rows of a table by their key, and by their number among those with the same key."""
    try:
        text = read_regular(file).decode()
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        rows = list(reader)
    except FileNotFoundError:
        raise NotComparable(f"{file} is not there") from None
    except (UnreadableError, UnicodeDecodeError, csv.Error) as error:
        raise NotComparable(f"{file} cannot be read ({error})") from None
    absent = [column for column in key if column not in (reader.fieldnames or ())]
    if absent:
        raise NotComparable(f"{file} has no column {absent[0]}")
    if any(None in row or None in row.values() for row in rows):
        raise NotComparable(f"{file} has a row with another number of values than columns")
    found: dict[tuple[str, ...], Row] = {}
    seen: dict[tuple[str, ...], int] = {}
    for row in rows:
        name = tuple(row[column] for column in key)
        seen[name] = seen.get(name, 0) + 1
        found[(*name, str(seen[name]))] = row
    return found


def _named(columns: Sequence[str], row: tuple[str, ...]) -> str:
    *values, number = row
    named = [f"{column} {_short(value)}" for column, value in zip(columns, values, strict=True) if value]
    return ", ".join([*named, *([f"number {number} of these"] if number != "1" else [])])


def _values(values: dict[str, tuple[str, str]]) -> str:
    changes = [f"{column} {_short(one)} -> {_short(other)}" for column, (one, other) in values.items()]
    hidden = len(changes) - VALUES_SHOWN
    return "; ".join(changes[:VALUES_SHOWN]) + (f"; and {hidden} more values" if hidden > 0 else "")


def _short(value: str) -> str:
    return "absent" if not value else value if len(value) <= VALUE_WIDTH else f"{value[:VALUE_WIDTH]}..."


def _cut(lines: list[str], what: str, most: int) -> Iterator[str]:
    yield from (f"  {line}" for line in lines[:most])
    if len(lines) > most:
        yield f"  ... and {len(lines) - most} more {what}"
