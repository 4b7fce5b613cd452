"""Every cell that was found, the normal and the reduction cell of each architecture side by side.

A cell reads left to right: its two inputs, its nodes in columns by their distance from the inputs, its output. Each
operation is a box in a lane of its own, so that neither boxes nor labels can meet. Many architectures are drawn on the
pages of the PDF, all of them, and the picture shows a selection.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any

from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path

from figures import style
from workflow_scripts.tables.genotype import Edge, Genotype, parse_genotype

TABLES: tuple[str, ...] = ("architectures", "searches")
TITLE = "The cells that were found"
CATEGORY = "cells"

LANE = 0.135
"""Height in inches of one operation in a cell."""
CELL_WIDTH = style.FULL_WIDTH_INCHES / 2
"""Width in inches of a cell."""

_ROWS = 20
"""More architectures than this do not fit the picture."""
_PAGE_ROWS = 6
_HEADING, _SUBHEADING, _GAP = 0.2, 0.17, 0.15
"""Heights in inches: a row's heading, a cell's heading, the space below a row."""
LEFT, INPUT, RUN, _BOX, TO_NODE, RADIUS, OUTPUT = 0.09, 0.24, 0.06, 0.38, 0.09, 0.055, 0.17
"""Widths in inches, left to right within a cell."""
_WIDEST_BEND = 0.42
_CELLS = (("normal", "normal"), ("reduce", "reduction"))

Point = tuple[float, float]
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
    rows, searches = _rows(found), {_search(each) for each in found}
    parts = [
        f"{style.count(len(found), 'architecture')} of {style.count(len(searches), 'search', 'searches')} over "
        f"{style.count(len({each['seed'] for each in found}), 'seed')}, each with its normal and its reduction cell. "
        "A cell reads left to right from its inputs, the outputs of the two cells before it, to its output; a circle "
        "is a node, the sum of the two operations that enter it, in a column by its distance from the inputs, and "
        "the output joins all nodes. A heading counts the operations of its cell.",
        _taken({each["method"] for each in found}),
    ]
    if len(rows) < len(found):
        parts.append("Where methods take the same architecture of the same epoch of a search, it is drawn once.")
    if len(rows) > _ROWS:
        parts.append(
            f"The picture shows {_ROWS} of {len(rows)}, the lowest seed, drop path and L2 first; the PDF shows all, "
            f"on {-(-len(rows) // _PAGE_ROWS)} pages."
        )
    return " ".join(parts) + missing


def alternative(tables: Tables) -> str:
    """The picture in words: the operations of the first normal cells."""
    rows = _rows(_found(tables))
    if not rows:
        return "An empty panel: no architecture has been found yet."
    told = "; ".join(f"{row.heading}: {counts(row.genotype.normal)}" for row in rows[:4])
    more = f" and {len(rows) - 4} more" if len(rows) > 4 else ""
    return f"Graphs of normal and reduction cells. Operations of the normal cells: {told}{more}."


def _taken(methods: set[str]) -> str:
    """Which epoch's architecture each method takes."""
    last = [method for method in ("darts", "darts_ada") if method in methods]
    sentences = [
        f"{style.listed(map(style.method_name, last))} {'take' if len(last) > 1 else 'takes'} the last epoch's"
    ]
    sentences = [f"{sentences[0]} architecture"] if last else []
    if "darts_es" in methods:
        sentences.append("DARTS-ES that of the epoch at which the early-stopping rule stops")
    if methods & {"r_darts_l2", "r_darts_dp"}:
        sentences.append("R-DARTS the one of a seed's searches that is best after a brief training")
    if "random_ws" in methods:
        sentences.append("RS-ws the best of its samples")
    return f"{', '.join(sentences)}."


def _found(tables: Tables) -> list[dict]:
    """The architectures of the searches that found one."""
    return [each for each in tables["architectures"] if each["genotype_text"] is not None]


def _search(architecture: dict) -> tuple:
    """What names the search an architecture is of, in the order of the rows."""
    return tuple(architecture[key] for key in ("space", "data_set", "search", "l2", "drop_path", "seed"))


def _rows(architectures: list[dict]) -> list[_Row]:
    """Every different architecture of a search, in a fixed order."""
    rows = []
    ordered = sorted(architectures, key=lambda each: (*_search(each), each["method"]))
    for search, of_one_search in groupby(ordered, key=_search):
        space, data_set, kind, l2, drop_path, seed = search
        same: dict[tuple[int, str], list[dict]] = {}
        for each in of_one_search:
            same.setdefault((each["epoch"], each["genotype_text"]), []).append(each)
        for (epoch, text), members in same.items():
            methods = style.listed(style.method_name(each["method"]) for each in members)
            published = ", published log" if kind == "published" else ""
            heading = (
                f"{style.group_name(space, data_set)}{published} · L2 {style.number(l2)} · "
                f"drop path {style.number(drop_path)} · seed {seed} · {methods}, epoch {epoch}"
            )
            rank = (seed, drop_path, l2, kind, members[0]["method"], space, data_set)
            rows.append(_Row(heading, parse_genotype(text), rank))
    return rows


def counts(edges: Sequence[Edge]) -> str:
    """`5 noise, 3 sep 3×3`, the most frequent first."""
    counted = sorted(Counter(operation for operation, _ in edges).items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{amount} {style.operation_name(operation)}" for operation, amount in counted)


def write_counts(axes: Axes, y: float, text: str, width: float = CELL_WIDTH) -> None:
    """The grey line above a cell, smaller where it is long."""
    size = min(7.0, 72 * (width - LEFT) / (0.56 * len(text)))
    axes.text(LEFT, y, text, va="center", fontsize=size, color=style.GREY)


def draw_cell(
    axes: Axes, edges: Sequence[Edge], width: float = CELL_WIDTH, columns: Sequence[int] | None = None
) -> None:
    """One cell; coordinates are inches, y downwards. Node i owns lanes 2i and 2i + 1 for its two operations.

    `columns` fixes each node's column; otherwise it is the node's distance from the inputs.
    """
    columns = _node_columns(edges) if columns is None else columns
    step, bend = _column_step(max(columns) + 1, width)
    height = len(edges) * LANE
    left = LEFT + INPUT
    points: list[Point] = [(left, height * 0.25), (left, height * 0.75)]
    points += [(left + (column + 1) * step - RADIUS, (2 * node + 1) * LANE) for node, column in enumerate(columns)]
    right = max(x for x, _ in points) + RADIUS + bend + RUN
    output = (right, height / 2)

    for node in range(len(columns)):
        x, y = points[node + 2]
        flow(axes, [(x + RADIUS, y), (right - bend - RUN, y), (right - RUN, output[1]), output], "#a6a6a6", 0.7)
    for place, (operation, source) in enumerate(edges):
        colour = style.operation_colour(operation)
        entered = points[place // 2 + 2]
        lane, left = (place + 0.5) * LANE, entered[0] - RADIUS - TO_NODE - _BOX
        start = points[source]
        leave = start[0] + (RADIUS if source > 1 else 0)
        flow(axes, [(leave, start[1]), (leave + bend, lane), (left, lane)], colour, 0.9)
        flow(axes, [(left + _BOX, lane), (entered[0] - RADIUS, entered[1])], colour, 0.9, head=False)
        box(axes, (left, lane), _BOX, style.operation_name(operation), colour)
    states(axes, points, output)


def _node_columns(edges: Sequence[Edge]) -> list[int]:
    """Each node's column: 0 when both its sources are cell inputs, else one after its latest source."""
    columns: list[int] = []
    for node in range(len(edges) // 2):
        sources = [source for _, source in edges[2 * node : 2 * node + 2]]
        columns.append(max([columns[source - 2] + 1 for source in sources if source > 1], default=0))
    return columns


def _column_step(columns: int, width: float) -> tuple[float, float]:
    """The width of one column and of the bend in it, in inches, so that the cell fits its width."""
    fixed = RUN + _BOX + TO_NODE + 2 * RADIUS
    spare = width - 2 * LEFT - INPUT - RUN - OUTPUT - columns * fixed
    bend = min(_WIDEST_BEND, spare / (columns + 1))
    return fixed + bend, bend


def states(axes: Axes, points: Sequence[Point], output: Point) -> None:
    """The two inputs, the nodes and the output of a cell."""
    for label, (x, y) in zip((r"$c_{k-2}$", r"$c_{k-1}$"), points, strict=False):
        box(axes, (x - INPUT, y), INPUT, label, style.GREY)
    for node, (x, y) in enumerate(points[2:]):
        axes.add_patch(Circle((x, y), RADIUS, facecolor="white", edgecolor=style.INK, linewidth=0.7, zorder=3))
        axes.text(x, y, str(node), ha="center", va="center_baseline", fontsize=5.5, zorder=4)
    box(axes, output, OUTPUT, r"$c_k$", style.GREY)


def flow(axes: Axes, stops: list[Point], colour: str, width: float, head: bool = True) -> None:
    """A line through the stops: an S-shaped bend where the height changes, straight where it does not."""
    vertices, codes = [stops[0]], [Path.MOVETO]
    for (x0, y0), (x1, y1) in pairwise(stops):
        middle = (x0 + x1) / 2
        vertices += [(middle, y0), (middle, y1), (x1, y1)]
        codes += [Path.CURVE4] * 3
    arrow = FancyArrowPatch(
        path=Path(vertices, codes),
        arrowstyle="-|>,head_length=2.4,head_width=1.2" if head else "-",
        mutation_scale=1,
        color=colour,
        linewidth=width,
        fill=False,
        zorder=2,
        joinstyle="round",
    )
    axes.add_patch(arrow)


def box(axes: Axes, left_middle: Point, width: float, label: str, colour: str) -> None:
    """A labelled box whose left side is centred on a point."""
    x, y = left_middle
    height = 0.8 * LANE
    axes.add_patch(
        FancyBboxPatch(
            (x, y - height / 2),
            width,
            height,
            boxstyle="round,pad=0,rounding_size=0.025",
            facecolor=[0.8 + 0.2 * part for part in to_rgba(colour)[:3]],
            edgecolor=colour,
            linewidth=0.7,
            zorder=3,
        )
    )
    size = 6.0 if label.startswith("$") else min(6.0, 72 * width / (0.74 * len(label)))
    axes.text(x + width / 2, y, label, ha="center", va="center_baseline", fontsize=size, zorder=4)
