"""The search spaces of the study: every edge of a cell with the operations it chooses from.

A cell reads left to right, as where found cells are drawn; each of its edges has a lane of its own, on which its
candidates are side by side. Where all edges of both cells have the same candidates, the cell is drawn once.
"""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from figures import style
from figures.cell_graph import INPUT, LEFT, OUTPUT, RADIUS, RUN, TO_NODE, Point, box, flow, states

TABLES: tuple[str, ...] = ("search_spaces",)
TITLE = "The search spaces"
CATEGORY = "cells"

_HEADING, _GAP = 0.42, 0.2
"""Heights in inches: of a panel's two lines of heading, and the space below a panel."""
_LANE, _THIN_LANE = 0.135, 0.085
"""Heights in inches of an edge: with its candidates named, and with their colours only."""
_NAMED, _SQUARE, _SQUARES = 0.4, 0.06, 0.32
"""Widths in inches: of a named candidate, of one shown by colour, and of all of an edge's squares at most."""
_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_CELL_NAMES = {"normal": "normal cell", "reduce": "reduction cell"}

Edges = list[tuple[int, int, tuple[str, ...]]]
"""Of each edge the source state, the target state and the candidates."""


@style.styled
def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """Spaces with one list of candidates two side by side; the others with a panel for each cell, full width."""
    spaces = _spaces(tables)
    if not spaces:
        return style.empty("No search space has been written down yet.")
    varied = [(space, cell) for space, cells in spaces.items() if not _uniform(cells) for cell in cells]
    uniform = [space for space, cells in spaces.items() if _uniform(cells)]
    columns = min(2, len(uniform)) or 1
    tall = {each: _HEADING + len(spaces[each[0]][each[1]]) * _LANE + _GAP for each in varied}
    lines = [uniform[start : start + columns] for start in range(0, len(uniform), columns)]
    short = [_HEADING + max(len(spaces[space]["normal"]) for space in line) * _THIN_LANE + _GAP for line in lines]
    total = sum(tall.values()) + sum(short)
    figure = Figure(figsize=(style.FULL_WIDTH_INCHES, total))
    top = total
    for space, cell in varied:
        axes = _axes(figure, 0, top, style.FULL_WIDTH_INCHES, tall[space, cell])
        edges = spaces[space][cell]
        _heading(axes, f"{space.upper()}, {_CELL_NAMES[cell]}", _choices(edges))
        _draw_edges(axes, edges, style.FULL_WIDTH_INCHES, named=True)
        top -= tall[space, cell]
    for line, height in zip(lines, short, strict=True):
        for column, space in enumerate(line):
            axes = _axes(figure, column / 2, top, style.FULL_WIDTH_INCHES / 2, height)
            edges = spaces[space]["normal"]
            _heading(axes, f"{space.upper()}, every edge of both cells", "")
            _candidates(axes, edges[0][2])
            _draw_edges(axes, edges, style.FULL_WIDTH_INCHES / 2, named=False)
        top -= height
    return figure


def caption(tables: dict[str, pd.DataFrame]) -> str:
    """How a cell of the space reads, and how many architectures there are."""
    spaces = _spaces(tables)
    if not spaces:
        return "No search space has been written down yet, so there is nothing to draw."
    sizes = [f"{space.upper()} {_power(cells)}" for space, cells in spaces.items()]
    parts = [
        f"{style.count(len(spaces), 'search space')}. A cell reads left to right from its inputs, the outputs of the "
        "two cells before it, through its nodes to its output, which joins all nodes. Each line into a node is an "
        "edge with its candidate operations. A search mixes all candidates of all edges; the architecture keeps two "
        "edges into each node and one operation on each, none being no choice.",
        f"Architectures of two cells: {', '.join(sizes)}.",
    ]
    if any(_uniform(cells) for cells in spaces.values()):
        parts.append("Where all edges have the same candidates, they are named once and shown on edges by colour.")
    return " ".join(parts)


def alternative(tables: dict[str, pd.DataFrame]) -> str:
    """The candidates in words."""
    spaces = _spaces(tables)
    if not spaces:
        return "An empty panel: no search space has been written down yet."
    sentences = []
    for space, cells in spaces.items():
        if _uniform(cells):
            sentences.append(f"{space.upper()}: {_names(cells['normal'][0][2])} on every edge")
        else:
            sentences.append(
                f"{space.upper()}: other candidates on each edge, {_choices(cells['normal'])} in normal cells"
            )
    return f"Graphs of cells with the candidates of every edge. {'; '.join(sentences)}."


def _spaces(tables: dict[str, pd.DataFrame]) -> dict[str, dict[str, Edges]]:
    """Per space and cell its edges, in table order."""
    spaces: dict[str, dict[str, Edges]] = {}
    for (space, cell), rows in tables["search_spaces"].groupby(["space", "cell"], sort=False):
        edges: Edges = [
            (int(source), int(target), tuple(members["operation"]))
            for (_, source, target), members in rows.groupby(["edge", "source", "target"], sort=True)
        ]
        spaces.setdefault(space, {})[cell] = edges
    return spaces


def _uniform(cells: dict[str, Edges]) -> bool:
    return len({candidates for edges in cells.values() for _, _, candidates in edges}) == 1


def _power(cells: dict[str, Edges]) -> str:
    """The number of architectures, as a power of ten."""
    total = 0.0
    for edges in cells.values():
        for target in {target for _, target, _ in edges}:
            choices = [len(set(names) - {"none"}) for _, entered, names in edges if entered == target]
            pairs = sum(one * other for place, one in enumerate(choices) for other in choices[:place])
            total += float(np.log10(pairs))
    return f"about 10{f'{total:.0f}'.translate(_RAISED)}"


def _names(candidates: tuple[str, ...]) -> str:
    return style.listed(style.operation_name(name) for name in candidates)


def _choices(edges: Edges) -> str:
    """How often each operation is a candidate, in words, the most frequent first."""
    everyone = [name for _, _, candidates in edges for name in candidates]
    counted = sorted(set(everyone), key=lambda name: (-everyone.count(name), name))
    counts = ", ".join(f"{style.operation_name(name)} on {everyone.count(name)}" for name in counted)
    return f"{counts} of {len(edges)} edges"


def _axes(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Axes in inches below a height, y downwards from the first lane on."""
    whole_width, total = figure.get_size_inches()
    axes = figure.add_axes((left, (top - height) / total, width / whole_width, height / total))
    axes.set(xlim=(0, width), ylim=(height - _HEADING, -_HEADING))
    axes.axis("off")
    return axes


def _heading(axes: Axes, title: str, detail: str) -> None:
    axes.text(LEFT, -0.31, title, va="center", weight="bold")
    axes.text(LEFT, -0.14, detail, va="center", fontsize=7, color=style.GREY)


def _candidates(axes: Axes, candidates: tuple[str, ...]) -> None:
    """The key of a space: its candidates by name, in the colours of the edges."""
    for place, name in enumerate(candidates):
        box(
            axes,
            (LEFT + place * (_NAMED + 0.025), -0.14),
            _NAMED,
            style.operation_name(name),
            style.operation_colour(name),
        )


def _draw_edges(axes: Axes, edges: Edges, width: float, named: bool) -> None:
    """One cell; coordinates are inches, y downwards. Each edge owns a lane, each node the column after the last."""
    most = max(len(candidates) for _, _, candidates in edges)
    lane_height, size = (_LANE, _NAMED) if named else (_THIN_LANE, min(_SQUARE, _SQUARES / most))
    targets = sorted({target for _, target, _ in edges})
    widest = most * size
    fixed = RUN + widest + TO_NODE + 2 * RADIUS
    bend = (width - 2 * LEFT - INPUT - RUN - OUTPUT - len(targets) * fixed) / (len(targets) + 1)
    left, height = LEFT + INPUT, len(edges) * lane_height
    lanes = [(place + 0.5) * lane_height for place in range(len(edges))]
    points: list[Point] = [(left, height * 0.25), (left, height * 0.75)]
    for column, target in enumerate(targets):
        entering_lanes = [lane for lane, (_, entered, _) in zip(lanes, edges, strict=True) if entered == target]
        points.append((left + (column + 1) * (fixed + bend) - RADIUS, float(np.mean(entering_lanes))))
    right = points[-1][0] + RADIUS + bend + RUN
    output = (right, height / 2)
    for x, y in points[2:]:
        flow(
            axes, [(x + RADIUS, y), (right - bend - RUN, y), (right - RUN, output[1]), output], style.LIGHTER_GREY, 0.6
        )
    for lane, (source, target, candidates) in zip(lanes, edges, strict=True):
        entered, start = points[target], points[source]
        first = entered[0] - RADIUS - TO_NODE - len(candidates) * size
        leave = start[0] + (RADIUS if source > 1 else 0)
        flow(axes, [(leave, start[1]), (leave + bend, lane), (first, lane)], style.GREY, 0.6, head=False)
        flow(axes, [(first + len(candidates) * size, lane), (entered[0] - RADIUS, entered[1])], style.GREY, 0.6, False)
        for place, name in enumerate(candidates):
            corner = (first + place * size, lane)
            if named:
                box(axes, corner, size, style.operation_name(name), style.operation_colour(name))
            else:
                _square(axes, corner, size, name)
    states(axes, points, output)


def _square(axes: Axes, left_middle: Point, width: float, name: str) -> None:
    x, y = left_middle
    square = Rectangle((x, y - _SQUARE / 2), width, _SQUARE, linewidth=0.3, zorder=3)
    square.set(facecolor=style.operation_colour(name), edgecolor=style.WHITE)
    axes.add_patch(square)
