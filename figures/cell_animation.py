"""The normal cell and the dominant eigenvalue over the epochs of a search, one search for each space and data set.

The picture shows the cell at three epochs next to the eigenvalue's course; the animation shows it at every epoch. Nodes
keep their places over the epochs, so that only operations and where they come from change.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from figures import style
from figures.cell_graph import LANE, LEFT, counts, draw_cell, write_counts
from workflow_scripts.tables.display_names import PUBLISHED_LOGS
from workflow_scripts.tables.genotype import Edge, parse_genotype

TABLES: tuple[str, ...] = ("searches", "search_epochs", "curvature")
TITLE = "Cell and eigenvalue over the epochs"
CATEGORY = "cells"
ANIMATION = True

_SEARCHES = 6
"""More spaces and data sets than this are left out and counted in the caption."""
_FRAMES = 25
_HEADING, _SUBHEADING, _GAP = 0.24, 0.18, 0.16
"""Heights in inches: a search's heading, a cell's heading, the space below a line of cells."""
_BELOW = 0.3
"""Height in inches of the epochs written below an eigenvalue panel."""
_CELL_SHARE = 0.58
"""Share of an animation's width that is the cell's."""


@dataclass(frozen=True)
class _Course:
    """One search: its architecture at each epoch, and its curvature."""

    heading: str
    genotypes: dict[int, str]
    curvature: pd.DataFrame
    stop: int | None
    """the epoch at which the early-stopping rule stops, where it fired"""

    def cell(self, epoch: int) -> list[Edge]:
        """The normal cell at the last epoch not after one; each node's edges in the order of where they come from."""
        edges = parse_genotype(self.genotypes[self.nearest(epoch)]).normal
        nodes = [sorted(edges[place : place + 2], key=lambda edge: edge[1]) for place in range(0, len(edges), 2)]
        return [edge for node in nodes for edge in node]

    def nearest(self, epoch: int) -> int:
        """The last epoch not after one."""
        return max((known for known in self.genotypes if known <= epoch), default=min(self.genotypes))

    @property
    def last(self) -> int:
        """The last epoch."""
        return max(self.genotypes)

    @property
    def shown(self) -> list[int]:
        """Three epochs for the picture: the first, where the rule stops or else the middle, the last."""
        first, last = min(self.genotypes), self.last
        between = self.stop if self.stop is not None and first < self.stop < last else (first + last) // 2
        return sorted({first, self.nearest(between), last})


@style.styled
def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """Per search the eigenvalue with the three epochs marked, and the cell at each of them."""
    courses = _courses(tables)[:_SEARCHES]
    if not courses:
        return _nothing()
    line = _SUBHEADING + _cell_height(courses) + _GAP
    block = _HEADING + 2 * line
    figure = Figure(figsize=(style.FULL_WIDTH_INCHES, block * len(courses)))
    half = style.FULL_WIDTH_INCHES / 2
    for place, course in enumerate(courses):
        top = place * block
        _write_heading(figure, top, course.heading)
        panel = _axes(figure, 0.5, top + _HEADING + 0.08, half - 0.75, line - _GAP - 0.08 - _BELOW)
        _draw_eigenvalue(panel, course, course.last)
        _mark(panel, course.shown)
        for number, epoch in enumerate(course.shown, start=1):
            row, column = divmod(number, 2)
            title = f"epoch {epoch}{' (the rule stops)' if epoch == course.stop else ''}: "
            _draw_cell(figure, column * half, top + _HEADING + row * line, half, course.cell(epoch), title)
    return figure


def animate(tables: dict[str, pd.DataFrame]) -> Iterator[Figure]:
    """The frames of the animation, in order; a search that has ended stays at its last epoch."""
    courses = _courses(tables)[:_SEARCHES]
    if not courses:
        yield _nothing()
    for epoch in _frame_epochs(courses):
        yield _frame(courses, epoch)


def caption(tables: dict[str, pd.DataFrame]) -> str:
    """What is drawn, and of which searches."""
    every = _courses(tables)
    if not every:
        return "No search has an architecture at every epoch yet, so there is nothing to draw."
    courses = every[:_SEARCHES]
    frames = _frame_epochs(courses)
    parts = [
        f"The normal cell during {style.count(len(courses), 'search', 'searches')}, one for each space and data set: "
        "that of the lowest drop path, the lowest L2 and the first seed. Beside it the dominant eigenvalue of the "
        "Hessian of the validation loss: dots are measured values, the line is the moving average of the "
        "early-stopping rule, and the dashed vertical line is where the rule stops. The picture has the cell at the "
        "first epoch, where the rule stops or else in the middle, and at the last; "
        f"the animation has {style.count(len(frames), 'frame')} from epoch {frames[0]} to epoch {frames[-1]}. Nodes "
        "keep their places; a heading counts the operations of its cell.",
        style.early_end(pd.concat([course.curvature for course in courses])),
    ]
    stopped = sum(course.stop is not None for course in courses)
    parts.append(f"The rule fired in {stopped} of {len(courses)}.")
    unmeasured = sum(course.curvature.empty for course in courses)
    if unmeasured:
        parts.append(f"{style.count(unmeasured, 'search', 'searches')} measured no curvature.")
    if len(every) > _SEARCHES:
        parts.append(
            f"The first {_SEARCHES} of {len(every)} spaces and data sets are drawn, {len(every) - _SEARCHES} are left "
            "out."
        )
    return " ".join(part for part in parts if part)


def alternative(tables: dict[str, pd.DataFrame]) -> str:
    """The first and the last cell in words."""
    courses = _courses(tables)[:_SEARCHES]
    if not courses:
        return "An empty panel: no search has an architecture at every epoch yet."
    sentences = [
        f"{course.heading}: {counts(course.cell(course.shown[0]))} at epoch {course.shown[0]}, "
        f"{counts(course.cell(course.last))} at epoch {course.last}"
        for course in courses
    ]
    return f"Graphs of normal cells next to line charts of the dominant eigenvalue. {'; '.join(sentences)}."


def _nothing() -> Figure:
    return style.empty("No search has an architecture at every epoch yet.")


def _courses(tables: dict[str, pd.DataFrame]) -> list[_Course]:
    """Per space and data set, ours and published apart, the search of the lowest drop path, L2 and seed."""
    searches = tables["searches"]
    searches = searches[searches["search"] != "random_ws"]
    logs = searches["search"].map(PUBLISHED_LOGS).fillna("")
    searches = searches.assign(published=logs, adaptive=searches["search"] == "darts_ada")
    courses = []
    for _, members in searches.groupby(["space", "data_set", "published"], sort=True):
        for chosen in members.sort_values(["adaptive", "drop_path", "l2", "seed"]).to_dict("records"):
            run_rows, curvature = (_of(tables[name], chosen) for name in ("search_epochs", "curvature"))
            known = run_rows.dropna(subset=["genotype"])
            if known.empty:
                continue
            kind = f", {chosen['published']}" if chosen["published"] else ""
            heading = (
                f"{style.group_name(chosen['space'], chosen['data_set'])}{kind} · L2 {style.number(chosen['l2'])} · "
                f"drop path {style.number(chosen['drop_path'])} · seed {chosen['seed']}"
            )
            genotypes = {int(epoch): str(text) for epoch, text in zip(known["epoch"], known["genotype"], strict=True)}
            fired = not pd.isna(chosen["stopped"]) and chosen["stopped"] and not pd.isna(chosen["stop_epoch"])
            stop = int(chosen["stop_epoch"]) if fired else None
            courses.append(_Course(heading, genotypes, curvature, stop))
            break
    return courses


def _of(table: pd.DataFrame, search: dict) -> pd.DataFrame:
    same = [table[key] == search[key] for key in ("space", "data_set", "search", "run")]
    return table[np.logical_and.reduce(same).astype(bool)]


def _frame_epochs(courses: list[_Course]) -> list[int]:
    """At most so many epochs as there are frames, evenly over the longest search, the first and the last among them."""
    epochs = sorted({epoch for course in courses for epoch in course.genotypes})
    places = np.linspace(0, len(epochs) - 1, min(_FRAMES, len(epochs)))
    return [epochs[round(place)] for place in places]


@style.styled
def _frame(courses: list[_Course], epoch: int) -> Figure:
    """One frame: per search the cell at an epoch, and the eigenvalue up to it."""
    width = style.FULL_WIDTH_INCHES
    cell = _cell_height(courses)
    block = _HEADING + _SUBHEADING + cell + _GAP
    figure = Figure(figsize=(width, block * len(courses)))
    for place, course in enumerate(courses):
        top, now = place * block, course.nearest(epoch)
        _write_heading(figure, top, f"{course.heading} · epoch {now}")
        _draw_cell(figure, 0, top + _HEADING, width * _CELL_SHARE, course.cell(now), "")
        left = width * _CELL_SHARE + 0.45
        panel = _axes(figure, left, top + _HEADING + 0.08, width - left - 0.15, block - _HEADING - _GAP - _BELOW)
        _draw_eigenvalue(panel, course, now)
        _mark(panel, [now])
    return figure


def _cell_height(courses: list[_Course]) -> float:
    return max(len(course.cell(0)) for course in courses) * LANE


def _axes(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Axes at a place in inches, measured from the top left."""
    whole, total = figure.get_size_inches()
    return figure.add_axes((left / whole, 1 - (top + height) / total, width / whole, height / total))


def _write_heading(figure: Figure, top: float, text: str) -> None:
    total = figure.get_size_inches()[1]
    figure.text(LEFT / style.FULL_WIDTH_INCHES, 1 - (top + _HEADING / 2) / total, text, va="center", weight="bold")


def _draw_cell(figure: Figure, left: float, top: float, width: float, edges: list[Edge], title: str) -> None:
    height = len(edges) * LANE
    axes = _axes(figure, left, top, width, _SUBHEADING + height)
    axes.set(xlim=(0, width), ylim=(height, -_SUBHEADING))
    axes.axis("off")
    write_counts(axes, -_SUBHEADING / 2, f"{title}{counts(edges)}", width)
    draw_cell(axes, edges, width, range(len(edges) // 2))


def _draw_eigenvalue(axes: Axes, course: _Course, now: int) -> None:
    """The measured values and their moving average, strong up to an epoch and faint after it."""
    axes.set_xlim(-0.5, course.last + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.set_xlabel("epoch", labelpad=1)
    axes.set_ylabel("eigenvalue", labelpad=2)
    measured, averaged = course.curvature, course.curvature.dropna(subset=["moving_average"])
    if measured.empty:
        axes.set_yticks([])
        axes.text(0.5, 0.5, "not measured", ha="center", va="center", color=style.GREY, transform=axes.transAxes)
        return
    for rows, epoch, value, marker, line in (
        (measured, "epoch", "dominant_eigenvalue", ".", ""),
        (averaged, "moving_average_epoch", "moving_average", "", "-"),
    ):
        x, y = style.floats(rows[epoch]), style.floats(rows[value])
        axes.plot(x, y, marker=marker, linestyle=line, color=style.FAINT, markersize=3, linewidth=1.2)
        past = x <= now
        axes.plot(x[past], y[past], marker=marker, linestyle=line, color=style.BLUE, markersize=3, linewidth=1.5)
    if course.stop is not None:
        axes.axvline(course.stop, color=style.INK, linestyle=(0, (3, 2)), linewidth=0.8)
    axes.set_ylim(bottom=min(0.0, float(np.nanmin(style.floats(measured["dominant_eigenvalue"])))))


def _mark(axes: Axes, epochs: list[int]) -> None:
    """A triangle above the panel at each epoch whose cell is drawn."""
    top = axes.get_xaxis_transform()
    axes.plot(epochs, [1.0] * len(epochs), "v", color=style.VERMILION, clip_on=False, transform=top, zorder=5)
