"""How many of the eight operations of the normal cell found last are degenerate, against L2 and drop path.

Skip-connections everywhere, noise operations in the spaces that have them.
"""

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures import style
from workflow_scripts.tables.display_names import DEGENERATE
from workflow_scripts.tables.genotype import parse_genotype

TABLES: tuple[str, ...] = ("searches",)
TITLE = "Skip-connections and noise in the cells found"
CATEGORY = "cells"

_COUNTED = {
    name: "skip-connections" if name == "skip_connect" else f"{style.operation_name(name)} operations"
    for name in reversed(DEGENERATE)
}
_EDGES = 8  # of a cell


@style.styled
def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """A row per space and data set: counts over L2, and over drop path where it varies."""
    groups = style.sweeps(_counted(tables))
    if not groups:
        return style.empty("No search has found an architecture yet.")
    columns = max(map(len, groups))
    figure = Figure(figsize=(1.4 + 2.9 * columns, 0.7 + 1.9 * len(groups)), layout="constrained")
    shown = [name for name in _COUNTED if any((sweep.searches[name] > 0).any() for row in groups for sweep in row)]
    shown = shown or ["skip_connect"]
    for row, sweeps in enumerate(groups):
        for column, sweep in enumerate(sweeps):
            axes = figure.add_subplot(len(groups), columns, row * columns + column + 1)
            _draw_panel(axes, sweep, shown)
            axes.set_title(sweep.heading, loc="left")
            if column == 0:
                axes.set_ylabel(f"operations of {_EDGES}")
    handles = [
        Line2D(
            [], [], color=style.operation_colour(name), marker="o", markersize=4, linewidth=1.2, label=_COUNTED[name]
        )
        for name in shown
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


def caption(tables: dict[str, pd.DataFrame]) -> str:
    """What is counted, in how many searches, and how many have no cell."""
    counted, everything = _counted(tables), style.darts_searches(tables["searches"])
    if counted.empty:
        return "No search has found an architecture yet, so there is nothing to draw."
    seeds = style.span(counted.groupby(["space", "data_set", "l2", "drop_path"])["seed"].nunique())
    parts = [
        f"Operations of a kind among the {_EDGES} of the normal cell after the last epoch of a DARTS search. A point "
        "is the mean over seeds, its bar runs from the smallest to the largest seed.",
        f"{style.count(len(counted), 'search', 'searches')}, seeds per setting: {seeds}.",
        style.source(counted),
    ]
    absent = len(everything) - len(counted)
    if absent:
        parts.append(f"{style.count(absent, 'search', 'searches')} diverged or ended early and are left out.")
    return " ".join(parts)


def alternative(tables: dict[str, pd.DataFrame]) -> str:
    """The means in words."""
    groups = style.sweeps(_counted(tables))
    if not groups:
        return "An empty panel: no architecture has been found yet."
    sentences = []
    for sweeps in groups:
        sweep = sweeps[0]
        for name in _COUNTED:
            means = sweep.searches.groupby("l2")[name].mean()
            if (means > 0).any():
                words = [f"{mean:.1f} at L2 {style.number(l2)}" for l2, mean in means.items()]
                where = ", ".join(sweep.heading.splitlines())
                sentences.append(f"{where}: {style.operation_name(name)} {style.listed(words)}")
    means_in_words = "; ".join(sentences) or "none anywhere"
    return f"Points with bars for the number of operations against L2 and drop path. Means, {means_in_words}."


def _counted(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """The finished DARTS searches with a column for each kind of operation."""
    searches = style.darts_searches(tables["searches"])
    searches = searches[(searches["outcome"] == "finished") & searches["genotype"].notna()]
    cells = [parse_genotype(text) for text in searches["genotype"]]
    return searches.assign(**{name: [cell.count(name) for cell in cells] for name in _COUNTED})


def _draw_panel(axes: Axes, sweep: style.Sweep, names: list[str]) -> None:
    counts = sweep.searches.melt(sweep.swept, names, "operation", "count")
    sns.pointplot(
        counts,
        x=sweep.swept,
        y="count",
        hue="operation",
        palette={name: style.operation_colour(name) for name in names},
        errorbar=("pi", 100),  # from the smallest to the largest
        dodge=0.12 * (len(names) - 1),
        formatter=style.number,
        capsize=0.06,
        linewidth=1.2,
        markersize=4,
        legend=False,
        ax=axes,
    )
    axes.set(xlabel=sweep.name, ylabel="", xlim=(-0.4, len(sweep.values) - 0.6))
    axes.grid(True)  # seaborn takes away the vertical lines
    axes.set_ylim(-0.4, _EDGES + 0.4)
    axes.set_yticks(range(0, _EDGES + 1, 2))
