"""The posterior over depth that learnt depth networks (LDN) find, and how well every depth predicts alone.

For each setting an upper panel with the learnt posterior q, the prior, and q*, the optimum for the final weights; and
a lower panel with the test log-likelihood of each depth alone next to deterministic networks (DDN) of that depth.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from figures import style
from figures.over_seeds import (
    DATA,
    alike,
    caveats,
    count_outside,
    draw_bars_over_seeds,
    end_at_zero,
    limit_to_fences,
    mean_and_std,
    means_over_seeds,
)

TABLES: tuple[str, ...] = ("depth_runs", "depth_posteriors")
TITLE = "Posterior over depth"
CATEGORY = "depth"

_PANELS = 12
"""More settings than this are left out of the picture and counted in the caption."""
_SETTING = ("data_set", "max_depth", *DATA[1:])
_DDN_RESULT = ("max_depth", "test_log_likelihood_full")
_UNITS = {
    "width": "width {}",
    "points": "{} points",
    "train_points": "{} training points",
    "noise": "noise {}",
    "stop_angle_degrees": "{}°",
}


@dataclass(frozen=True)
class _Group:
    """The LDN runs that differ in their seeds only, and the DDN runs on the same data and width."""

    heading: str
    max_depth: int
    ldn: pd.DataFrame
    depths: pd.DataFrame
    ddn: pd.DataFrame


@style.styled
def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """An upper and a lower panel per setting, three settings side by side."""
    groups = _groups(tables)[:_PANELS]
    if not groups:
        return style.empty("No learnt depth network has been trained yet.")
    columns = 2 if len(groups) == 4 else min(3, len(groups))
    lines = -(-len(groups) // columns)
    width = style.FULL_WIDTH_INCHES if columns > 1 else style.COLUMN_WIDTH_INCHES + 1.2
    figure = Figure(figsize=(width, 3.3 * lines + 0.6), layout="constrained")
    grid = figure.add_gridspec(2 * lines, columns)
    for place, group in enumerate(groups):
        row, column = divmod(place, columns)
        upper = figure.add_subplot(grid[2 * row, column])
        lower = figure.add_subplot(grid[2 * row + 1, column], sharex=upper)
        _draw_posterior(upper, group)
        _draw_likelihood(lower, group)
        upper.set_title(group.heading, loc="left")
        upper.tick_params(labelbottom=False)
        lower.set_xlabel("depth d (blocks)")
        style.whole_ticks(lower.xaxis)
        if column == 0:
            upper.set_ylabel("probability")
            lower.set_ylabel("test log-likelihood\nper point (nats)")
    _legend(figure, any(not group.ddn.empty for group in groups), columns)
    return figure


def caption(tables: dict[str, pd.DataFrame]) -> str:
    """What is drawn, from how many runs, and what is missing."""
    groups, runs = _groups(tables), tables["depth_runs"]
    if not groups:
        return "No learnt depth network has been trained yet, so there is nothing to draw."
    shown = groups[:_PANELS]
    parts = [
        f"{style.count(sum(len(group.ldn) for group in shown), 'learnt depth network')} (LDN), runs per panel: "
        f"{style.span(len(group.ldn) for group in shown)}; {style.span(_all(shown, 'train_points'))} training points,"
        f" {style.span(_all(shown, 'width'))} units or channels per layer, up to "
        f"{style.span(_all(shown, 'epochs'))} epochs.",
        "Above: bars are the learnt posterior q over the depth, with the standard deviation over runs where there is "
        "more than one; diamonds are q*, the optimal posterior for the final weights; the dashed curve is the prior. "
        "Below: the line is the mean test log-likelihood of each depth of the LDN used alone, its band the standard "
        "deviation over runs. Vertical lines: d_opt, the first depth with q above 0.95 of its maximum (solid), and the "
        "expected depth E[d] (dotted), means over runs.",
    ]
    networks = pd.concat([group.ddn for group in shown]).drop_duplicates(["experiment", "run"])
    if networks.empty:
        parts.append("No deterministic network (DDN) on the same data is there to compare with.")
    else:
        parts.append(
            f"Squares are {style.count(len(networks), 'deterministic network')} (DDN) on the same data, each at its "
            "own depth, averaged over seeds."
        )
    parts += caveats(
        runs, sum(count_outside(group.ddn, *_DDN_RESULT, group.depths["test_log_likelihood"]) for group in shown)
    )
    if len(groups) > _PANELS:
        parts.append(f"The first {_PANELS} of {len(groups)} settings are drawn, {len(groups) - _PANELS} are left out.")
    return " ".join(parts)


def alternative(tables: dict[str, pd.DataFrame]) -> str:
    """The picture in words: d_opt and E[d] per setting, for the first settings."""
    groups = _groups(tables)
    if not groups:
        return "An empty panel: no learnt depth network has been trained yet."
    words = [
        f"{', '.join(group.heading.splitlines())}: d_opt {_mean(group.ldn, 'd_opt'):.3g}, "
        f"E[d] {_mean(group.ldn, 'expected_depth'):.3g}"
        for group in groups[:8]
    ]
    more = f"; and {len(groups) - 8} more" if len(groups) > 8 else ""
    return f"Bar charts of the posterior over depth above line charts of test log-likelihood. {'; '.join(words)}{more}."


def _groups(tables: dict[str, pd.DataFrame]) -> list[_Group]:
    """Per experiment and setting the LDN runs that finished, those with DDN first, then in table order."""
    runs, depths = tables["depth_runs"], tables["depth_posteriors"]
    runs = runs[runs["outcome"] == "finished"]
    ldn, ddn = runs[runs["model"] == "ldn"], runs[runs["model"] == "ddn"]
    groups = []
    for experiment in ldn["experiment"].unique():
        group_rows, group_depths = (frame[frame["experiment"] == experiment] for frame in (ldn, depths))
        group_rows = group_rows[group_rows["run"].isin(group_depths["run"])]
        varying = [name for name in _UNITS if group_rows[name].nunique() > 1]
        if "train_points" in varying:  # the two vary together
            varying = [name for name in varying if name != "points"]
        for setting, members in group_rows.groupby(list(_SETTING), sort=True, dropna=False):
            values = dict(zip(_SETTING, setting, strict=True))
            same = ddn[alike(ddn, {name: values[name] for name in DATA})]
            details = [_UNITS[name].format(style.number(values[name])) for name in varying]
            details.insert(0, f"{style.data_set_name(values['data_set'])}, D = {values['max_depth']}")
            groups.append(
                _Group(
                    f"{experiment.replace('_', ' ')}\n{', '.join(details)}",
                    int(values["max_depth"]),
                    members,
                    group_depths[group_depths["run"].isin(members["run"])],
                    same[same["max_depth"] <= values["max_depth"]],
                )
            )
    return sorted(groups, key=lambda group: group.ddn.empty)


def _draw_posterior(axes: Axes, group: _Group) -> None:
    draw_bars_over_seeds(axes, group.depths, "depth", "q", style.DEPTH_COLOURS["q"])
    prior, optimal = (means_over_seeds(group.depths, "depth", name) for name in ("prior", "optimal_q"))
    axes.plot(prior, color=style.DEPTH_COLOURS["prior"], linestyle=(0, (4, 2)), linewidth=1.2)
    axes.plot(optimal, "D", color=style.DEPTH_COLOURS["optimal_q"], markersize=_marker(group), clip_on=False)
    _vertical_lines(axes, group)
    axes.set_ylim(bottom=0)


def _draw_likelihood(axes: Axes, group: _Group) -> None:
    sns.lineplot(
        x=style.floats(group.depths["depth"]),
        y=style.floats(group.depths["test_log_likelihood"]),
        errorbar="sd",
        err_kws={"alpha": 0.18, "linewidth": 0},
        color=style.DEPTH_COLOURS["ldn"],
        ax=axes,
    )
    if group.ddn["test_log_likelihood_full"].notna().any():
        sns.lineplot(
            x=style.floats(group.ddn["max_depth"]),
            y=style.floats(group.ddn["test_log_likelihood_full"]),
            errorbar="sd",
            err_style="bars",
            err_kws={"elinewidth": 0.7, "zorder": 3},
            color=style.DEPTH_COLOURS["ddn"],
            linestyle="",
            marker="s",
            markersize=_marker(group) + 0.6,
            markeredgecolor=style.INK,
            markeredgewidth=0.4,
            zorder=3,
            ax=axes,
        )
        limit_to_fences(axes, group.ddn, *_DDN_RESULT, group.depths["test_log_likelihood"])
        end_at_zero(axes)
    _vertical_lines(axes, group)


def _vertical_lines(axes: Axes, group: _Group) -> None:
    for column, dashes in (("d_opt", "-"), ("expected_depth", ":")):
        place = _mean(group.ldn, column)
        if np.isfinite(place):
            axes.axvline(place, color=style.INK, linestyle=dashes, linewidth=0.9, zorder=1.5)


def _legend(figure: Figure, networks: bool, columns: int) -> None:
    colours = style.DEPTH_COLOURS
    handles: list[Patch | Line2D] = [
        Patch(color=colours["q"], label="learnt q"),
        Line2D([], [], color=colours["optimal_q"], marker="D", markersize=4, linestyle="", label="optimal q*"),
        Line2D([], [], color=colours["prior"], linestyle=(0, (4, 2)), linewidth=1.2, label="prior"),
        Line2D([], [], color=style.INK, linewidth=0.9, label=r"$d_\mathrm{opt}$"),
        Line2D([], [], color=style.INK, linewidth=0.9, linestyle=":", label="E[d]"),
        Line2D([], [], color=colours["ldn"], label="LDN, depth alone"),
    ]
    if networks:
        square = Line2D([], [], color=colours["ddn"], marker="s", markersize=4, linestyle="", label="DDN of that depth")
        square.set(markeredgecolor=style.INK, markeredgewidth=0.4)
        handles.append(square)
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles) if columns > 1 else 4)


def _marker(group: _Group) -> float:
    """Marker size in points: smaller where many depths share the axis."""
    return 4.0 if group.max_depth <= 25 else 2.2


def _mean(runs: pd.DataFrame, column: str) -> float:
    return mean_and_std(runs[column])[0]


def _all(groups: list[_Group], column: str) -> list[float]:
    return [value for group in groups for value in style.floats(group.ldn[column])]
