"""Does the dominant eigenvalue announce a bad architecture? Against test error, and against what discretising costs."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy.stats import rankdata, spearmanr

from figures import style

TABLES: tuple[str, ...] = ("searches", "evaluations")
TITLE = "Dominant eigenvalue, test error and the cost of discretising"
CATEGORY = "cells"

_COLLAPSED = 1.0e-3
"""The dominant eigenvalue of a network that answers one class whatever the image: the weight-decay diagonal alone."""
_FEWEST = 4
"""Searches below which no correlation is given."""
_RESAMPLES = 2000
_PANELS = {"test_error_percent": "test error, %", "drop_percent": "drop when discretised, points"}


@style.styled
def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """A row per space and data set, a point per search: against test error left, against the drop right."""
    points = _points(tables)
    if points.empty:
        return style.empty("No search has measured its curvature yet.")
    groups = list(points.groupby(["space", "data_set"], sort=True))
    figure = Figure(figsize=(style.FULL_WIDTH_INCHES, 0.6 + 2.4 * len(groups)), layout="constrained")
    for row, ((space, data_set), group_rows) in enumerate(groups):
        for column, (name, label) in enumerate(_PANELS.items()):
            axes = figure.add_subplot(len(groups), 2, 2 * row + column + 1)
            _draw_panel(axes, group_rows.dropna(subset=[name]), name)
            axes.set_title(f"{style.group_name(space, data_set)}\n{_correlation_text(group_rows, name)}", loc="left")
            axes.set_ylabel(label)
            axes.set_xlabel("dominant eigenvalue")
    _legend(figure, points)
    return figure


def caption(tables: dict[str, pd.DataFrame]) -> str:
    """What is drawn, the correlation used, and what was left out of it."""
    points, everything = _points(tables), style.darts_searches(tables["searches"])
    if points.empty:
        return "No search has measured its curvature yet, so there is nothing to draw."
    collapsed = int(points["collapsed"].sum())
    parts = [
        "A point is one DARTS search. Left: its last dominant eigenvalue against the test error of its last "
        "architecture, the mean over trainings from scratch. Right: against the drop, the validation error of that "
        "architecture cut out of the supernet with the supernet's weights, less that of the supernet.",
        "Spearman's rank correlation with a 95 % bootstrap interval over searches (2000 resamples, fixed seed).",
        f"{style.count(len(points), 'search', 'searches')}, {int(points['test_error_percent'].notna().sum())} with a "
        f"test error and {int(points['drop_percent'].notna().sum())} with the drop.",
        style.source(points),
    ]
    if collapsed:
        parts.append(
            f"{style.count(collapsed, 'search', 'searches')} collapsed to one class (hollow points) and count in no "
            "correlation."
        )
    absent = len(everything) - len(points)
    if absent:
        parts.append(f"{style.count(absent, 'search', 'searches')} diverged or measured no curvature and are left out.")
    return " ".join(parts)


def alternative(tables: dict[str, pd.DataFrame]) -> str:
    """The correlations in words."""
    points = _points(tables)
    if points.empty:
        return "An empty panel: no curvature has been measured yet."
    sentences = []
    for (space, data_set), group_rows in points.groupby(["space", "data_set"], sort=True):
        words = [f"{label.split(',')[0]} {_correlation_text(group_rows, name)}" for name, label in _PANELS.items()]
        sentences.append(f"{style.group_name(space, data_set)}: {style.listed(words)}")
    return f"Scatter plots of the dominant eigenvalue. Correlation with {'; '.join(sentences)}."


def _points(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Finished DARTS searches with an eigenvalue; NaN where the test error or the drop is not known."""
    searches = style.darts_searches(tables["searches"])
    searches = searches[(searches["outcome"] == "finished") & searches["final_dominant_eigenvalue"].notna()]
    keys = ["space", "data_set", "search", "run"]
    evaluations = tables["evaluations"]
    tested = evaluations[evaluations["method"] == "darts"].dropna(subset=["test_error_percent"])
    errors = tested.groupby(keys)["test_error_percent"].mean().reset_index()
    points = searches.merge(errors, on=keys, how="left")
    points["drop_percent"] = points["discretised_valid_error_percent"] - points["valid_error_percent"]
    points["collapsed"] = (points["final_dominant_eigenvalue"] - _COLLAPSED).abs() < 1e-6
    return points


def _correlation_text(group_rows: pd.DataFrame, name: str) -> str:
    counted = group_rows[~group_rows["collapsed"]].dropna(subset=[name])
    count = len(counted)
    if count < _FEWEST:
        return f"n = {count}, too few for a correlation"
    x, y = style.floats(counted["final_dominant_eigenvalue"]), style.floats(counted[name])
    rho = spearmanr(x, y).statistic
    if not np.isfinite(rho):
        return f"n = {count}, all the same"
    low, high = _interval(x, y)
    return f"ρ = {rho:.2f} [{low:.2f}, {high:.2f}], n = {count}"


def _interval(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """The 95 % percentile bootstrap interval of Spearman's correlation; resamples of a single value do not count."""
    chosen = np.random.default_rng(0).integers(len(x), size=(_RESAMPLES, len(x)))
    ranks = [rankdata(values[chosen], axis=1) for values in (x, y)]
    a, b = (rank - rank.mean(1, keepdims=True) for rank in ranks)
    with np.errstate(invalid="ignore"):
        drawn = (a * b).sum(1) / np.sqrt((a**2).sum(1) * (b**2).sum(1))
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return float(low), float(high)


def _draw_panel(axes: Axes, points: pd.DataFrame, name: str) -> None:
    if points.empty:
        axes.text(0.5, 0.5, "not measured", ha="center", va="center", color=style.GREY, transform=axes.transAxes)
        return
    for point in points.itertuples():
        colour = style.l2_colour(point.l2)
        axes.plot(
            [point.final_dominant_eigenvalue],
            [getattr(point, name)],
            _marker(point.drop_path),
            color=colour,
            markersize=5,
            markerfacecolor=style.WHITE if point.collapsed else colour,
        )
    style.widen(axes)
    values = style.floats(points["final_dominant_eigenvalue"])
    if values.min() > 0 and values.max() > 5 * values.min():
        style.logarithmic(axes, "x")


def _marker(drop_path: float) -> str:
    """A circle without drop path, a triangle with it."""
    return "o" if drop_path == 0 else "^"


def _legend(figure: Figure, points: pd.DataFrame) -> None:
    handles = [
        Line2D([], [], color=style.l2_colour(l2), marker="o", linestyle="", label=f"L2 {style.number(l2)}")
        for l2 in sorted(points["l2"].unique())
    ]
    if (points["drop_path"] > 0).any():
        handles.append(Line2D([], [], color=style.GREY, marker="^", linestyle="", label="with drop path"))
    figure.legend(handles=handles, loc="outside lower center", ncols=min(5, len(handles)))
