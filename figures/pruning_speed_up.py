"""How much faster a learnt depth network becomes by pruning, against the deterministic network of its largest depth.

After the figure on speed of "Variational Depth Search in ResNets" (arXiv 2002.02797): the network pruned at d_opt,
whose later blocks do not exist, next to the network of depth D; as measured forward time and as multiply-adds.
"""

from collections.abc import Iterator

import pandas as pd
from matplotlib.figure import Figure

from figures import style
from figures.over_seeds import Compared, compared, draw_over_seeds, means_over_seeds, panel_grid

TABLES: tuple[str, ...] = ("depth_runs", "depth_speed")
TITLE = "Speed-up by pruning"
CATEGORY = "depth"

_NOTHING = "No forward pass of a learnt depth network has been measured yet, so there is nothing to draw."
_SERIES = {
    "forward time, measured": ("time", style.BLUE, "-"),
    "multiply-adds": ("arithmetic", style.ORANGE, (0, (3, 1.5))),
}


@style.styled
def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """A panel per data set, at most three side by side."""
    panels = _panels(tables)
    if not panels:
        return style.empty("No forward pass of a learnt depth network has been measured yet.")
    figure, grid, columns = panel_grid(len(panels), 3, 2.3)
    for place, (axes, (data_set, frame)) in enumerate(zip(grid, panels, strict=True)):
        for label, (column, colour, dashes) in _SERIES.items():
            draw_over_seeds(axes, frame, "max_depth", column, colour, label, dashes)
        axes.axhline(0, color=style.GREY, linewidth=0.8)
        axes.set_title(style.data_set_name(data_set), loc="left")
        axes.set_xlabel("largest depth D (blocks)")
        style.whole_ticks(axes.xaxis)
        style.widen(axes)
        if place % columns == 0:
            axes.set_ylabel("speed-up (%)")
    handles, labels = grid[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure


def caption(tables: dict[str, pd.DataFrame]) -> str:
    """What is drawn, from how many runs, and where it was measured."""
    panels = _panels(tables)
    if not panels:
        return _NOTHING
    speed = tables["depth_speed"]
    runs = sum(len(frame) for _, frame in panels)
    return (
        f"Speed-up of {style.count(runs, 'learnt depth network')} (LDN) by pruning at d_opt, over the "
        "deterministic network of depth D: 0 % is as fast, 100 % twice as fast. Forward passes of "
        f"{style.span(speed['batch'])} points were timed alone on {style.listed(sorted(speed['device'].unique()))}, "
        f"warmed up, {speed['repeat'].max() + 1} times in turn; a run counts with its median. The pruned network also "
        "computes the output of every depth it has left, so where it cannot be pruned it is slower. Lines are means "
        "over seeds, bands one standard deviation to each side."
    )


def alternative(tables: dict[str, pd.DataFrame]) -> str:
    """The picture in words: the speed-up at the largest D."""
    panels = _panels(tables)
    if not panels:
        return "An empty panel: no forward pass has been measured yet."
    words = []
    for data_set, frame in panels:
        time, arithmetic = (means_over_seeds(frame, "max_depth", name) for name in ("time", "arithmetic"))
        words.append(
            f"{style.data_set_name(data_set)}: at D = {time.index[-1]:.0f} {time.iloc[-1]:.3g} % by time and "
            f"{arithmetic.iloc[-1]:.3g} % by multiply-adds"
        )
    return f"Line charts of the speed-up against D. {'; '.join(words)}."


def _panels(tables: dict[str, pd.DataFrame]) -> list[tuple[str, pd.DataFrame]]:
    """Per data set on which LDN of most depths were trained, its runs with both speed-ups in percent."""
    panels = []
    for comparison in _widest(compared(tables["depth_runs"])):
        frame = comparison.ldn.merge(_medians(tables["depth_speed"]), on=["experiment", "run"])
        frame = frame[frame["max_depth"] > 0]
        if len(frame):
            arithmetic = frame["multiply_adds_deterministic"] / frame["multiply_adds_d_opt"]
            panels.append((comparison.data_set, frame.assign(arithmetic=100 * (arithmetic - 1))))
    return panels


def _widest(found: Iterator[Compared]) -> list[Compared]:
    """Of each data set the data on which most depths were trained."""
    best: dict[str, Compared] = {}
    for each in found:
        before = best.get(each.data_set)
        if before is None or each.ldn["max_depth"].nunique() > before.ldn["max_depth"].nunique():
            best[each.data_set] = each
    return list(best.values())


def _medians(speed: pd.DataFrame) -> pd.DataFrame:
    """Per run the speed-up in percent by the medians of its times."""
    times = speed.groupby(["experiment", "run"])[["deterministic_milliseconds", "d_opt_milliseconds"]].median()
    return (100 * (times["deterministic_milliseconds"] / times["d_opt_milliseconds"] - 1)).rename("time").reset_index()
