"""Two results folders of one study: which figures and tables differ, row by row, and what first made them differ.

Values of tables are compared as they are written, so a number differs where its shortest exact form does. Tables are
read without pandas, because the audit does without it.
"""

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from workflow_scripts.provenance.differences import differences, module_changes
from workflow_scripts.provenance.hashing import sha256_of_recorded
from workflow_scripts.provenance.ledger import Ledger
from workflow_scripts.provenance.record import OutputFile, Record, lies_at
from workflow_scripts.runtime.untrusted_files import UnreadableError, read_regular
from workflow_scripts.study.settings_model import Model

COMPARED = ("figures", "tables", "architectures.yaml")
"""What a study is made for: the folders of its figures and tables, and the file of its architectures."""
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


def differing_files(first: Ledger, second: Ledger) -> Iterator[tuple[str, list[str]]]:
    """Every file of a figure, table or architecture that differs between two folders, with the first causes upstream.

    Causes are sentences. A file that only one folder has is listed too, and one that does not match its record.
    """
    ledgers, comparison = (first, second), _Comparison(first, second)
    files = [compared_files(ledger) for ledger in ledgers]
    found = [
        sha256_of_recorded({ledger.folder / name: output.bytes for name, (output, _) in made.items()}, ledger.folder)
        for ledger, made in zip(ledgers, files, strict=True)
    ]
    for name in sorted(files[0].keys() | files[1].keys()):
        having = [ledger for ledger, made in zip(ledgers, files, strict=True) if name in made]
        if len(having) == 1:
            yield name, [f"only {having[0].folder} has it"]
            continue
        one, other = (digests[ledger.folder / name] for ledger, digests in zip(ledgers, found, strict=True))
        if one is None or one != other:
            altered = [
                f"in {ledger.folder} it does not match its record; see verify"
                for ledger, made, digest in zip(ledgers, files, (one, other), strict=True)
                if digest != made[name][0].sha256
            ]
            yield name, altered or comparison.causes(files[0][name][1].job)


def compared_files(ledger: Ledger) -> dict[str, tuple[OutputFile, Record]]:
    """Every file that is compared, with its record, by its path in the results folder."""
    made = {_inside(output.path, ledger): (output, record) for output, record in ledger.in_force}
    return {name: each for name, each in made.items() if any(lies_at(name, part) for part in COMPARED)}


def _inside(path: str, ledger: Ledger) -> str:
    return path.removeprefix(f"{ledger.root}/")


class _Comparison:
    """The causes of a difference, found once for every job."""

    def __init__(self, *ledgers: Ledger) -> None:
        self.ledgers = ledgers
        self.known: dict[str, list[str]] = {}

    def causes(self, job: str) -> list[str]:
        """Why a job's outputs differ: the causes of its inputs' differences, or else what differs in itself."""
        if job not in self.known:
            self.known[job] = []  # ends a circle, which only a forged ledger has
            self.known[job] = self._causes(job)
        return self.known[job]

    def _causes(self, job: str) -> list[str]:
        first, second = (self._record(ledger, job) for ledger in self.ledgers)
        if first is None or second is None:
            return [f"{job}: only {self.ledgers[0 if second is None else 1].folder} has a record of it"]
        before, after = (
            {_inside(read.path, ledger): read for read in record.inputs}
            for ledger, record in zip(self.ledgers, (first, second), strict=True)
        )
        upstream: list[str] = []
        for path in sorted(before.keys() | after.keys()):
            if path not in before or path not in after:
                upstream.append(f"{job}: it reads {path} only in {self.ledgers[0 if path in before else 1].folder}")
            elif before[path].sha256 != after[path].sha256:
                maker = self.ledgers[0].maker(before[path])
                change = f"{before[path].sha256} -> {after[path].sha256}"
                source = [f"{job}: its source {path} differs, sha256 {change}"]
                upstream += source if maker is None else self.causes(maker.record.job)
        return list(dict.fromkeys(upstream)) or [f"{job}: {line}" for line in _own_causes(first, second)]

    def _record(self, ledger: Ledger, job: str) -> Record | None:
        entry = ledger.jobs.get(job) or next((each for each in ledger.entries() if each.record.job == job), None)
        return None if entry is None else entry.record


def _own_causes(first: Record, second: Record) -> list[str]:
    """What differs between two records of a job besides what they read and wrote."""
    own = [f"setting {line}" for line in differences(first.settings, second.settings)]
    own += module_changes(first.modules, second.modules)
    if not own:
        own = [f"made with other versions: {line}" for line in _fields(first.software, second.software)]
        own += [f"made on another machine: {line}" for line in _fields(first.machine, second.machine)]
    return own or ["nothing recorded differs but its outputs, so it does not repeat its bytes"]


def _fields(first: Model, second: Model) -> list[str]:
    one, other = (each.model_dump(exclude={"scheduler_job"}) for each in (first, second))
    return differences(one, other)


# tables, row by row ---------------------------------------------------------------------------------------------------


Key = tuple[str, ...]
"""Of a row: the values that name it, and its number among the rows that share them."""


class NotComparable(Exception):
    """Two files that are not compared row by row; the text says why, in a few words."""


class TableDifference(NamedTuple):
    """What differs between two tables; `changed` with the values (before, after) by column."""

    only_first: list[Key]
    only_second: list[Key]
    changed: dict[Key, dict[str, tuple[str, str]]]


def is_table(name: str) -> bool:
    """Whether a path in a results folder is that of a table that is compared row by row."""
    path = PurePosixPath(name)
    return path.parts[:1] == ("tables",) and path.suffix == ".csv" and path.stem in KEYS


def compare_tables(first: Path, second: Path) -> TableDifference:
    """The rows that differ between two files of one table. Raises NotComparable."""
    before, after = (_rows(file, KEYS[first.stem]) for file in (first, second))
    changed = {}
    for name, one in before.items():
        other = after.get(name, one)
        columns = [column for column in {**one, **other} if one.get(column) != other.get(column)]
        if columns:
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
    columns = KEYS[PurePosixPath(name).stem]
    groups = {
        f"only in {first}": [f"only in {first}: {_named(columns, row)}" for row in found.only_first],
        f"only in {second}": [f"only in {second}: {_named(columns, row)}" for row in found.only_second],
        "with other values": [f"{_named(columns, row)}: {_values(values)}" for row, values in found.changed.items()],
    }
    counts = [f"{len(rows)} {'row' if len(rows) == 1 else 'rows'} {what}" for what, rows in groups.items() if rows]
    yield f"{name}: {', '.join(counts) or 'the same rows, in another order or form'}"
    for rows in groups.values():
        yield from (f"  {row}" for row in rows[:ROWS_SHOWN])
        if len(rows) > ROWS_SHOWN:
            yield f"  ... and {len(rows) - ROWS_SHOWN} more rows"


def _rows(file: Path, key: Sequence[str]) -> dict[Key, dict[str, str]]:
    """The rows of a table by their key."""
    try:
        reader = csv.DictReader(io.StringIO(read_regular(file).decode(), newline=""), strict=True)
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
    found: dict[Key, dict[str, str]] = {}
    seen: Counter[Key] = Counter()
    for row in rows:
        name = tuple(row[column] for column in key)
        seen[name] += 1
        found[*name, str(seen[name])] = row
    return found


def _named(columns: Sequence[str], row: Key) -> str:
    *values, number = row
    named = [f"{column} {_short(value)}" for column, value in zip(columns, values, strict=True) if value]
    return ", ".join([*named, *([f"number {number} of these"] if number != "1" else [])])


def _values(values: dict[str, tuple[str, str]]) -> str:
    changes = [f"{column} {_short(one)} -> {_short(other)}" for column, (one, other) in values.items()]
    hidden = len(changes) - VALUES_SHOWN
    return "; ".join(changes[:VALUES_SHOWN]) + (f"; and {hidden} more values" if hidden > 0 else "")


def _short(value: str) -> str:
    return "absent" if not value else value if len(value) <= VALUE_WIDTH else f"{value[:VALUE_WIDTH]}..."
