"""The graph of a cell: labelled boxes for operations, circles for nodes, bends between them. All sizes are inches."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path

from figures import style
from workflow_scripts.tables.genotype import Edge

LANE = 0.135
"""Height in inches of one operation in a cell."""
CELL_WIDTH = style.FULL_WIDTH_INCHES / 2
"""Width in inches of a cell."""
LEFT, INPUT, RUN, _BOX, TO_NODE, RADIUS, OUTPUT = 0.09, 0.24, 0.06, 0.38, 0.09, 0.055, 0.17
"""Widths in inches, left to right within a cell."""
_WIDEST_BEND = 0.42
_LETTER, _SMALLEST = 0.74, 4.0
"""Width of a letter in a box as a part of its size, with room to spare; the smallest size in points that is read."""

Point = tuple[float, float]


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
        flow(axes, [(x + RADIUS, y), (right - bend - RUN, y), (right - RUN, output[1]), output], style.LIGHT_GREY, 0.7)
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
        axes.add_patch(Circle((x, y), RADIUS, facecolor=style.WHITE, edgecolor=style.INK, linewidth=0.7, zorder=3))
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
    size = 6.0
    if not label.startswith("$"):
        points = 72 * width / _LETTER  # the size of letters times how many of them there is room for
        label = _without_middle(label, int(points / _SMALLEST))
        size = min(6.0, points / len(label))
    axes.text(x + width / 2, y, label, ha="center", va="center_baseline", fontsize=size, zorder=4)


def _without_middle(text: str, most: int) -> str:
    """A text of at most so many letters: where it is longer, its middle is left out."""
    if len(text) <= most:
        return text
    kept = most - 1
    return f"{text[: kept - kept // 2]}…{text[len(text) - kept // 2 :]}"
