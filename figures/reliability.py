"""Reliability of predictions: how often they are right, against how sure they are.

After the reliability diagrams of "Variational Depth Search in ResNets" (arXiv 2002.02797): ten bins of the likeliest
class's probability, for deterministic networks (DDN) and learnt depth networks (LDN) of one largest depth D.
"""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style
from figures.over_seeds import Compared, compared, mean_and_std

TABLES: tuple[str, ...] = ("depth_runs", "depth_calibration")
TITLE = "Reliability of predictions"
CATEGORY = "depth"

_NOTHING = "No learnt depth network has been trained yet, so there is nothing to draw."
_SERIES = {
    "DDN": ("ddn", "full", style.DEPTH_COLOURS["ddn"], "s"),
    r"LDN at $d_\mathrm{opt}$": ("ldn", "d_opt", style.DEPTH_COLOURS["ldn"], "o"),
    "LDN full": ("ldn", "full", style.PURPLE, "D"),
}


@style.styled
def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """A square panel per data set, at most three side by side."""
    panels = _panels(tables)
    if not panels:
        return style.empty("No learnt depth network has been trained yet.")
    columns = min(3, len(panels))
    lines = -(-len(panels) // columns)
    width = style.FULL_WIDTH_INCHES if columns > 1 else style.COLUMN_WIDTH_INCHES
    figure = Figure(figsize=(width, width / columns * 1.12 * lines), layout="constrained")
    grid = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True)
    for place, axes in enumerate(grid.flat):
        if place < len(panels):
            _draw_panel(axes, panels[place], tables["depth_calibration"])
            if place % columns == 0:
                axes.set_ylabel("share predicted right")
        else:
            axes.set_visible(False)
    return figure


def caption(tables: dict[str, pd.DataFrame]) -> str:
    """What is drawn, from how many runs."""
    panels = _panels(tables)
    if not panels:
        return _NOTHING
    ldn, ddn = ([len(frame) for frame in frames] for frames in _shown(panels))
    return (
        f"Test predictions of {style.count(sum(ldn), 'learnt depth network')} (LDN; per panel {style.span(ldn)}) and "
        f"{style.count(sum(ddn), 'deterministic network')} (DDN; per panel {style.span(ddn)}) of largest depth D = "
        f"{style.span(panel.shown_depth for panel in panels)}, in ten bins of the probability of the likeliest class; "
        "points of all runs together, markers grow with their number. On the diagonal, the share of right "
        "predictions equals their probability. ECE: the expected calibration error in percent, mean and standard "
        "deviation over runs."
    )


def alternative(tables: dict[str, pd.DataFrame]) -> str:
    """The picture in words: the calibration error of every series."""
    panels = _panels(tables)
    if not panels:
        return "An empty panel: no learnt depth network has been trained yet."
    words = []
    for panel in panels:
        for name, (model, prediction, _, _) in _SERIES.items():
            runs = panel.ddn_shown() if model == "ddn" else panel.ldn_shown()
            error = mean_and_std(runs[f"calibration_error_{prediction}"])[0]
            if np.isfinite(error):
                plain = name.replace(r"$d_\mathrm{opt}$", "d_opt")
                words.append(f"{style.data_set_name(panel.data_set)}, {plain}: {100 * error:.2g} %")
    return f"Reliability diagrams. Expected calibration errors: {'; '.join(words) or 'none measured'}."


def _panels(tables: dict[str, pd.DataFrame]) -> list[Compared]:
    """Data with networks of fixed depth of the same D first of all; without any, all data."""
    panels = list(compared(tables["depth_runs"]))
    with_both = [panel for panel in panels if not panel.ddn_shown().empty]
    return with_both or panels[:3]


def _shown(panels: list[Compared]) -> tuple[list[pd.DataFrame], list[pd.DataFrame]]:
    return [panel.ldn_shown() for panel in panels], [panel.ddn_shown() for panel in panels]


def _draw_panel(axes: Axes, panel: Compared, bins: pd.DataFrame) -> None:
    axes.plot([0, 1], [0, 1], color=style.GREY, linewidth=0.8, linestyle=(0, (4, 2)))
    for name, (model, prediction, colour, marker) in _SERIES.items():
        runs = panel.ddn_shown() if model == "ddn" else panel.ldn_shown()
        filled_bins = bins[
            bins["run"].isin(runs["run"]) & (bins["prediction"] == prediction) & (bins["test_points"] > 0)
        ]
        if filled_bins.empty:
            continue
        counts = filled_bins["test_points"].astype(float)
        weighted = pd.DataFrame(
            {
                "bin": filled_bins["bin"],
                "points": counts,
                "confidence": counts * filled_bins["mean_confidence"].astype(float),
                "right": counts * filled_bins["share_right"].astype(float),
            }
        )
        pooled = weighted.groupby("bin").sum()
        place, share = pooled["confidence"] / pooled["points"], pooled["right"] / pooled["points"]
        error, std = mean_and_std(100 * runs[f"calibration_error_{prediction}"])
        label = f"{name}: ECE {error:.2g}" + (f" ± {std:.1g} %" if len(runs) > 1 else " %")
        axes.plot(place, share, color=colour, linewidth=1.0, zorder=2)
        sizes = 6 + 34 * np.sqrt(pooled["points"] / pooled["points"].sum())
        axes.scatter(place, share, s=sizes, color=colour, marker=marker, label=label, zorder=3, linewidth=0)
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02), aspect="equal")
    axes.set_title(f"{style.data_set_name(panel.data_set)}, D = {panel.shown_depth}", loc="left")
    axes.set_xlabel("probability of the likeliest class")
    axes.legend(loc="upper left")
