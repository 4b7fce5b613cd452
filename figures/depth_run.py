"""One depth network on one page: posterior, every depth alone, predictions over the plane, calibration, training.

No figure of a study but a picture of one run, drawn on request. After the pictures that the public code of "Variational
Depth Search in ResNets" (arXiv 2002.02797) makes of every run.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure, SubFigure

from figures import style

_FUNCTIONS = 10  # depths whose function is drawn, at most
_BLUE_TO_RED = LinearSegmentedColormap.from_list("classes", style.CLASS_COLOURS)
_COLOURS = style.DEPTH_COLOURS


@dataclass(frozen=True)
class Run:
    """The files of one finished run: tables, outcome, and of spirals the arrays of its predictive map."""

    name: str
    history: pd.DataFrame
    depths: pd.DataFrame
    calibration: pd.DataFrame
    outcome: dict[str, float]
    arrays: dict[str, np.ndarray] | None


@style.styled
def draw(run: Run) -> Figure:
    """Everything that is known of the run."""
    heights = [2.2, 3.0, 2.4, 3.6] if run.arrays else [2.2, 3.0, 3.6]
    figure = Figure(figsize=(style.FULL_WIDTH_INCHES, sum(heights)), layout="constrained")
    figure.suptitle(run.name, fontsize=style.TEXT_POINTS, x=0.01, ha="left")
    parts = figure.subfigures(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
    _draw_depths(parts[0], run)
    if run.arrays:
        plane, calibration = parts[1].subplots(1, 2)
        _draw_map(plane, run.arrays)
        _draw_functions(parts[2], run.arrays)
    else:
        calibration = parts[1].subplots(1, 2)[0]
        parts[1].axes[1].set_visible(False)
    _draw_calibration(calibration, run)
    _draw_training(parts[-1], run.history)
    return figure


def _draw_depths(part: SubFigure, run: Run) -> None:
    posterior, likelihood, error = part.subplots(1, 3)
    depth = style.floats(run.depths["depth"])
    posterior.bar(depth, style.floats(run.depths["q"]), width=0.8, color=_COLOURS["q"], label="q")
    posterior.plot(depth, style.floats(run.depths["prior"]), color=_COLOURS["prior"], linestyle="--", label="prior")
    optimal = style.floats(run.depths["optimal_q"])
    posterior.plot(depth, optimal, "D", color=_COLOURS["optimal_q"], markersize=2.5, label="q*")
    posterior.axvline(run.outcome["d_opt"], color=style.INK, linewidth=0.9)
    posterior.set(title="posterior", ylabel="probability")
    posterior.legend()
    for axes, column, title, unit in (
        (likelihood, "test_log_likelihood", "log-likelihood of each depth alone", "nats per point"),
        (error, "test_error_percent", "error of each depth alone", "%"),
    ):
        axes.plot(
            depth, style.floats(run.depths[column]), color=_COLOURS["ldn"], marker="o", markersize=2.5, label="test"
        )
        axes.set(title=title, ylabel=unit)
    style.widen(error)
    train = style.floats(run.depths["train_log_likelihood"])
    likelihood.plot(depth, train, color=style.ORANGE, linestyle="--", label="training")
    likelihood.legend()
    for axes in (posterior, likelihood, error):
        axes.set_xlabel("depth (blocks)")
        style.whole_ticks(axes.xaxis)


def _draw_calibration(axes: Axes, run: Run) -> None:
    axes.plot([0, 1], [0, 1], color=style.GREY, linewidth=0.8, linestyle=(0, (4, 2)))
    for prediction, label, colour in (("full", "full", style.PURPLE), ("d_opt", "at d_opt", _COLOURS["ldn"])):
        bins = run.calibration[(run.calibration["prediction"] == prediction) & (run.calibration["test_points"] > 0)]
        error = 100 * run.outcome[f"calibration_error_{prediction}"]
        place, share = style.floats(bins["mean_confidence"]), style.floats(bins["share_right"])
        axes.plot(place, share, color=colour, marker="o", markersize=3, label=f"{label}: ECE {error:.2g} %")
    axes.set(title="calibration", xlabel="probability of the likeliest class", ylabel="share predicted right")
    axes.set_aspect("equal")
    axes.legend()


def _draw_map(axes: Axes, arrays: dict[str, np.ndarray]) -> None:
    _draw_plane(axes, arrays["axis"], arrays["class_1_probability"])
    x, y = arrays["x_train"], arrays["y_train"]
    for label, colour in ((0, style.BLUE), (1, style.VERMILION)):
        points = x[y == label]
        axes.scatter(points[:, 0], points[:, 1], s=7, color=colour, edgecolor=style.WHITE, linewidth=0.3)
    axes.set_title("probability of class 1, with training points")


def _draw_functions(part: SubFigure, arrays: dict[str, np.ndarray]) -> None:
    depths = arrays["depths"]
    chosen = np.unique(np.linspace(0, len(depths) - 1, min(_FUNCTIONS, len(depths))).round().astype(int))
    part.suptitle("function of each depth", fontsize=style.TEXT_POINTS)
    columns = min(5, len(chosen))
    grid = part.subplots(-(-len(chosen) // columns), columns, squeeze=False)
    for place, axes in enumerate(grid.flat):
        if place >= len(chosen):
            axes.set_visible(False)
            continue
        _draw_plane(axes, arrays["depth_axis"], arrays["depth_class_1_probability"][chosen[place]].astype(float))
        axes.set(xticks=[], yticks=[])
        axes.set_title(f"d = {depths[chosen[place]]}", fontsize=style.SMALL_POINTS)


def _draw_plane(axes: Axes, axis: np.ndarray, probability: np.ndarray) -> None:
    reach = (axis[0], axis[-1], axis[0], axis[-1])
    axes.imshow(probability, origin="lower", extent=reach, cmap=_BLUE_TO_RED, vmin=0, vmax=1, interpolation="bilinear")
    axes.grid(False)


def _draw_training(part: SubFigure, history: pd.DataFrame) -> None:
    panels = part.subplots(2, 2, sharex=True).flat
    series = (
        ("negative log-likelihood (nats)", "negative_log_likelihood", "held_out_negative_log_likelihood"),
        ("KL(q || p) / N (nats)", "kl_per_sample", None),
        ("training ELBO (nats)", "elbo", None),
        ("error (%)", "train_error_percent", "held_out_error_percent"),
    )
    for axes, (title, train, held_out) in zip(panels, series, strict=True):
        axes.plot(history["epoch"], style.floats(history[train]), color=style.ORANGE, linewidth=0.8, label="training")
        if held_out:
            measured = history.dropna(subset=[held_out])
            axes.plot(
                measured["epoch"], style.floats(measured[held_out]), color=style.BLUE, linewidth=0.8, label="held out"
            )
            axes.legend()
        axes.set_title(title)
    for axes in part.axes[2:]:
        axes.set_xlabel("epoch")
    part.axes[0].set_yscale("log")
    elbo = style.floats(history["elbo"])
    low, high = np.quantile(elbo, 0.02), elbo.max()
    part.axes[2].set_ylim(low, high + 0.05 * (high - low) + 1e-9)
