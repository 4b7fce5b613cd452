"""The test error of the found architectures, trained from scratch: a dot per training, by setting and method.

Below the axis a small table names the setting and counts the noise and skip operations of the normal cells, so that
an error can be read together with the cell that caused it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures import style
from workflow_scripts.tables.genotype import parse_genotype

TABLES: tuple[str, ...] = ("searches", "evaluations")
TITLE = "Test error of the architectures trained from scratch"
CATEGORY = "cells"

_COUNTED = ("noise", "skip_connect")
_OFFSET = {"darts": -0.22, "darts_es": 0.22}
_SETTINGS_IN_HALF = 4
"""A panel with more settings than this takes the whole width."""
_ROW_POINTS = 9.5


@dataclass(frozen=True)
class _Column:
    """The trainings of one setting and method, at one place of the axis."""

    place: float
    method: str
    errors: np.ndarray
    diverged: int
    counts: dict[str, str]


@style.styled
def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """A panel per space and data set."""
    groups = list(_trained(tables).groupby(["space", "data_set"], sort=True))
    if not groups:
        return style.empty("No architecture has been trained from scratch yet.")
    most = max(len(_settings(rows)) for _, rows in groups)
    columns = 1 if len(groups) == 1 or most > _SETTINGS_IN_HALF else 2
    lines = -(-len(groups) // columns)
    wide = columns == 2 or most > _SETTINGS_IN_HALF
    width = style.FULL_WIDTH_INCHES if wide else style.COLUMN_WIDTH_INCHES + 1.2
    figure = Figure(figsize=(width, 3.1 * lines + 0.3), layout="constrained")
    for place, ((space, data_set), rows) in enumerate(groups):
        axes = figure.add_subplot(lines, columns, place + 1)
        axes.set_title(style.group_name(space, data_set), loc="left")
        if place % columns == 0:
            axes.set_ylabel("test error (%)")
        _draw_panel(axes, rows)
    present = set(_trained(tables)["method"])
    handles = [
        Line2D([], [], color=colour, marker="o", linestyle="", label=style.method_name(method))
        for method, colour in style.METHOD_COLOURS.items()
        if method in present
    ]
    handles.append(Line2D([], [], color=style.INK, linewidth=1.5, label="mean"))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


def caption(tables: dict[str, pd.DataFrame]) -> str:
    """What a dot is, from how many trainings, and what is missing."""
    trainings, searches = _trained(tables), tables["searches"]
    if trainings.empty:
        return "No architecture has been trained from scratch yet, so there is nothing to draw."
    run = ["space", "data_set", "run"]
    diverged = int((trainings["outcome"] == "diverged").sum())
    per_setting = trainings.groupby(["space", "data_set", "l2", "drop_path", "method"])["seed"].nunique()
    per_architecture = trainings.groupby([*run, "method"])["evaluation_seed"].nunique()
    parts = [
        f"Test error at the last epoch of {style.count(len(trainings), 'training')} from scratch of "
        f"{style.count(len(per_architecture), 'architecture')} of "
        f"{style.count(len(trainings[run].drop_duplicates()), 'search', 'searches')} (search seeds per setting and "
        f"method: {style.span(per_setting)}; trainings per architecture: {style.span(per_architecture)}). "
        f"The networks have {style.span(trainings['parameters_millions'])} million parameters.",
        "A dot is one training, the bar the mean of the dots. DARTS takes the last epoch's architecture of a search, "
        "DARTS-ES that of the epoch at which the early-stopping rule stops. Below the axis: L2 factor and drop path of "
        "the search, mean test error, and mean number of noise and of skip operations in the normal cell.",
    ]
    if diverged:
        parts.append(f"{style.count(diverged, 'training')} diverged and count in no mean.")
    evaluated = set(trainings[run].itertuples(index=False, name=None))
    absent = searches[[name not in evaluated for name in searches[run].itertuples(index=False, name=None)]]
    if len(absent):
        lost = int((absent["outcome"] == "diverged").sum())
        why = f" ({lost} diverged)" if lost else ""
        parts.append(f"{style.count(len(absent), 'search has', 'searches have')} no training{why}.")
    return " ".join(parts)


def _trained(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """The trainings; a search that diverged before its architecture gave nothing to train."""
    rows = tables["evaluations"]
    return rows[rows["outcome"] != "search diverged"]


def alternative(tables: dict[str, pd.DataFrame]) -> str:
    """The picture in words: the mean of every setting and method, for the first settings."""
    trainings = _trained(tables)
    if trainings.empty:
        return "An empty panel: no architecture has been trained from scratch yet."
    words = []
    keys = ["space", "data_set", "l2", "drop_path", "method"]
    for (space, data_set, l2, drop_path, method), rows in trainings.groupby(keys, sort=True):
        errors = style.floats(rows["test_error_percent"])
        mean = f"{np.nanmean(errors):.1f} %" if np.isfinite(errors).any() else "no result"
        setting = f"L2 {style.number(l2)}, drop path {style.number(drop_path)}"
        words.append(f"{style.group_name(space, data_set)}, {setting}, {style.method_name(method)} {mean}")
    more = f"; and {len(words) - 8} more" if len(words) > 8 else ""
    return f"Dot plot of test errors. Means: {'; '.join(words[:8])}{more}."


def _settings(rows: pd.DataFrame) -> list[tuple[float, float]]:
    return sorted(set(zip(rows["l2"], rows["drop_path"], strict=True)))


def _draw_panel(axes: Axes, rows: pd.DataFrame) -> None:
    settings = _settings(rows)
    columns = [
        _column(place, method, rows[(rows["l2"] == l2) & (rows["drop_path"] == drop_path) & (rows["method"] == method)])
        for place, (l2, drop_path) in enumerate(settings)
        for method in sorted(rows["method"].unique())
    ]
    for column in columns:
        colour = style.METHOD_COLOURS.get(column.method, style.INK)
        if len(column.errors):
            spread = np.linspace(-0.07, 0.07, len(column.errors)) if len(column.errors) > 1 else np.zeros(1)
            axes.plot(
                column.place + spread,
                column.errors,
                "o",
                color=colour,
                markersize=4.5,
                markeredgecolor="white",
                markeredgewidth=0.5,
                zorder=4,
            )
            axes.hlines(column.errors.mean(), column.place - 0.16, column.place + 0.16, color=style.INK, zorder=3)
    axes.set_xlim(-0.5, len(settings) - 0.5)
    axes.margins(y=0.12)
    axes.set_xticks([])
    for edge in range(1, len(settings)):
        axes.axvline(edge - 0.5, color=style.FAINT, linewidth=0.6)
    _table_below(axes, settings, columns)


def _column(place: int, method: str, rows: pd.DataFrame) -> _Column:
    errors = style.floats(rows["test_error_percent"])
    cells = [parse_genotype(text) for text in rows.drop_duplicates("run")["genotype"].dropna()]
    counts = {
        name: f"{np.mean([cell.count(name) for cell in cells]):.1f}".removesuffix(".0") if cells else "–"
        for name in _COUNTED
    }
    diverged = int((rows["outcome"] == "diverged").sum())
    return _Column(place + _OFFSET.get(method, 0.0), method, np.sort(errors[np.isfinite(errors)]), diverged, counts)


def _table_below(axes: Axes, settings: list[tuple[float, float]], columns: list[_Column]) -> None:
    """Rows of text under the axis: the setting in the middle of its dots, the counts under each method."""
    crowded = len(settings) > 12
    size = 5.0 if crowded else style.SMALL_POINTS + 0.5
    rows: list[tuple[str, list[tuple[float, str, str]]]] = [
        ("L2", [(place, style.number(l2), style.INK) for place, (l2, _) in enumerate(settings)]),
        ("drop path", [(place, style.number(drop), style.INK) for place, (_, drop) in enumerate(settings)]),
    ]
    below = [("mean (%)", [f"{each.errors.mean():.1f}" if len(each.errors) else "–" for each in columns])]
    below += [(f"{style.operation_name(name)} ops", [each.counts[name] for each in columns]) for name in _COUNTED]
    if any(each.diverged for each in columns):
        below.append(("diverged", [str(each.diverged) for each in columns]))
    colours = [style.METHOD_COLOURS.get(each.method, style.INK) for each in columns]
    for heading, texts in below:
        rows.append((heading, list(zip((each.place for each in columns), texts, colours, strict=True))))
    for row, (heading, cells) in enumerate(rows):
        drop = -5 - _ROW_POINTS * (row + 0.5)
        offset: dict[str, Any] = {"xycoords": axes.get_xaxis_transform(), "textcoords": "offset points", "va": "center"}
        axes.annotate(
            heading, (-0.5, 0), (-3, drop), ha="right", fontsize=style.SMALL_POINTS, color=style.GREY, **offset
        )
        for place, text, colour in cells:
            axes.annotate(text, (place, 0), (0, drop), ha="center", fontsize=size, color=colour, **offset)
