"""The spectrum of the Hessian of the validation loss at the end of the search, sorted and as a density."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy.stats import gaussian_kde

from figures import style

TABLES: tuple[str, ...] = ("searches", "spectra")
TITLE = "Hessian spectra at the end of the search"
CATEGORY = "cells"

_LINEAR_WITHIN = 0.01
"""Eigenvalues between minus and plus this are drawn on a linear scale, larger ones on a logarithmic one."""


@style.styled
def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """Two rows for each space and data set: sorted eigenvalues, then their density; L2 left, drop path right."""
    groups = _groups(tables)
    if not groups:
        return style.empty("No full Hessian has been measured yet.")
    columns = max(map(len, groups))
    figure = Figure(figsize=(1.2 + 3.0 * columns, 1.0 + 3.8 * len(groups)), layout="constrained")
    for row, sweeps in enumerate(groups):
        for column, sweep in enumerate(sweeps):
            place = 2 * row * columns + column + 1
            sorted_axes = figure.add_subplot(2 * len(groups), columns, place)
            density_axes = figure.add_subplot(2 * len(groups), columns, place + columns)
            sorted_axes.set_title(sweep.heading, loc="left")
            _draw_sorted(sorted_axes, sweep, tables["spectra"])
            _draw_density(density_axes, sweep, tables["spectra"])
            if column == 0:
                sorted_axes.set_ylabel("eigenvalue")
                density_axes.set_ylabel("density")
    _legend(figure, [sweep for sweeps in groups for sweep in sweeps])
    return figure


def caption(tables: dict[str, pd.DataFrame]) -> str:
    """What is drawn, from how many searches, and how many have no full Hessian."""
    groups = _groups(tables)
    if not groups:
        return "No search has measured a full Hessian, so there is nothing to draw."
    drawn = pd.concat([sweep.searches for sweeps in groups for sweep in sweeps]).drop_duplicates()
    everything = style.darts_searches(tables["searches"])
    sizes = tables["spectra"].groupby(["space", "data_set", "search", "run"])["index"].max() + 1
    parts = [
        "Eigenvalues of the Hessian of the validation loss with respect to the architecture parameters on one batch, "
        "after the last epoch, weight-decay diagonal included. Above: from the largest to the smallest, the mean over "
        "seeds with a band from the smallest to the largest seed. Below: density of the eigenvalues of all seeds "
        "(Gaussian kernel on the scale drawn).",
        f"The scale is logarithmic beyond ±{_LINEAR_WITHIN:g} and linear between.",
        f"{style.count(len(drawn), 'search', 'searches')}, {style.span(sizes)} eigenvalues each.",
        style.source(drawn),
    ]
    absent = len(everything) - len(_measured(tables))
    if absent:
        parts.append(f"{style.count(absent, 'search has', 'searches have')} no full Hessian.")
    return " ".join(parts)


def alternative(tables: dict[str, pd.DataFrame]) -> str:
    """The largest and smallest eigenvalue of each L2 factor in words."""
    groups = _groups(tables)
    if not groups:
        return "An empty panel: no full Hessian has been measured."
    sentences = []
    for sweeps in groups:
        words = []
        for value in sweeps[0].values:
            spectra = _spectra(sweeps[0], value, tables["spectra"])
            words.append(f"L2 {style.number(value)} {spectra[:, 0].mean():.2g} and {spectra[:, -1].mean():.2g}")
        sentences.append(f"{', '.join(sweeps[0].heading.splitlines())}: {style.listed(words)}")
    return f"Sorted eigenvalues and their densities. Mean largest and smallest eigenvalue, {'; '.join(sentences)}."


def _measured(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """The DARTS searches with a spectrum."""
    searches, spectra = style.darts_searches(tables["searches"]), style.darts_searches(tables["spectra"])
    keys = ["space", "data_set", "search", "run"]
    return searches.merge(spectra[keys].drop_duplicates(), on=keys)


def _groups(tables: dict[str, pd.DataFrame]) -> list[list[style.Sweep]]:
    return style.sweeps(_measured(tables))


def _spectra(sweep: style.Sweep, value: float, spectra: pd.DataFrame) -> np.ndarray:
    """The eigenvalues (searches, n) of one setting, largest first."""
    keys = ["space", "data_set", "search", "run"]
    swept = sweep.searches[sweep.searches[sweep.swept] == value].sort_values("seed")
    rows = spectra.merge(swept[keys], on=keys).sort_values(["seed", "index"])
    return np.stack([style.floats(part["eigenvalue"]) for _, part in rows.groupby("run", sort=False)])


def _scaled(values: np.ndarray) -> np.ndarray:
    """The place of eigenvalues on the scale drawn: linear near zero, then a unit a decade."""
    within = values / _LINEAR_WITHIN
    return np.sign(within) * np.log10(1 + np.abs(within))


def _draw_sorted(axes: Axes, sweep: style.Sweep, spectra: pd.DataFrame) -> None:
    for value in sweep.values:
        found = _spectra(sweep, value, spectra)
        index, colour = np.arange(found.shape[1]), sweep.colour(value)
        axes.fill_between(index, _scaled(found.min(0)), _scaled(found.max(0)), color=colour, alpha=0.15, linewidth=0)
        axes.plot(index, _scaled(found.mean(0)), color=colour, linewidth=1.2)
    axes.set_xlabel("rank, from the largest")
    _scale(axes.set_yticks, axes.get_ylim())


def _draw_density(axes: Axes, sweep: style.Sweep, spectra: pd.DataFrame) -> None:
    scaled = {value: _scaled(_spectra(sweep, value, spectra)).ravel() for value in sweep.values}
    ends = np.concatenate(list(scaled.values()))
    grid = np.linspace(ends.min() - 0.3, ends.max() + 0.3, 400)
    for value, places in scaled.items():
        if len(places) > 2 and places.std() > 0:
            axes.plot(grid, gaussian_kde(places, 0.15)(grid), color=sweep.colour(value), linewidth=1.2)
    axes.set_xlabel("eigenvalue")
    axes.set_ylim(bottom=0)
    _scale(axes.set_xticks, axes.get_xlim())


def _scale(set_ticks, limits: tuple[float, float]) -> None:  # type: ignore[no-untyped-def]
    """Ticks at powers of ten on the scale drawn."""
    values = np.array([-1.0, -0.1, -0.02, 0.0, 0.02, 0.1, 1.0, 10.0])
    places = _scaled(values)
    inside = (places >= limits[0]) & (places <= limits[1])
    set_ticks(places[inside], [style.number(value) for value in values[inside]])


def _legend(figure: Figure, sweeps: list[style.Sweep]) -> None:
    seen = {(sweep.name, value): sweep.colour(value) for sweep in sweeps for value in sweep.values}
    handles = [
        Line2D([], [], color=colour, label=f"{name} {style.number(value)}")
        for (name, value), colour in sorted(seen.items())
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(4, len(handles)))
