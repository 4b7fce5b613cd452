"""The depth that learnt depth networks (LDN) choose, against the largest depth, the data and the width.

A panel per experiment: the expected depth and d_opt of the learnt posterior q, and of q*, the optimum for the final
weights.
"""

from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style
from figures.over_seeds import Dashes, draw_over_seeds, means_over_seeds, panel_grid

TABLES: tuple[str, ...] = ("depth_runs",)
TITLE = "Depth chosen"
CATEGORY = "depth"

_AXES = {
    "max_depth": "largest depth D (blocks)",
    "train_points": "training points",
    "stop_angle_degrees": "angle of the spirals (degrees)",
    "width": "units per layer",
    "noise": "noise",
}
_LINES: dict[str, tuple[str, str, Dashes]] = {
    "expected_depth": ("E[d] under q", "q", "-"),
    "d_opt": (r"$d_\mathrm{opt}$ of q", "q", (0, (3, 1.5))),
    "expected_depth_optimal_q": ("E[d] under q*", "optimal_q", "-"),
    "d_opt_optimal_q": (r"$d_\mathrm{opt}$ of q*", "optimal_q", (0, (3, 1.5))),
}
_COLOURS = {"q": style.BLUE, "optimal_q": style.DEPTH_COLOURS["optimal_q"]}


@dataclass(frozen=True)
class _Panel:
    """The finished LDN runs of one experiment on one data set, and the property in which they differ."""

    heading: str
    x: str
    runs: pd.DataFrame


@style.styled
def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """One panel per experiment, two side by side."""
    panels = _panels(tables)
    if not panels:
        return style.empty("No experiment varies the depth, the data or the width of learnt depth networks yet.")
    figure, grid, columns = panel_grid(len(panels), 2, 2.3)
    for place, (axes, panel) in enumerate(zip(grid, panels, strict=True)):
        _draw_panel(axes, panel)
        if place % columns == 0:
            axes.set_ylabel("depth (blocks)")
    handles, labels = grid[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4)
    return figure


def caption(tables: dict[str, pd.DataFrame]) -> str:
    """What is drawn, from how many runs."""
    panels, runs = _panels(tables), tables["depth_runs"]
    if not panels:
        return "No experiment varies a property of learnt depth networks yet, so there is nothing to draw."
    drawn = sum(len(panel.runs) for panel in panels)
    seeds = style.span(size for panel in panels for size in panel.runs.groupby(panel.x).size())
    parts = [
        f"Depth chosen by {style.count(drawn, 'learnt depth network')} (LDN), {seeds} for each value; up to "
        f"{style.span(value for panel in panels for value in style.floats(panel.runs['epochs']))} epochs. Lines are "
        "means over seeds, bands one standard deviation to each side. Blue: the learnt posterior q; red: q*, the "
        "optimal posterior for the final weights. Solid: the expected depth E[d]; dashed: d_opt, the first depth "
        "with a probability above 0.95 of the largest."
    ]
    diverged = int(((runs["outcome"] == "diverged") & (runs["model"] == "ldn")).sum())
    if diverged:
        parts.append(f"{style.count(diverged, 'network')} diverged and count in no mean.")
    return " ".join(parts)


def alternative(tables: dict[str, pd.DataFrame]) -> str:
    """The picture in words: first and last mean of E[d] and d_opt per panel."""
    panels = _panels(tables)
    if not panels:
        return "An empty panel: no experiment varies a property of learnt depth networks yet."
    words = []
    for panel in panels:
        expected, optimal = (means_over_seeds(panel.runs, panel.x, name) for name in ("expected_depth", "d_opt"))
        words.append(
            f"{panel.heading}: from {panel.x.replace('_', ' ')} {expected.index[0]:.4g} to {expected.index[-1]:.4g}, "
            f"E[d] goes from {expected.iloc[0]:.3g} to {expected.iloc[-1]:.3g} and d_opt from {optimal.iloc[0]:.3g} to "
            f"{optimal.iloc[-1]:.3g}"
        )
    return f"Line charts of the chosen depth. {'; '.join(words)}."


def _panels(tables: dict[str, pd.DataFrame]) -> list[_Panel]:
    """Per experiment and data set, and per combination of the properties that also vary, the property with the
    most values, in table order; none where nothing varies."""
    runs = tables["depth_runs"]
    runs = runs[(runs["outcome"] == "finished") & (runs["model"] == "ldn")]
    panels = []
    for (experiment, data_set), group_rows in runs.groupby(["experiment", "data_set"], sort=False):
        values = {name: group_rows[name].nunique() for name in _AXES}
        varying = max(values, key=values.__getitem__)
        if group_rows[varying].nunique() < 2:
            continue
        heading = f"{experiment.replace('_', ' ')}, {style.data_set_name(data_set)}"
        others = [name for name in _AXES if name != varying and values[name] > 1]
        parts = group_rows.groupby(others, sort=False, dropna=False) if others else [((), group_rows)]
        for fixed, part in parts:
            details = [f"{name.replace('_', ' ')} {style.number(v)}" for name, v in zip(others, fixed, strict=True)]
            panels.append(_Panel(", ".join([heading, *details]), varying, part))
    return panels


def _draw_panel(axes: Axes, panel: _Panel) -> None:
    for column, (label, posterior, dashes) in _LINES.items():
        draw_over_seeds(axes, panel.runs, panel.x, column, _COLOURS[posterior], label, dashes)
    axes.set_title(panel.heading, loc="left")
    axes.set_xlabel(_AXES[panel.x])
    axes.set_ylim(bottom=0)
    style.whole_ticks(axes.yaxis)
    if pd.api.types.is_integer_dtype(panel.runs[panel.x]):
        style.whole_ticks(axes.xaxis)
