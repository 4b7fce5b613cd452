"""Learnt and fixed depth side by side: chosen depth, test log-likelihood and test error against the largest depth.

After the main comparison of "Variational Depth Search in ResNets" (arXiv 2002.02797): five rows, a column per data set.
LDN are learnt depth networks: full, pruned at d_opt, or pruned at the expected depth (LDN-E); DDN are deterministic.
"""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures import style
from figures.over_seeds import (
    Compared,
    caveats,
    compared,
    count_outside,
    draw_over_seeds,
    end_at_zero,
    limit_to_fences,
    means_over_seeds,
)

TABLES: tuple[str, ...] = ("depth_runs",)
TITLE = "Learnt and fixed depth"
CATEGORY = "depth"

_LDN, _DDN, _LDN_E, _FULL = style.DEPTH_COLOURS["ldn"], style.DEPTH_COLOURS["ddn"], style.GREEN, style.PURPLE
_NAMES = {_LDN: r"LDN at $d_\mathrm{opt}$", _DDN: "DDN", _LDN_E: "LDN-E", _FULL: "LDN full"}
_QUANTITIES = ("test_log_likelihood_{}", "test_error_{}_percent")  # of the DDN `full`, of the LDN in every form
_DOTS = (0, (1, 1.2))


@style.styled
def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """Five rows of panels, a column per data set."""
    columns = _columns(tables)
    if not columns:
        return style.empty("No learnt depth networks of several depths have been trained yet.")
    width = style.FULL_WIDTH_INCHES if len(columns) > 1 else style.COLUMN_WIDTH_INCHES + 1.2
    figure = Figure(figsize=(width, 8.2), layout="constrained")
    grid = figure.subplots(5, len(columns), squeeze=False, sharex="col")
    for place, column in enumerate(columns):
        _draw_column(grid[:, place], column)
    labels = ("depth (blocks)", *["test log-likelihood\nper point (nats)"] * 2, *["test error (%)"] * 2)
    for axes, label in zip(grid[:, 0], labels, strict=True):
        axes.set_ylabel(label)
    handles = [Line2D([], [], color=colour, linewidth=1.2, label=name) for colour, name in _NAMES.items()]
    handles.append(Line2D([], [], color=_LDN, linewidth=1.2, linestyle=_DOTS, label="E[d] of the LDN"))
    handles.append(Line2D([], [], color=style.GREY, linewidth=0.9, label="D itself"))
    figure.legend(handles=handles, loc="outside lower center", ncols=6 if len(columns) > 1 else 3)
    return figure


def caption(tables: dict[str, pd.DataFrame]) -> str:
    """What is drawn, from how many runs."""
    columns = _columns(tables)
    if not columns:
        return "No learnt depth networks of several depths have been trained yet, so there is nothing to draw."
    seeds = style.span(size for column in columns for size in column.ldn.groupby("max_depth").size())
    networks = sum(len(column.ddn) for column in columns)
    parts = [
        f"{style.count(sum(len(column.ldn) for column in columns), 'learnt depth network')} (LDN), {seeds} for each "
        f"largest depth D, and {style.count(networks, 'deterministic network')} (DDN) on the same data. From the top: "
        "the depth that the LDN chooses; test log-likelihood of the LDN pruned at d_opt and of the DDN; the same of "
        "the LDN pruned at d_opt, pruned at the expected depth (LDN-E) and in full; and both comparisons for the test "
        "error. Lines are means over seeds, bands one standard deviation to each side, each method's own."
    ]
    beyond = sum(
        count_outside(column.ddn, "max_depth", quantity.format("full"), _learnt(column, quantity))
        for column in columns
        for quantity in _QUANTITIES
    )
    return " ".join([*parts, *caveats(tables["depth_runs"], beyond)])


def alternative(tables: dict[str, pd.DataFrame]) -> str:
    """The picture in words: both methods' mean test error at the smallest and largest D, per column."""
    columns = _columns(tables)
    if not columns:
        return "An empty panel: no learnt depth networks of several depths have been trained yet."
    words = []
    for column in columns:
        for name, runs, error in (
            ("LDN at d_opt", column.ldn, "test_error_d_opt_percent"),
            ("DDN", column.ddn, "test_error_full_percent"),
        ):
            means = means_over_seeds(runs, "max_depth", error)
            if len(means):
                ends = ", ".join(f"{means[depth]:.3g} % at D = {depth:.0f}" for depth in means.index[[0, -1]])
                words.append(f"{style.data_set_name(column.data_set)}, {name}: {ends}")
    return f"Line charts of chosen depth, test log-likelihood and test error against D. {'; '.join(words)}."


def _columns(tables: dict[str, pd.DataFrame]) -> list[Compared]:
    """Per data on which LDN of several depths were trained, in table order."""
    return [column for column in compared(tables["depth_runs"]) if column.ldn["max_depth"].nunique() > 1]


def _learnt(column: Compared, quantity: str) -> pd.Series:
    """The values of the LDN that axes have room for; an LDN of D = 0 has nothing to learn and is left to the fences."""
    return column.ldn.loc[column.ldn["max_depth"] > 0, quantity.format("d_opt")]


def _draw_column(panels: np.ndarray, column: Compared) -> None:
    chosen, likelihood, forms, error, error_forms = panels
    depths = np.unique(style.floats(column.ldn["max_depth"]))
    chosen.plot(depths, depths, color=style.GREY, linewidth=0.9)
    draw_over_seeds(chosen, column.ldn, "max_depth", "d_opt", _LDN)
    draw_over_seeds(chosen, column.ldn, "max_depth", "expected_depth", _LDN, dashes=_DOTS)
    chosen.set_title(style.data_set_name(column.data_set), loc="left")
    for axes, quantity in zip((likelihood, error), _QUANTITIES, strict=True):
        draw_over_seeds(axes, column.ddn, "max_depth", quantity.format("full"), _DDN)
        draw_over_seeds(axes, column.ldn, "max_depth", quantity.format("d_opt"), _LDN)
        limit_to_fences(axes, column.ddn, "max_depth", quantity.format("full"), _learnt(column, quantity))
    for axes, quantity in zip((forms, error_forms), _QUANTITIES, strict=True):
        for colour, form in ((_LDN_E, "expected"), (_FULL, "full"), (_LDN, "d_opt")):
            draw_over_seeds(axes, column.ldn, "max_depth", quantity.format(form), colour)
    for axes in (error, error_forms):
        axes.set_ylim(bottom=0)
        style.widen(axes)
    for axes in (likelihood, forms):
        end_at_zero(axes)
    error_forms.set_xlabel("largest depth D (blocks)")
    for axis in (chosen.yaxis, error_forms.xaxis):
        style.whole_ticks(axis)
