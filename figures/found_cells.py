"""Every cell that was found, the normal and the reduction cell of each architecture side by side.

A cell reads left to right: its two inputs, its nodes in columns by their distance from the inputs, its output. Each
operation is a box in a lane of its own, so that neither boxes nor labels can meet. Many architectures are drawn on the
pages of the PDF, all of them, and the picture shows a selection.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from matplotlib.figure import Figure

from figures import style
from figures.cell_graph import CELL_WIDTH, LANE, counts, draw_cell, write_counts
from workflow_scripts.tables.display_names import GENOTYPES, PUBLISHED_LOGS, SELECTING
from workflow_scripts.tables.genotype import Genotype, parse_genotype

TABLES: tuple[str, ...] = ("architectures", "searches")
TITLE = "The cells that were found"
CATEGORY = "cells"

_ROWS = 20
"""More architectures than this do not fit the picture."""
_PAGE_ROWS = 6
_HEADING, _SUBHEADING, _GAP = 0.2, 0.17, 0.15
"""Heights in inches: a row's heading, a cell's heading, the space below a row."""
_CELLS = (("normal", "normal"), ("reduce", "reduction"))

Tables = dict[str, Any]


@dataclass(frozen=True)
class _Row:
    """One architecture and what is written above it."""

    heading: str
    genotype: Genotype
    rank: tuple
    """decides which of many are in the picture: the lowest seed, drop path and L2 first"""


@style.styled
def draw(tables: Tables) -> Figure:
    """A row per architecture: heading, normal cell, reduction cell; of many, a selection."""
    rows = _rows(_found(tables))
    if not rows:
        return style.empty("No architecture has been found yet.")
    shown = sorted(rows, key=lambda row: row.rank)[:_ROWS]
    return _draw_rows([row for row in rows if row in shown])


def pages(tables: Tables) -> Iterator[Figure]:
    """The pages of the PDF: the picture itself, or all architectures where it shows only some."""
    rows = _rows(_found(tables))
    if len(rows) <= _ROWS:
        yield draw(tables)
        return
    for first in range(0, len(rows), _PAGE_ROWS):
        yield _draw_rows(rows[first : first + _PAGE_ROWS], _PAGE_ROWS)


@style.styled
def _draw_rows(rows: list[_Row], places: int | None = None) -> Figure:
    """One row below another, with room for `places` of them."""
    cell = 2 * max(row.genotype.nodes for row in rows) * LANE
    height = _HEADING + _SUBHEADING + cell + _GAP
    total = height * (places or len(rows))
    figure = Figure(figsize=(style.FULL_WIDTH_INCHES, total))
    for place, row in enumerate(rows):
        top = total - place * height
        figure.text(0.0125, (top - _HEADING / 2) / total, row.heading, va="center", weight="bold")
        for column, (name, title) in enumerate(_CELLS):
            axes = figure.add_axes((column / 2, (top - height + _GAP) / total, 0.5, (_SUBHEADING + cell) / total))
            axes.set(xlim=(0, CELL_WIDTH), ylim=(cell, -_SUBHEADING))
            axes.axis("off")
            edges = getattr(row.genotype, name)
            write_counts(axes, -_SUBHEADING / 2, f"{title}: {counts(edges)}")
            draw_cell(axes, edges)
    return figure


def caption(tables: Tables) -> str:
    """What is drawn, of how many searches, and what is left out."""
    found = _found(tables)
    diverged = int((tables["searches"]["outcome"] == "diverged").sum())
    missing = f" {style.count(diverged, 'search', 'searches')} diverged and gave none." if diverged else ""
    if not found:
        return f"No architecture has been found yet, so there is nothing to draw.{missing}"
    rows = _rows(found)
    parts = [
        f"{_origin(found)}, each with its normal and its reduction cell. "
        "A cell reads left to right from its inputs, the outputs of the two cells before it, to its output; a circle "
        "is a node, the sum of the two operations that enter it, in a column by its distance from the inputs, and "
        "the output joins all nodes. A heading counts the operations of its cell.",
        _taken({each["method"] for each in found} - {GENOTYPES}),
    ]
    if len(rows) < len(found):
        parts.append("Where methods take the same architecture of the same epoch of a search, it is drawn once.")
    if len(rows) > _ROWS:
        parts.append(
            f"The picture shows {_ROWS} of {len(rows)}, the lowest seed, drop path and L2 first; the PDF shows all, "
            f"on {-(-len(rows) // _PAGE_ROWS)} pages."
        )
    return " ".join(part for part in parts if part) + missing


def _origin(found: list[dict]) -> str:
    """How many architectures there are, and from where."""
    searched = [each for each in found if each["method"] != GENOTYPES]
    texts = []
    if searched:
        searches, seeds = ({_search(each) for each in searched}, {each["seed"] for each in searched})
        texts.append(
            f"{style.count(len(searched), 'architecture')} of {style.count(len(searches), 'search', 'searches')} over "
            f"{style.count(len(seeds), 'seed')}"
        )
    if given := len(found) - len(searched):
        texts.append(f"{style.count(given, 'architecture')} given as text")
    return " and ".join(texts)


def alternative(tables: Tables) -> str:
    """The picture in words: the operations of the first normal cells."""
    rows = _rows(_found(tables))
    if not rows:
        return "An empty panel: no architecture has been found yet."
    operations = "; ".join(f"{row.heading}: {counts(row.genotype.normal)}" for row in rows[:4])
    more = f" and {len(rows) - 4} more" if len(rows) > 4 else ""
    return f"Graphs of normal and reduction cells. Operations of the normal cells: {operations}{more}."


def _taken(methods: set[str]) -> str:
    """Which epoch's architecture each method takes."""
    last = [method for method in ("darts", "darts_ada") if method in methods]
    sentences = [
        f"{style.listed(map(style.method_name, last))} {'take' if len(last) > 1 else 'takes'} the last epoch's"
    ]
    sentences = [f"{sentences[0]} architecture"] if last else []
    if "darts_es" in methods:
        sentences.append("DARTS-ES that of the epoch at which the early-stopping rule stops")
    if methods & set(SELECTING):
        sentences.append("R-DARTS the one of a seed's searches that is best after a brief training")
    if "random_ws" in methods:
        sentences.append("RS-ws the best of its samples")
    if "darts_pt" in methods:
        sentences.append("DARTS+PT what the last epoch's supernet loses most without")
    others = sorted(methods - set(style.METHOD_COLOURS))
    if others:
        names = style.listed(map(style.method_name, others))
        sentences.append(f"{names} {'takes' if len(others) == 1 else 'take'} the epoch that the method chooses")
    return f"{', '.join(sentences)}." if sentences else ""


def _found(tables: Tables) -> list[dict]:
    """The architectures of the searches that found one."""
    return [each for each in tables["architectures"] if each["genotype_text"] is not None]


def _search(architecture: dict) -> tuple:
    """What names the search an architecture is of, in the order of the rows."""
    numbers = [architecture[key] or 0 for key in ("l2", "drop_path", "seed")]  # what was given as text has none
    name = architecture["run"] if architecture["search"] == GENOTYPES else ""
    return (*(architecture[key] for key in ("space", "data_set", "search")), *numbers, name)


def _rows(architectures: list[dict]) -> list[_Row]:
    """Every different architecture of a search, in a fixed order."""
    rows = []
    ordered = sorted(architectures, key=lambda each: (*_search(each), each["method"]))
    for search, search_architectures in groupby(ordered, key=_search):
        space, data_set, kind, l2, drop_path, seed, name = search
        same: dict[tuple[int, str], list[dict]] = {}
        for each in search_architectures:
            same.setdefault((each["epoch"], each["genotype_text"]), []).append(each)
        for (epoch, text), members in same.items():
            methods = style.listed(style.method_name(each["method"]) for each in members)
            published = f", {PUBLISHED_LOGS[kind]}" if kind in PUBLISHED_LOGS else ""
            origin = (
                f"L2 {style.number(l2)} · drop path {style.number(drop_path)} · seed {seed} · {methods}, epoch {epoch}"
            )
            heading = f"{style.group_name(space, data_set)}{published} · {name or origin}"
            rank = (seed, drop_path, l2, kind, members[0]["method"], space, data_set, name)
            rows.append(_Row(heading, parse_genotype(text), rank))
    return rows
