"""The dominant eigenvalue of the validation loss's Hessian in the architecture parameters, over the search's epochs.

A panel per space and data set with a line per L2 factor at one drop path; where drop path was varied at one L2
factor, a second panel below with a line per drop path. A dot marks where the early-stopping rule fires.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from figures import style

TABLES: tuple[str, ...] = ("searches", "curvature")
TITLE = "Dominant eigenvalue during the search"
CATEGORY = "cells"

_SEPARATE_SEEDS = 3
"""Up to so many seeds each have a line of their own; more are drawn as their mean and range."""


@dataclass(frozen=True)
class _Panel:
    """The searches of one panel: one of the two settings is swept, the other fixed."""

    heading: str
    swept: str
    searches: pd.DataFrame
    curvature: pd.DataFrame

    @property
    def values(self) -> list[float]:
        return sorted(self.searches[self.swept].unique())

    @property
    def colour(self) -> Callable[[float], str]:
        return style.l2_colour if self.swept == "l2" else style.drop_path_colour


@style.styled
def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """The panels of every space and data set, three groups side by side."""
    groups = _groups(tables)
    if not groups:
        return style.empty("No curvature has been measured yet.")
    columns = 2 if len(groups) == 4 else min(3, len(groups))
    rows = [row for start in range(0, len(groups), columns) for row in _panel_rows(groups[start : start + columns])]
    width = style.FULL_WIDTH_INCHES if columns > 1 else style.COLUMN_WIDTH_INCHES + 1.2
    figure = Figure(figsize=(width, 2.3 * len(rows) + 0.5), layout="constrained")
    log = _spans_a_decade(groups)
    for row, panels in enumerate(rows):
        for column, panel in enumerate(panels):
            if panel is None:
                continue
            axes = figure.add_subplot(len(rows), columns, row * columns + column + 1)
            _draw_panel(axes, panel)
            if log:
                style.logarithmic(axes)
            axes.set_title(panel.heading, loc="left")
            axes.set_xlabel("epoch")
            if column == 0:
                axes.set_ylabel("dominant eigenvalue")
    _legend(figure, [panel for panels in rows for panel in panels if panel is not None], columns)
    return figure


def caption(tables: dict[str, pd.DataFrame]) -> str:
    """What is drawn, from how many searches, and what is missing."""
    searches, groups = style.darts_searches(tables["searches"]), _groups(tables)
    if not groups:
        return "No search has measured its curvature yet, so there is nothing to draw."
    drawn = _drawn_searches(groups)
    seeds = style.span(searches.groupby(["space", "data_set", "l2", "drop_path"])["seed"].nunique())
    used = _named(searches, drawn)
    diverged, stopped = int((used["outcome"] == "diverged").sum()), int(used["stopped"].fillna(False).sum())
    many = searches.groupby(["space", "data_set", "l2", "drop_path"])["seed"].nunique().max() > _SEPARATE_SEEDS
    lines = (
        "A line is the mean over seeds of the moving average of the early-stopping rule and its band runs from the "
        "smallest to the largest seed."
        if many
        else "A strong line is one seed's moving average of the early-stopping rule, a faint line the measured values."
    )
    parts = [
        "Largest eigenvalue of the Hessian of the validation loss with respect to the architecture parameters, "
        f"weight-decay diagonal included, on one validation batch over {style.span(used['epochs'])} epochs. "
        f"{style.count(len(drawn), 'search', 'searches')}, seeds per setting: {seeds}.",
        lines,
        style.early_end(pd.concat([panel.curvature for panels in groups for panel in panels])),
        style.source(used),
        f"A dot marks the epoch at which the rule stops a search; it fired in {stopped} of {len(drawn)}.",
    ]
    if _spans_a_decade(groups):
        parts.append("The vertical axes are logarithmic.")
    if diverged:
        parts.append(f"{style.count(diverged, 'search', 'searches')} diverged and ended early.")
    measured = len(
        _named(searches, _names(style.darts_searches(tables["curvature"]).dropna(subset=["dominant_eigenvalue"])))
    )
    if measured > len(drawn):
        parts.append(f"{style.count(measured - len(drawn), 'search', 'searches')} at other settings left out.")
    if len(searches) > measured:
        parts.append(f"{style.count(len(searches) - measured, 'search has', 'searches have')} no curvature.")
    return " ".join(part for part in parts if part)


def alternative(tables: dict[str, pd.DataFrame]) -> str:
    """The picture in words: first and last moving average per L2 factor."""
    groups = _groups(tables)
    if not groups:
        return "An empty panel: no curvature has been measured yet."
    sentences = []
    for panels in groups:
        panel, words = panels[0], []
        for value in panel.values:
            smooth = panel.curvature[panel.curvature["l2"] == value].dropna(subset=["moving_average"])
            if not smooth.empty:
                ordered = smooth.sort_values("moving_average_epoch").groupby("run")["moving_average"]
                first, last = ordered.first().mean(), ordered.last().mean()
                words.append(f"L2 {style.number(value)} from {first:.2g} to {last:.2g}")
        sentences.append(f"{', '.join(panel.heading.splitlines())}: {style.listed(words)}")
    return f"Line charts of the dominant eigenvalue over epochs. First to last moving average, {'; '.join(sentences)}."


def _groups(tables: dict[str, pd.DataFrame]) -> list[list[_Panel]]:
    """Per space and data set its one or two panels."""
    searches = style.darts_searches(tables["searches"])
    curvature = style.darts_searches(tables["curvature"]).dropna(subset=["dominant_eigenvalue"])
    groups = []
    for (space, data_set), measured in curvature.groupby(["space", "data_set"], sort=True):
        group_rows = searches[(searches["space"] == space) & (searches["data_set"] == data_set)]
        group_rows = group_rows[group_rows["run"].isin(measured["run"])]
        if group_rows.empty:
            continue
        heading, panels = style.group_name(space, data_set), []
        fixed = group_rows["drop_path"].min()
        panels.append(
            _panel(
                f"{heading}\ndrop path {style.number(fixed)}",
                "l2",
                group_rows[group_rows["drop_path"] == fixed],
                measured,
            )
        )
        swept = group_rows.groupby("l2")["drop_path"].nunique()
        if swept.max() > 1:
            fixed = swept[swept == swept.max()].index.min()
            panels.append(
                _panel(
                    f"{heading}\nL2 {style.number(fixed)}", "drop_path", group_rows[group_rows["l2"] == fixed], measured
                )
            )
        groups.append(panels)
    return groups


def _panel(heading: str, swept: str, searches: pd.DataFrame, measured: pd.DataFrame) -> _Panel:
    return _Panel(heading, swept, searches, measured[measured["run"].isin(searches["run"])])


def _panel_rows(groups: list[list[_Panel]]) -> list[list[_Panel | None]]:
    """One row of panels, or two when a group has a second one."""
    depth = max(len(panels) for panels in groups)
    return [[panels[row] if row < len(panels) else None for panels in groups] for row in range(depth)]


def _draw_panel(axes: Axes, panel: _Panel) -> None:
    few = len(panel.searches) <= 3 * _SEPARATE_SEEDS
    for value in panel.values:
        searches = panel.searches[panel.searches[panel.swept] == value].sort_values("seed")
        colour = panel.colour(value)
        smooth = panel.curvature[panel.curvature["run"].isin(searches["run"])].dropna(subset=["moving_average"])
        separate = len(searches) <= _SEPARATE_SEEDS
        for search in searches.itertuples():
            raw = panel.curvature[panel.curvature["run"] == search.run].sort_values("epoch")
            averages = smooth[smooth["run"] == search.run].sort_values("moving_average_epoch")
            epochs, average = (
                style.floats(averages["moving_average_epoch"]),
                style.floats(averages["moving_average"]),
            )
            if separate:
                axes.plot(
                    style.floats(raw["epoch"]),
                    style.floats(raw["dominant_eigenvalue"]),
                    color=colour,
                    linewidth=0.7,
                    alpha=0.35,
                )
                axes.plot(epochs, average, color=colour, linewidth=1.5 if few else 1.0)
            _dot(axes, search, epochs, average, colour)
        if not separate:
            sns.lineplot(
                x=style.floats(smooth["moving_average_epoch"]),
                y=style.floats(smooth["moving_average"]),
                errorbar=("pi", 100),  # from the smallest to the largest
                err_kws={"alpha": 0.18, "linewidth": 0},
                color=colour,
                ax=axes,
            )
    last = float(panel.curvature["epoch"].max())
    axes.set_xlim(-0.02 * last, 1.03 * last if last else 1.0)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))


def _dot(axes: Axes, search: Any, epochs: np.ndarray, average: np.ndarray, colour: str) -> None:
    """Mark the stop epoch on the search's own moving average."""
    if search.stopped is pd.NA or not search.stopped or search.stop_epoch is pd.NA:
        return
    epoch = float(search.stop_epoch)
    for value in average[epochs == epoch]:
        axes.plot(
            [epoch],
            [value],
            "o",
            markersize=5.5,
            color=colour,
            markeredgecolor=style.WHITE,
            markeredgewidth=0.8,
            zorder=5,
        )


def _legend(figure: Figure, panels: list[_Panel], columns: int) -> None:
    """One entry per value drawn anywhere, then the dot where there is one."""
    handles = []
    for swept, name, colour in (
        ("l2", "L2", style.l2_colour),
        ("drop_path", "drop path", style.drop_path_colour),
    ):
        values = sorted({value for panel in panels if panel.swept == swept for value in panel.values})
        handles += [Line2D([], [], color=colour(value), label=f"{name} {style.number(value)}") for value in values]
    if any(panel.searches["stopped"].fillna(False).any() for panel in panels):
        label = "rule stops the search"
        handles.append(
            Line2D([], [], color=style.GREY, marker="o", linestyle="", markeredgecolor=style.WHITE, label=label)
        )
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 3 if columns == 1 else 5))


def _spans_a_decade(groups: list[list[_Panel]]) -> bool:
    values = np.concatenate([style.floats(p.curvature["dominant_eigenvalue"]) for panels in groups for p in panels])
    return bool(values.min() > 0 and values.max() > 10 * values.min())


def _drawn_searches(groups: list[list[_Panel]]) -> set[tuple[str, str, str]]:
    """Every search with a line, once."""
    return {name for panels in groups for panel in panels for name in _names(panel.searches)}


def _names(frame: pd.DataFrame) -> set[tuple[str, str, str]]:
    return set(zip(frame["space"], frame["data_set"], frame["run"], strict=True))


def _named(searches: pd.DataFrame, names: set[tuple[str, str, str]]) -> pd.DataFrame:
    keys = zip(searches["space"], searches["data_set"], searches["run"], strict=True)
    return searches[[key in names for key in keys]]
