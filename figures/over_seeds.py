"""Runs that differ in their seeds only, drawn as mean and standard deviation; the depth search's figures share it."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from figures import style

Dashes = Any  # a line style of matplotlib: its name, or an offset with lengths


def over_seeds(runs: pd.DataFrame, x: str, y: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values of x, sorted, and for each the mean of y over its runs and the standard deviation, 0 for a single run.

    Runs without a value of y are left out.
    """
    spread = runs.dropna(subset=[x, y]).groupby(x)[y].agg(["mean", "std"]).fillna(0.0)
    return style.floats(spread.index.to_series()), style.floats(spread["mean"]), style.floats(spread["std"])


def draw_over_seeds(
    axes: Axes, runs: pd.DataFrame, x: str, y: str, colour: str, label: str = "", dashes: Dashes = "-"
) -> None:
    """A line through the means, with a band of one standard deviation to each side."""
    place, mean, deviation = over_seeds(runs, x, y)
    if not len(place):
        return
    axes.fill_between(place, mean - deviation, mean + deviation, color=colour, alpha=0.16, linewidth=0)
    marker = "o" if len(place) <= 20 else ""
    axes.plot(place, mean, color=colour, linestyle=dashes, linewidth=1.2, marker=marker, markersize=2.6, label=label)
