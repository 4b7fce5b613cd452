"""The learnt posterior over depth next to how well networks of every fixed depth predict.

After the first image figure of "Variational Depth Search in ResNets" (arXiv 2002.02797): a panel per data set, with the
posterior of learnt depth networks (LDN) of one largest depth D and deterministic networks (DDN) of every depth.
"""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from figures import style
from figures.over_seeds import (
    Compared,
    caveats,
    compared,
    count_outside,
    draw_bars_over_seeds,
    draw_over_seeds,
    end_at_zero,
    limit_to_fences,
    mean_and_std,
    means_over_seeds,
    panel_grid,
)

TABLES: tuple[str, ...] = ("depth_runs", "depth_posteriors")
TITLE = "Posterior over depth and fixed depths"
CATEGORY = "depth"

_NOTHING = "No learnt depth network has been trained yet, so there is nothing to draw."
_Q, _LDN, _DDN = style.DEPTH_COLOURS["q"], style.DEPTH_COLOURS["ldn"], style.DEPTH_COLOURS["ddn"]


@style.styled
def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """A panel per data set, at most three side by side."""
    panels = _panels(tables)
    if not panels:
        return style.empty("No learnt depth network has been trained yet.")
    figure, grid, columns = panel_grid(len(panels), 3, 2.4)
    for place, (axes, panel) in enumerate(zip(grid, panels, strict=True)):
        first, last = place % columns == 0, place % columns == columns - 1 or place == len(panels) - 1
        _draw_panel(axes, panel, tables["depth_posteriors"], first, last)
    handles: list[Patch | Line2D] = [
        Patch(color=_Q, label="learnt q (left)"),
        Line2D([], [], color=_DDN, marker="o", markersize=2.6, linewidth=1.2, label="DDN of that depth (right)"),
        Line2D([], [], color=_LDN, linewidth=1.2, label=r"LDN pruned at $d_\mathrm{opt}$ (right)"),
        Line2D([], [], color=style.INK, linewidth=0.9, label=r"$d_\mathrm{opt}$"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4 if columns > 1 else 2)
    return figure


def caption(tables: dict[str, pd.DataFrame]) -> str:
    """What is drawn, from how many runs."""
    panels = _panels(tables)
    if not panels:
        return _NOTHING
    ldn, ddn = [panel.ldn_shown() for panel in panels], sum(len(_ddn_drawn(panel)) for panel in panels)
    parts = [
        f"{style.count(sum(map(len, ldn)), 'learnt depth network')} (LDN) of largest depth D = "
        f"{style.span(panel.shown_depth for panel in panels)}, runs per panel: {style.span(map(len, ldn))}; "
        f"{style.count(ddn, 'deterministic network')} (DDN) on the same data. Bars: the learnt posterior q, mean and "
        "standard deviation over runs. Right axis: test log-likelihood per point, of DDN against their depth and of "
        "the LDN pruned at d_opt as a level, each with a band of one standard deviation over runs. Vertical line: "
        "d_opt, mean over runs."
    ]
    beyond = sum(
        count_outside(
            _ddn_drawn(panel),
            "max_depth",
            "test_log_likelihood_full",
            panel.ldn_shown()["test_log_likelihood_d_opt"],
        )
        for panel in panels
    )
    return " ".join([*parts, *caveats(tables["depth_runs"], beyond)])


def alternative(tables: dict[str, pd.DataFrame]) -> str:
    """The picture in words: d_opt and both log-likelihoods per panel."""
    panels = _panels(tables)
    if not panels:
        return "An empty panel: no learnt depth network has been trained yet."
    words = []
    for panel in panels:
        ldn_runs = panel.ldn_shown()
        text = (
            f"{style.data_set_name(panel.data_set)}, D = {panel.shown_depth}: d_opt "
            f"{mean_and_std(ldn_runs['d_opt'])[0]:.3g}, log-likelihood there "
            f"{mean_and_std(ldn_runs['test_log_likelihood_d_opt'])[0]:.3g}"
        )
        means = means_over_seeds(_ddn_drawn(panel), "max_depth", "test_log_likelihood_full")
        if len(means):
            text += f", of the best fixed depth ({means.idxmax():.0f}) {means.max():.3g}"
        words.append(text)
    return f"Bar charts of the posterior over depth with lines of test log-likelihood. {'; '.join(words)}."


def _panels(tables: dict[str, pd.DataFrame]) -> list[Compared]:
    """Data with networks of fixed depth first of all; without any, all data."""
    panels = list(compared(tables["depth_runs"]))
    with_both = [panel for panel in panels if not panel.ddn.empty]
    return with_both or panels[:3]


def _ddn_drawn(panel: Compared) -> pd.DataFrame:
    """The DDN no deeper than the LDN of the panel."""
    return panel.ddn[panel.ddn["max_depth"] <= panel.shown_depth]


def _draw_panel(axes: Axes, panel: Compared, posteriors: pd.DataFrame, first: bool, last: bool) -> None:
    ldn_runs = panel.ldn_shown()
    q = posteriors[(posteriors["experiment"] == panel.experiment) & posteriors["run"].isin(ldn_runs["run"])]
    draw_bars_over_seeds(axes, q, "depth", "q", _Q)
    axes.axvline(mean_and_std(ldn_runs["d_opt"])[0], color=style.INK, linewidth=0.9)
    axes.set_title(f"{style.data_set_name(panel.data_set)}, D = {panel.shown_depth}", loc="left")
    axes.set_xlabel("depth (blocks)")
    style.whole_ticks(axes.xaxis)
    axes.grid(False)
    likelihood = axes.twinx()
    likelihood.spines["right"].set_visible(True)
    shown = _ddn_drawn(panel)
    draw_over_seeds(likelihood, shown, "max_depth", "test_log_likelihood_full", _DDN)
    level, spread = mean_and_std(ldn_runs["test_log_likelihood_d_opt"])
    likelihood.axhspan(level - spread, level + spread, color=_LDN, alpha=0.16, linewidth=0)
    likelihood.axhline(level, color=_LDN, linewidth=1.2)
    limit_to_fences(likelihood, shown, "max_depth", "test_log_likelihood_full", ldn_runs["test_log_likelihood_d_opt"])
    end_at_zero(likelihood)
    if first:
        axes.set_ylabel("probability")
    if last:
        likelihood.set_ylabel("test log-likelihood\nper point (nats)")
