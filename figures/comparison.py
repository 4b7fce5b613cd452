"""The study's test errors next to the published ones: a panel per space and data set, a line per method.

Dots show ours and the published values on one axis; the numbers are next to them. The two published tables are of
different runs, and no difference between them is shown.
"""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from figures import style

TABLES: tuple[str, ...] = ("comparison",)
TITLE = "Test errors and published values"
CATEGORY = "cells"

_LINE, _HEADING, _AXIS, _GAP, _LEGEND = 0.22, 0.44, 0.36, 0.08, 0.3
"""Heights in inches: a method, the heading above the methods, the axis below them, the space below it, the legend."""
_PANEL_WIDTH = style.FULL_WIDTH_INCHES / 2
_PLOT_LEFT, _PLOT_WIDTH = 1.0, 0.68
_OURS, _A, _B = 2.06, 2.76, 3.3
"""Middles in inches of the columns of numbers, within a panel."""
_UNCONFIRMED = "unconfirmed"
_KINDS = {
    "ours": ("this study", style.BLUE, "o", -0.27),
    "published_a": ("published, Table A", style.VERMILION, "s", 0.0),
    "published_b": ("published, Table B", style.GREEN, "^", 0.27),
}
"""Name, colour, marker and height within a line of what is compared."""


@style.styled
def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """Two panels side by side."""
    groups = _groups(tables)
    if not groups:
        return style.empty("No result at the paper's default setting yet.")
    columns = min(2, len(groups))
    lines = -(-len(groups) // columns)
    panel = _HEADING + max(len(rows) for _, _, rows in groups) * _LINE + _AXIS + _GAP
    width, total = columns * _PANEL_WIDTH, lines * panel + _LEGEND
    figure = Figure(figsize=(width, total))
    for place, (space, data_set, rows) in enumerate(groups):
        line, column = divmod(place, columns)
        left, top = column * _PANEL_WIDTH, line * panel
        bottom = total - top - _HEADING - len(rows) * _LINE
        size = (_PLOT_WIDTH / width, len(rows) * _LINE / total)
        axes = figure.add_axes(((left + _PLOT_LEFT) / width, bottom / total, *size))
        _draw_panel(axes, rows)
        _write_numbers(axes, rows)
        _write_heading(axes, style.group_name(space, data_set), _has_published(rows))
    kinds = list(_KINDS.values())[: 3 if any(_has_published(rows) for _, _, rows in groups) else 1]
    handles: list[Any] = [
        Line2D([], [], color=colour, marker=marker, markersize=4, linewidth=0.8, label=name)
        for name, colour, marker, _ in kinds
    ]
    figure.legend(handles=handles, loc="lower center", ncols=3, bbox_to_anchor=(0.5, 0))
    return figure


def caption(tables: dict[str, pd.DataFrame]) -> str:
    """What is compared, and that scales may differ."""
    groups = _groups(tables)
    if not groups:
        return "No result at the paper's default setting (L2 0.0003, drop path 0) yet, so there is nothing to draw."
    rows = tables["comparison"]
    absent = [
        style.group_name(space, data_set) for space, data_set, group_rows in groups if not _has_published(group_rows)
    ]
    sources = sorted({part for text in rows["sources"].dropna() for part in text.split("; ") if part[:6] == "Table "})
    parts = [
        f"Test errors of {style.count(len(groups), 'space and data set', 'spaces and data sets')}, in percent. Ours: "
        "the mean over searches of the mean over their trainings, ± the standard deviation over searches, whose number "
        "is in brackets; at the paper's default setting, L2 0.0003 and drop path 0, and for R-DARTS what it selected. "
        "Our numbers hold for the settings of this study; only at the paper's own scale can they be expected to agree "
        "with the published ones."
    ]
    if sources:
        parts.append(
            f"{'; '.join(sources)}. Table A has means ± standard deviations of searches, Table B one selected "
            "architecture an entry; they come from different runs and are not to be subtracted from one another."
        )
        parts.append("Unconfirmed: no published value was found in any text at hand.")
    if absent:
        parts.append(f"There is no published value for {style.listed(absent)}.")
    return " ".join(parts)


def alternative(tables: dict[str, pd.DataFrame]) -> str:
    """The first numbers in words."""
    groups = _groups(tables)
    if not groups:
        return "An empty panel: no result at the paper's default setting yet."
    words = [
        f"{style.group_name(space, data_set)}, {style.method_name(row['method'])}: ours {_ours(row)}, published "
        f"{_published(row) or 'none confirmed'}"
        for space, data_set, rows in groups
        for row in rows.to_dict("records")
    ]
    more = f"; and {len(words) - 12} more" if len(words) > 12 else ""
    return f"Dot plots and numbers of test errors. {'; '.join(words[:12])}{more}."


def _groups(tables: dict[str, pd.DataFrame]) -> list[tuple[str, str, pd.DataFrame]]:
    """Space, data set and rows of each panel, data set by data set; methods that nobody ran have no row."""
    table = tables["comparison"]
    table = table[table[["ours_mean_percent", "published_a_mean_percent", "published_b_percent"]].notna().any(axis=1)]
    found = table.groupby(["data_set", "space"], sort=True)
    return [(space, data_set, rows.reset_index(drop=True)) for (data_set, space), rows in found]


def _has_published(rows: pd.DataFrame) -> bool:
    return bool(rows["published_a_mean_percent"].notna().any() or rows["published_b_percent"].notna().any())


def _draw_panel(axes: Axes, rows: pd.DataFrame) -> None:
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_yticks(range(len(rows)), [style.method_name(method) for method in rows["method"]])
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("test error (%)", labelpad=1)
    axes.xaxis.set_major_locator(MaxNLocator(3))
    columns = {
        "ours": ("ours_mean_percent", "ours_deviation_percent"),
        "published_a": ("published_a_mean_percent", "published_a_deviation_percent"),
        "published_b": ("published_b_percent", None),
    }
    for kind, (mean, std) in columns.items():
        _, colour, marker, height = _KINDS[kind]
        known = rows[rows[mean].notna()]
        if known.empty:
            continue
        axes.errorbar(
            style.floats(known[mean]),
            [place + height for place in known.index],
            xerr=None if std is None else style.floats(known[std].fillna(0.0)),
            fmt=marker,
            color=colour,
            markersize=3.5,
            elinewidth=0.9,
        )
    axes.margins(x=0.12)
    style.widen(axes, "x")


def _write_numbers(axes: Axes, rows: pd.DataFrame) -> None:
    published = _has_published(rows)
    for place, row in enumerate(rows.to_dict("records")):
        a, b = row["published_a_mean_percent"], row["published_b_percent"]
        for x, text, known in (
            (_OURS, _ours(row), not pd.isna(row["ours_mean_percent"])),
            (_A, _spread(a, row["published_a_deviation_percent"]), not pd.isna(a)),
            (_B, _spread(b, None), not pd.isna(b)),
        ):
            if known:
                _write(axes, x, place, text, style.INK, 6.0)
            elif published or x == _OURS:
                _write(axes, x, place, text, style.GREY, 5.0)


def _write_heading(axes: Axes, title: str, published: bool) -> None:
    lowest = -0.5 - 0.1 / _LINE
    if published:
        for x, text in ((_A, "Table A"), (_B, "Table B")):
            _write(axes, x, lowest, text, style.GREY, style.SMALL_POINTS)
    else:
        _write(axes, (_A + _B) / 2 - 0.02, lowest, "no published values", style.GREY, style.SMALL_POINTS)
    _write(axes, _OURS, lowest, "this study", style.GREY, style.SMALL_POINTS)
    place = ((0.09 - _PLOT_LEFT) / _PLOT_WIDTH, -0.5 - 0.3 / _LINE)
    across = axes.get_yaxis_transform()
    axes.text(*place, title, transform=across, va="center", weight="bold", fontsize=style.TEXT_POINTS)


def _write(axes: Axes, x: float, y: float, text: str, colour: str, size: float) -> None:
    """Text centred at a place in inches across the panel, and at a line."""
    across = (x - _PLOT_LEFT) / _PLOT_WIDTH
    style_of: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": size, "color": colour}
    axes.text(across, y, text, transform=axes.get_yaxis_transform(), **style_of)


def _ours(row: dict) -> str:
    if pd.isna(row["ours_mean_percent"]):
        return "no result"
    return f"{_spread(row['ours_mean_percent'], row['ours_deviation_percent'])} ({row['ours_searches']})"


def _published(row: dict) -> str:
    """The published values in words, each with its table; empty where there is none."""
    values = {
        "A": _spread(row["published_a_mean_percent"], row["published_a_deviation_percent"]),
        "B": _spread(row["published_b_percent"], None),
    }
    return " and ".join(f"{value} (Table {table})" for table, value in values.items() if value != _UNCONFIRMED)


def _spread(mean: Any, std: Any) -> str:
    if pd.isna(mean):
        return _UNCONFIRMED
    return f"{mean:.2f}" if pd.isna(std) else f"{mean:.2f} ± {std:.2f}"
