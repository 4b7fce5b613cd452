"""Do small trainings rank architectures as the published ones do? Test error here against the published test error."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures import style
from workflow_scripts.verdicts.evidence import CONFIDENCE, effect, goes_with, interval

TABLES: tuple[str, ...] = ("evaluations", "published_evaluations")
TITLE = "Small trainings and published test errors"
CATEGORY = "cells"

_MARKERS = {"s1": "o", "s2": "s", "s3": "^", "s4": "D"}
_CELL = ["space", "data_set", "genotype"]
_SIZE = ["data_set", "init_channels", "layers"]
_NOTHING = "No architecture with a published test error has been trained yet"


@dataclass(frozen=True)
class _Panel:
    """The architectures published with networks of one size, trained here for one number of epochs."""

    size: str
    epochs: int
    cells: pd.DataFrame

    @property
    def known(self) -> pd.DataFrame:
        """Those with a published error."""
        return self.cells.dropna(subset=["published"])

    @property
    def correlation(self) -> str:
        """Spearman's correlation with its interval, or why there is none."""
        evidence = goes_with("", "", self.known["published"], self.known["mean"])
        rho, ends = effect(evidence), interval(evidence, CONFIDENCE)
        if rho is None:
            return "no correlation"
        if ends is None:
            return f"ρ = {rho:.2f}, too few for an interval"
        word = ", undecided" if ends[0] <= 0 <= ends[1] else ""
        return f"ρ = {rho:.2f} [{ends[0]:.2f}, {ends[1]:.2f}]{word}"


@style.styled
def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """A row for each length of training, a column for each published size, a mark for each architecture."""
    panels = list(_panels(tables))
    if not panels:
        return style.empty(f"{_NOTHING}.")
    sizes, lengths = (list(dict.fromkeys(getattr(panel, name) for panel in panels)) for name in ("size", "epochs"))
    height = 0.6 + 2.2 * len(lengths)
    figure = Figure(figsize=(style.FULL_WIDTH_INCHES, height), layout="constrained")
    for panel in panels:
        place = lengths.index(panel.epochs) * len(sizes) + sizes.index(panel.size) + 1
        _draw_panel(figure.add_subplot(len(lengths), len(sizes), place), panel)
    spaces = sorted({space for panel in panels for space in panel.cells["space"]})
    handles = [_key(_marker(space), space.upper()) for space in spaces]
    if any(len(panel.known) < len(panel.cells) for panel in panels):
        handles.append(_key("_", "no published error"))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


def caption(tables: dict[str, pd.DataFrame]) -> str:
    """What is drawn, from how many trainings, and how far it reaches."""
    panels = list(_panels(tables))
    if not panels:
        return f"{_NOTHING}, so there is nothing to draw."
    cells = pd.concat([panel.cells for panel in panels])
    absent = cells[cells["published"].isna()].drop_duplicates(_CELL)
    parts = [
        "A mark is one published architecture: the mean test error of its trainings here, with a line from the lowest "
        "to the highest, against its published test error, of one training of 600 epochs. Columns: the size of the "
        "published network, because errors compare only where it is the same. Rows: the length of the trainings here.",
        f"{style.count(int(cells['count'].sum()), 'training')} of "
        f"{style.count(len(cells.drop_duplicates(_CELL)), 'architecture')}, {style.span(cells['count'])} for each "
        "length.",
        "ρ: Spearman's rank correlation with a 95 % interval over architectures, the smallest that holds the "
        "bootstrap's and Fisher's; undecided where it holds 0.",
    ]
    if len(absent):
        parts.append(
            f"{style.count(len(absent), 'architecture')} ({style.listed(_cell_names(absent))}) without a published "
            "error, a dash at the right edge, counts in no correlation."
        )
    return " ".join(parts)


def alternative(tables: dict[str, pd.DataFrame]) -> str:
    """The correlations in words."""
    panels = list(_panels(tables))
    if not panels:
        return f"An empty panel: {_NOTHING[0].lower()}{_NOTHING[1:]}."
    words = [
        f"{panel.size}, {style.count(panel.epochs, 'epoch')}: n = {len(panel.known)}, {panel.correlation}"
        for panel in panels
    ]
    return f"Scatter plots of test error here against the published test error. {'; '.join(words)}."


def _panels(tables: dict[str, pd.DataFrame]) -> Iterator[_Panel]:
    """By length, the shortest first, then by size; a published row and its trainings are joined by the genotype."""
    evaluations, published = tables["evaluations"], tables["published_evaluations"]
    tested = evaluations[evaluations["same_as"].isna()].dropna(subset=["test_error_percent"])
    errors = tested.groupby([*_CELL, "evaluation_epochs"])["test_error_percent"].agg(["mean", "min", "max", "count"])
    cells = published.rename(columns={"test_error_percent": "published"}).merge(errors.reset_index(), on=_CELL)
    for (epochs, data_set, channels, layers), found in cells.groupby(["evaluation_epochs", *_SIZE], sort=True):
        size = f"{style.data_set_name(data_set)}: {channels} channels, {layers} cells"
        yield _Panel(size, int(epochs), found)


def _draw_panel(axes: Axes, panel: _Panel) -> None:
    for cell in panel.cells.itertuples():
        known = not pd.isna(cell.published)
        # an error that is not known has a place of the axes' own, at their right edge
        x, transform = (cell.published, axes.transData) if known else (0.97, axes.get_yaxis_transform())
        style_of: dict[str, Any] = {"color": style.BLUE, "transform": transform}
        axes.plot([x, x], [cell.min, cell.max], linewidth=0.8, **style_of)
        axes.plot([x], [cell.mean], _marker(cell.space) if known else "_", markersize=4.5, **style_of)
    axes.margins(x=0.12)
    style.widen(axes, "x")
    style.widen(axes)
    epochs = style.count(panel.epochs, "epoch")
    axes.set_title(f"{panel.size}\n{epochs}, n = {len(panel.known)}\n{panel.correlation}", loc="left")
    axes.set(xlabel="published test error (%)", ylabel="test error here (%)")


def _marker(space: str) -> str:
    return _MARKERS.get(space, "o")


def _key(marker: str, label: str) -> Line2D:
    return Line2D([], [], color=style.BLUE, marker=marker, linestyle="", markersize=4.5, label=label)


def _cell_names(cells: pd.DataFrame) -> list[str]:
    """Each by its space and what its search varied."""
    return [
        f"{cell.space.upper()} at "
        + (f"drop path {style.number(cell.drop_path)}" if pd.isna(cell.l2) else f"L2 {style.number(cell.l2)}")
        for cell in cells.itertuples()
    ]
