"""Runs that differ in seeds only: which those are, and how they are drawn. The depth search's figures share it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style

Dashes = Any  # a line style of matplotlib: its name, or an offset with lengths
DATA = ("data_set", "width", "points", "train_points", "noise", "stop_angle_degrees")
"""Columns of the data on which, and the width with which, a network was trained."""
SHOWN_DEPTH = 50
"""Largest depth D of the networks that a figure of one D shows, as in the paper, where there are some."""


@dataclass(frozen=True)
class Compared:
    """The finished runs of learnt depth (LDN) of one experiment on the same data, and those of fixed depth (DDN)."""

    data_set: str
    experiment: str
    ldn: pd.DataFrame
    ddn: pd.DataFrame

    @property
    def shown_depth(self) -> int:
        """The largest D up to `SHOWN_DEPTH`, or the smallest where all are larger."""
        depths = self.ldn["max_depth"]
        return int(depths[depths <= SHOWN_DEPTH].max()) if (depths <= SHOWN_DEPTH).any() else int(depths.min())

    def ldn_shown(self) -> pd.DataFrame:
        """The LDN of that D."""
        return self.ldn[self.ldn["max_depth"] == self.shown_depth]

    def ddn_shown(self) -> pd.DataFrame:
        """The DDN of that D."""
        return self.ddn[self.ddn["max_depth"] == self.shown_depth]


def compared(runs: pd.DataFrame) -> Iterator[Compared]:
    """Per data the experiment with most values of D among its LDN, with the DDN on the same data, in table order.

    LDN whose q was set to q*, as the paper's is not, are left out.
    """
    finished = runs[(runs["outcome"] == "finished") & runs["closed_form_from"].isna()]
    ldn = finished[finished["model"] == "ldn"]
    ddn = finished[finished["model"] == "ddn"].drop_duplicates([*DATA, "max_depth", "data_seed", "weight_seed"])
    for values, group_rows in ldn.groupby(list(DATA), sort=False, dropna=False):
        setting = dict(zip(DATA, values, strict=True))
        experiment = group_rows.groupby("experiment", sort=False)["max_depth"].nunique().idxmax()
        chosen = group_rows[group_rows["experiment"] == experiment]
        yield Compared(setting["data_set"], str(experiment), chosen, ddn[alike(ddn, setting)])


def alike(frame: pd.DataFrame, values: dict[str, Any]) -> np.ndarray:
    """Which rows have these values; an absent value is like an absent value."""
    hits = [frame[name].isna() if pd.isna(value) else frame[name] == value for name, value in values.items()]
    return np.logical_and.reduce([hit.fillna(False).to_numpy(dtype=bool) for hit in hits])


def means_over_seeds(runs: pd.DataFrame, x: str, y: str) -> pd.Series:
    """The mean of y over the runs of each value of x, sorted by x. Runs without a value of either are left out."""
    return runs[[x, y]].astype(float).dropna().groupby(x)[y].mean()


def draw_over_seeds(
    axes: Axes, runs: pd.DataFrame, x: str, y: str, colour: str, label: str = "", dashes: Dashes = "-"
) -> None:
    """A line through the means, with a band of one standard deviation to each side where there are several runs."""
    sns.lineplot(
        x=style.floats(runs[x]),
        y=style.floats(runs[y]),
        errorbar="sd",
        err_kws={"alpha": 0.16, "linewidth": 0},
        color=colour,
        linestyle=dashes,
        linewidth=1.2,
        marker="o" if len(means_over_seeds(runs, x, y)) <= 20 else "",
        markersize=2.6,
        markeredgecolor=colour,
        markeredgewidth=1,
        label=label,
        legend=False,
        ax=axes,
    )


def draw_bars_over_seeds(axes: Axes, runs: pd.DataFrame, x: str, y: str, colour: str) -> None:
    """A bar up to each mean, with a line of one standard deviation to each side where there are several runs."""
    sns.barplot(
        x=style.floats(runs[x]),
        y=style.floats(runs[y]),
        native_scale=True,
        errorbar="sd",
        err_kws={"color": style.BLUE, "linewidth": 0.7},
        color=colour,
        saturation=1,
        legend=False,
        ax=axes,
    )


def mean_and_std(values: pd.Series) -> tuple[float, float]:
    """Mean and standard deviation over runs; that of a single run is 0, and without any both are not-a-number."""
    present = style.floats(values.dropna())
    if not len(present):
        return float("nan"), float("nan")
    return float(present.mean()), float(present.std(ddof=1)) if len(present) > 1 else 0.0


def outer_fences(runs: pd.DataFrame, x: str, y: str, other_values: pd.Series) -> tuple[float, float]:
    """Tukey's outer fences of the means over seeds: 3 times the distance of their quartiles below and above these.

    A mean beyond them, such as of networks that failed, would leave nothing of the others to see. They are wide enough
    for `other_values`, which share the axis.
    """
    means, values = means_over_seeds(runs, x, y), style.floats(other_values.dropna())
    if not len(means):
        return float("-inf"), float("inf")
    lower, upper = np.quantile(means, [0.25, 0.75])
    reach = 3 * (upper - lower)
    return float(min([lower - reach, *values])), float(max([upper + reach, *values]))


def count_outside(runs: pd.DataFrame, x: str, y: str, other_values: pd.Series) -> int:
    """How many means are beyond the fences."""
    means, (low, high) = means_over_seeds(runs, x, y), outer_fences(runs, x, y, other_values)
    return int(((means < low) | (means > high)).sum())


def caveats(runs: pd.DataFrame, beyond: int = 0) -> list[str]:
    """Sentences that end a caption: how many means of DDN are beyond the fences, and how many runs diverged."""
    sentences = []
    if beyond:
        lie = f"{style.count(beyond, 'mean')} of DDN {'lies' if beyond == 1 else 'lie'}"
        ends = "3 quartile distances past the quartiles of these means, or where the LDN's values end"
        sentences.append(f"{lie} beyond the axes, which end {ends}.")
    diverged = int((runs["outcome"] == "diverged").sum())
    if diverged:
        sentences.append(f"{style.count(diverged, 'run')} of {len(runs)} diverged and count in no mean.")
    return sentences


def panel_grid(panels: int, most: int, height: float) -> tuple[Figure, list[Axes], int]:
    """A figure with this many panels, at most `most` side by side, each `height` inches; and the number of columns."""
    columns = min(most, panels)
    lines = -(-panels // columns)
    width = style.FULL_WIDTH_INCHES if columns > 1 else style.COLUMN_WIDTH_INCHES + 1.2
    figure = Figure(figsize=(width, height * lines + 0.4), layout="constrained")
    grid = list(figure.subplots(lines, columns, squeeze=False).flat)
    for axes in grid[panels:]:
        axes.set_visible(False)
    return figure, grid[:panels], columns


def limit_to_fences(axes: Axes, runs: pd.DataFrame, x: str, y: str, other_values: pd.Series) -> None:
    """End a vertical axis at the fences where means are beyond them."""
    if count_outside(runs, x, y, other_values):
        (low, high), (shown_low, shown_high) = outer_fences(runs, x, y, other_values), axes.get_ylim()
        axes.set_ylim(max(shown_low, low), min(shown_high, high))


def end_at_zero(axes: Axes) -> None:
    """End a vertical axis of values that are never positive at 0, where a band reaches past it."""
    low, high = axes.get_ylim()
    if low < 0 < high:
        axes.set_ylim(low, 0)
