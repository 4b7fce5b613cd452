"""The test error of the found architectures, trained from scratch: a dot per training, by setting and method.

Below the axis a small table names the setting and counts the noise and skip operations of the normal cells, so that
an error can be read together with the cell that caused it. What R-DARTS chose has no setting of its own: the choice is
among searches with several.
"""

from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures import style
from workflow_scripts.tables.cell_tables import TRAINED
from workflow_scripts.tables.display_names import DEGENERATE, GENOTYPES, SELECTING
from workflow_scripts.tables.genotype import parse_genotype

TABLES: tuple[str, ...] = ("searches", "evaluations")
TITLE = "Test error of the architectures trained from scratch"
CATEGORY = "cells"

_SETTING = ("L2", "drop path")
_COLUMNS_IN_HALF = 8
"""A panel with more columns than this takes the whole width."""
_BETWEEN_SETTINGS = 0.4
"""Space between two settings, in columns."""
_ROW_POINTS = 9.5


Setting = tuple[str, str]


@dataclass(frozen=True)
class _Column:
    """The trainings of one setting and method, at one place of the axis."""

    place: float
    setting: Setting
    method: str
    errors: np.ndarray
    again: np.ndarray
    """which of the errors are of trainings that another column has, too"""
    diverged: int
    counts: dict[str, str]


@style.styled
def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """A panel per space and data set."""
    groups = list(_trained(tables).groupby(["space", "data_set"], sort=True))
    if not groups:
        return style.empty("No architecture that a search found has been trained yet.")
    panels = [_columns(rows) for _, rows in groups]
    crowded = max(map(len, panels)) > _COLUMNS_IN_HALF
    columns = 1 if len(groups) == 1 or crowded else 2
    lines = -(-len(groups) // columns)
    wide = columns == 2 or crowded
    width = style.FULL_WIDTH_INCHES if wide else style.COLUMN_WIDTH_INCHES + 1.2
    figure = Figure(figsize=(width, 3.1 * lines + 0.3), layout="constrained")
    for place, ((space, data_set), _) in enumerate(groups):
        axes = figure.add_subplot(lines, columns, place + 1)
        axes.set_title(style.group_name(space, data_set), loc="left")
        if place % columns == 0:
            axes.set_ylabel("test error (%)")
        _draw_panel(axes, panels[place])
    present = set(_trained(tables)["method"])
    handles = [
        Line2D([], [], color=style.method_colour(method), marker="o", linestyle="", label=style.method_name(method))
        for method in sorted(present, key=style.method_order)
    ]
    handles.append(Line2D([], [], color=style.INK, linewidth=1.5, label="mean"))
    figure.legend(handles=handles, loc="outside lower center", ncols=min(4, len(handles)))
    return figure


def caption(tables: dict[str, pd.DataFrame]) -> str:
    """What a dot is, from how many trainings, and what is missing."""
    trainings, searches = _trained(tables), tables["searches"]
    if trainings.empty:
        return "No architecture that a search found has been trained from scratch yet, so there is nothing to draw."
    run = ["space", "data_set", "search", "run"]
    counted = trainings[trainings["same_as"].isna()]
    diverged = int((counted["outcome"] == "diverged").sum())
    per_setting = trainings.groupby(["space", "data_set", _settings(trainings), "method"])["seed"].nunique()
    per_architecture = counted.groupby([*run, "method"])["evaluation_seed"].nunique()
    parts = [
        f"Test error at the last epoch of {style.count(len(counted), 'training')} from scratch of "
        f"{style.count(len(per_architecture), 'architecture')} (search seeds per setting and "
        f"method: {style.span(per_setting)}; trainings per architecture: {style.span(per_architecture)}). "
        f"The networks have {style.span(trainings['parameters_millions'])} million parameters.",
        "A dot is one training, the bar the mean of the dots. DARTS takes the last epoch's architecture of a search, "
        "DARTS-ES that of the epoch at which the early-stopping rule stops. Below the axis: L2 factor and drop path of "
        "the search, mean test error, and mean number of noise and of skip operations in the normal cell.",
    ]
    if trainings["method"].isin(SELECTING).any():
        parts.append("R-DARTS has no setting: of a seed's searches it takes the one that is best after brief training.")
    if len(counted) < len(trainings):
        parts.append(
            "A hollow dot is a training that is counted at another method or search, which took the same architecture."
        )
    if diverged:
        parts.append(f"{style.count(diverged, 'training')} diverged and count in no mean.")
    with_setting = trainings[~trainings["method"].isin(SELECTING)]
    evaluated = set(with_setting[run].itertuples(index=False, name=None))
    absent = searches[[name not in evaluated for name in searches[run].itertuples(index=False, name=None)]]
    if len(absent):
        lost = int((absent["outcome"] == "diverged").sum())
        why = f" ({lost} diverged)" if lost else ""
        parts.append(f"{style.count(len(absent), 'search has', 'searches have')} no training{why}.")
    return " ".join(parts)


def _trained(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """The trainings of what searches found; one without an architecture gave nothing to train."""
    rows = tables["evaluations"]
    return rows[rows["outcome"].isin(TRAINED) & (rows["method"] != GENOTYPES)]


def alternative(tables: dict[str, pd.DataFrame]) -> str:
    """The picture in words: the mean of every setting and method, for the first settings."""
    trainings = _trained(tables)
    if trainings.empty:
        return "An empty panel: no architecture that a search found has been trained from scratch yet."
    words = []
    for (space, data_set), rows in trainings.groupby(["space", "data_set"], sort=True):
        for each in _columns(rows):
            mean = f"{each.errors.mean():.1f} %" if len(each.errors) else "no result"
            setting = "" if each.method in SELECTING else f"L2 {each.setting[0]}, drop path {each.setting[1]}, "
            words.append(f"{style.group_name(space, data_set)}, {setting}{style.method_name(each.method)} {mean}")
    more = f"; and {len(words) - 8} more" if len(words) > 8 else ""
    return f"Dot plot of test errors. Means: {'; '.join(words[:8])}{more}."


def _settings(rows: pd.DataFrame) -> pd.Series:
    """Of each training its L2 factor and drop path as text; what R-DARTS chose has none."""
    return pd.Series(
        [
            ("chosen", "") if method in SELECTING else (style.number(l2), style.number(drop_path))
            for method, l2, drop_path in rows[["method", "l2", "drop_path"]].itertuples(index=False, name=None)
        ],
        index=rows.index,
        name="setting",
        dtype=object,
    )


def _columns(rows: pd.DataFrame) -> list[_Column]:
    """The columns of a panel: settings by L2 and drop path, in each its methods; last what R-DARTS chose."""
    rows = rows.assign(
        setting=_settings(rows), chosen=rows["method"].isin(SELECTING), rank=rows["method"].map(style.method_order)
    )
    rows.loc[rows["chosen"], ["l2", "drop_path"]] = 0.0
    ordered = rows.sort_values(["chosen", "l2", "drop_path", "rank"], kind="stable")
    columns: list[_Column] = []
    for setting, setting_rows in ordered.groupby("setting", sort=False):
        place = columns[-1].place + 1 + _BETWEEN_SETTINGS if columns else 0.0
        for offset, (method, members) in enumerate(setting_rows.groupby("method", sort=False)):
            columns.append(_column(place + offset, setting, str(method), members))
    return columns


def _draw_panel(axes: Axes, columns: list[_Column]) -> None:
    for column in columns:
        colour = style.method_colour(column.method)
        if len(column.errors):
            spread = np.linspace(-0.17, 0.17, len(column.errors)) if len(column.errors) > 1 else np.zeros(1)
            for again, face, edge, width in ((False, colour, style.WHITE, 0.5), (True, style.WHITE, colour, 1.0)):
                axes.plot(
                    (column.place + spread)[column.again == again],
                    column.errors[column.again == again],
                    "o",
                    color=face,
                    markersize=4.5 if not again else 4.0,
                    markeredgecolor=edge,
                    markeredgewidth=width,
                    zorder=4,
                )
            axes.hlines(column.errors.mean(), column.place - 0.36, column.place + 0.36, color=style.INK, zorder=3)
    margin = (1 + _BETWEEN_SETTINGS) / 2
    axes.set_xlim(columns[0].place - margin, columns[-1].place + margin)
    axes.margins(y=0.12)
    style.widen(axes)
    axes.set_xticks([])
    for one, other in pairwise(columns):
        if one.setting != other.setting:
            axes.axvline((one.place + other.place) / 2, color=style.FAINT, linewidth=0.6)
    _table_below(axes, columns)


def _column(place: float, setting: Setting, method: str, rows: pd.DataFrame) -> _Column:
    finished = rows.dropna(subset=["test_error_percent"]).sort_values("test_error_percent", kind="stable")
    errors, again = style.floats(finished["test_error_percent"]), finished["same_as"].notna().to_numpy()
    cells = [parse_genotype(text) for text in rows.drop_duplicates(["search", "run"])["genotype"].dropna()]
    counts = {
        name: f"{np.mean([cell.count(name) for cell in cells]):.1f}".removesuffix(".0") if cells else "–"
        for name in DEGENERATE
    }
    diverged = int((rows["outcome"] == "diverged").sum())
    return _Column(place, setting, method, errors, again, diverged, counts)


def _table_below(axes: Axes, columns: list[_Column]) -> None:
    """Rows of text under the axis: the setting in the middle of its dots, the counts under each method."""
    size = 5.0 if len(columns) > 24 else style.SMALL_POINTS + 0.5
    named: list[tuple[float, Setting]] = []
    for setting, members in groupby(columns, key=lambda each: each.setting):
        places = [each.place for each in members]
        named.append(((places[0] + places[-1]) / 2, setting))
    rows = [(heading, [(x, parts[row], style.INK) for x, parts in named]) for row, heading in enumerate(_SETTING)]
    below = [("mean (%)", [f"{each.errors.mean():.1f}" if len(each.errors) else "–" for each in columns])]
    below += [(f"{style.operation_name(name)} ops", [each.counts[name] for each in columns]) for name in DEGENERATE]
    if any(each.diverged for each in columns):
        below.append(("diverged", [str(each.diverged) for each in columns]))
    colours = [style.method_colour(each.method) for each in columns]
    for heading, texts in below:
        rows.append((heading, list(zip((each.place for each in columns), texts, colours, strict=True))))
    for row, (heading, cells) in enumerate(rows):
        drop = -5 - _ROW_POINTS * (row + 0.5)
        offset: dict[str, Any] = {"xycoords": axes.get_xaxis_transform(), "textcoords": "offset points", "va": "center"}
        left = (axes.get_xlim()[0], 0)
        axes.annotate(heading, left, (-3, drop), ha="right", fontsize=style.SMALL_POINTS, color=style.GREY, **offset)
        for place, text, colour in cells:
            axes.annotate(text, (place, 0), (0, drop), ha="center", fontsize=size, color=colour, **offset)
