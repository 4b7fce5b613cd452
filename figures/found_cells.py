"""Every cell that was found, the normal and the reduction cell of each architecture side by side.

A cell reads left to right: its two inputs, its nodes in columns by their distance from the inputs, its output. Each
operation is a box in a lane of its own, so that neither boxes nor labels can meet.
"""

from collections import Counter
from collections.abc import Sequence
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

_ROWS = 20
"""More architectures than this are left out of the picture and counted in the caption."""
_HEADING, _SUBHEADING, _LANE, _GAP = 0.2, 0.17, 0.135, 0.15
"""Heights in inches: a row's heading, a cell's heading, one operation, the space below a row."""
_LEFT, _INPUT, _RUN, _BOX, _TO_NODE, _RADIUS, _OUTPUT = 0.09, 0.24, 0.06, 0.38, 0.09, 0.055, 0.17
"""Widths in inches, left to right within a cell."""
_WIDEST_BEND = 0.42
_CELL_WIDTH = style.FULL_WIDTH_INCHES / 2
_CELLS = (("normal", "normal"), ("reduce", "reduction"))

Point = tuple[float, float]
Tables = dict[str, Any]


@style.styled
def draw(tables: Tables) -> Figure:
    """A row per architecture: heading, normal cell, reduction cell."""
    rows = _rows(_found(tables))[:_ROWS]
    if not rows:
        return style.empty("No architecture has been found yet.")
    cell = 2 * max(genotype.nodes for _, genotype in rows) * _LANE
    height = _HEADING + _SUBHEADING + cell + _GAP
    total = height * len(rows)
    figure = Figure(figsize=(style.FULL_WIDTH_INCHES, total))
    for row, (heading, genotype) in enumerate(rows):
        top = total - row * height
        figure.text(0.0125, (top - _HEADING / 2) / total, heading, va="center", weight="bold")
        for column, (name, title) in enumerate(_CELLS):
            axes = figure.add_axes((column / 2, (top - height + _GAP) / total, 0.5, (_SUBHEADING + cell) / total))
            axes.set(xlim=(0, _CELL_WIDTH), ylim=(cell, -_SUBHEADING))
            axes.axis("off")
            edges = getattr(genotype, name)
            axes.text(_LEFT, -_SUBHEADING / 2, f"{title}: {_counts(edges)}", va="center", fontsize=7, color=style.GREY)
            _draw_cell(axes, edges)
    return figure


def caption(tables: Tables) -> str:
    """What is drawn, of how many searches, and what is left out."""
    found = _found(tables)
    diverged = int((tables["searches"]["outcome"] == "diverged").sum())
    missing = f" {style.count(diverged, 'search', 'searches')} diverged and gave none." if diverged else ""
    if not found:
        return f"No architecture has been found yet, so there is nothing to draw.{missing}"
    rows, runs = _rows(found), {(each["space"], each["data_set"], each["run"]) for each in found}
    parts = [
        f"{style.count(len(found), 'architecture')} of {style.count(len(runs), 'search', 'searches')} over "
        f"{style.count(len({each['seed'] for each in found}), 'seed')}, each with its normal and its reduction cell. "
        "A cell reads left to right from its inputs, the outputs of the two cells before it, to its output; a circle "
        "is a node, the sum of the two operations that enter it, in a column by its distance from the inputs, and "
        "the output joins all nodes. A heading counts the operations of its cell. DARTS takes the last epoch's "
        "architecture, DARTS-ES that of the epoch at which the early-stopping rule stops."
    ]
    if len(rows) < len(found):
        parts.append("Where both are the same architecture of the same epoch, it is drawn once.")
    if len(rows) > _ROWS:
        parts.append(f"The first {_ROWS} of {len(rows)} are drawn, {len(rows) - _ROWS} are left out.")
    return " ".join(parts) + missing


def alternative(tables: Tables) -> str:
    """The picture in words: the operations of the first normal cells."""
    rows = _rows(_found(tables))
    if not rows:
        return "An empty panel: no architecture has been found yet."
    told = "; ".join(f"{heading}: {_counts(genotype.normal)}" for heading, genotype in rows[:4])
    more = f" and {len(rows) - 4} more" if len(rows) > 4 else ""
    return f"Graphs of normal and reduction cells. Operations of the normal cells: {told}{more}."


def _found(tables: Tables) -> list[dict]:
    """The architectures of the searches that found one."""
    return [each for each in tables["architectures"] if each["genotype_text"] is not None]


def _rows(architectures: list[dict]) -> list[tuple[str, Genotype]]:
    """Heading and genotype of every different architecture of a run, in a fixed order."""

    def of_run(each: dict) -> tuple:
        return (each["space"], each["data_set"], each["l2"], each["drop_path"], each["seed"], each["run"])

    rows = []
    ordered = sorted(architectures, key=lambda each: (*of_run(each), each["method"]))
    for _, of_one_run in groupby(ordered, key=of_run):
        same: dict[tuple[int, str], list[dict]] = {}
        for each in of_one_run:
            same.setdefault((each["epoch"], each["genotype_text"]), []).append(each)
        for (epoch, text), members in same.items():
            first = members[0]
            methods = style.listed(style.method_name(each["method"]) for each in members)
            heading = (
                f"{style.group_name(first['space'], first['data_set'])} · L2 {style.number(first['l2'])} · "
                f"drop path {style.number(first['drop_path'])} · seed {first['seed']} · {methods}, epoch {epoch}"
            )
            rows.append((heading, parse_genotype(text)))
    return rows


def _counts(edges: Sequence[Edge]) -> str:
    """`5 noise, 3 sep 3×3`, the most frequent first."""
    counted = sorted(Counter(operation for operation, _ in edges).items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{amount} {style.operation_name(operation)}" for operation, amount in counted)


def _draw_cell(axes: Axes, edges: Sequence[Edge]) -> None:
    """One cell; coordinates are inches, y downwards. Node i owns lanes 2i and 2i + 1 for its two operations."""
    columns = _node_columns(edges)
    step, bend = _column_step(max(columns) + 1)
    height = len(edges) * _LANE
    left = _LEFT + _INPUT
    points: list[Point] = [(left, height * 0.25), (left, height * 0.75)]
    points += [(left + (column + 1) * step - _RADIUS, (2 * node + 1) * _LANE) for node, column in enumerate(columns)]
    right = max(x for x, _ in points) + _RADIUS + bend + _RUN
    output = (right, height / 2)

    for node in range(len(columns)):
        x, y = points[node + 2]
        _flow(axes, [(x + _RADIUS, y), (right - bend - _RUN, y), (right - _RUN, output[1]), output], "#a6a6a6", 0.7)
    for place, (operation, source) in enumerate(edges):
        colour = style.operation_colour(operation)
        entered = points[place // 2 + 2]
        lane, box = (place + 0.5) * _LANE, entered[0] - _RADIUS - _TO_NODE - _BOX
        start = points[source]
        leave = start[0] + (_RADIUS if source > 1 else 0)
        _flow(axes, [(leave, start[1]), (leave + bend, lane), (box, lane)], colour, 0.9)
        _flow(axes, [(box + _BOX, lane), (entered[0] - _RADIUS, entered[1])], colour, 0.9, head=False)
        _box(axes, (box, lane), _BOX, style.operation_name(operation), colour)
    for label, (x, y) in zip((r"$c_{k-2}$", r"$c_{k-1}$"), points, strict=False):
        _box(axes, (x - _INPUT, y), _INPUT, label, style.GREY)
    for node, (x, y) in enumerate(points[2:]):
        axes.add_patch(Circle((x, y), _RADIUS, facecolor="white", edgecolor=style.INK, linewidth=0.7, zorder=3))
        axes.text(x, y, str(node), ha="center", va="center_baseline", fontsize=5.5, zorder=4)
    _box(axes, output, _OUTPUT, r"$c_k$", style.GREY)


def _node_columns(edges: Sequence[Edge]) -> list[int]:
    """Each node's column: 0 when both its sources are cell inputs, else one after its latest source."""
    columns: list[int] = []
    for node in range(len(edges) // 2):
        sources = [source for _, source in edges[2 * node : 2 * node + 2]]
        columns.append(max([columns[source - 2] + 1 for source in sources if source > 1], default=0))
    return columns


def _column_step(columns: int) -> tuple[float, float]:
    """The width of one column and of the bend in it, in inches, so that the cell fits its half of the page."""
    fixed = _RUN + _BOX + _TO_NODE + 2 * _RADIUS
    spare = _CELL_WIDTH - 2 * _LEFT - _INPUT - _RUN - _OUTPUT - columns * fixed
    bend = min(_WIDEST_BEND, spare / (columns + 1))
    return fixed + bend, bend


def _flow(axes: Axes, stops: list[Point], colour: str, width: float, head: bool = True) -> None:
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


def _box(axes: Axes, left_middle: Point, width: float, label: str, colour: str) -> None:
    """A labelled box whose left side is centred on a point."""
    x, y = left_middle
    height = 0.8 * _LANE
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
    size = 6.0 if label.startswith("$") else min(6.0, 72 * width / (0.68 * len(label)))
    axes.text(x + width / 2, y, label, ha="center", va="center_baseline", fontsize=size, zorder=4)
