"""The style that every figure shares: sizes, fonts, fixed colours, and files that are the same bytes each time.

Figures are `matplotlib.figure.Figure` objects; nothing here uses pyplot or a person's matplotlibrc.
"""

import functools
import re
import zlib
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, ParamSpec

import matplotlib.style
import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from matplotlib.transforms import Bbox

from workflow_scripts.tables.display_names import PUBLISHED_LOGS
from workflow_scripts.tables.display_names import count as count
from workflow_scripts.tables.display_names import data_set_name as data_set_name
from workflow_scripts.tables.display_names import listed as listed
from workflow_scripts.tables.display_names import method_name as method_name
from workflow_scripts.tables.display_names import method_order as method_order

P = ParamSpec("P")

FULL_WIDTH_INCHES = 7.2
"""The text width of a one-column page, two columns of a two-column page."""
COLUMN_WIDTH_INCHES = 3.5
"""One column of a two-column page."""
SLIDE_RATIO = 16 / 9
"""Width by height of a slide. A figure of full width nearly fills it, and its text of 8 points is as large as 14 on a
screen 13.3 inches wide; a figure that is taller than a slide becomes small."""
SLIDE_MARGIN_INCHES = 0.15
PNG_DOTS_PER_INCH = 200

FEWEST_POINTS = 5.0
"""Percentage points that an axis of errors spans at least: half a point is then no more than a tenth of it."""

SMALL_POINTS = 6.5
TEXT_POINTS = 8.0

# The one place of every colour: other figure files name these.
INK = "#1a1a1a"
GREY = "#767676"
LIGHT_GREY = "#a6a6a6"
LIGHTER_GREY = "#c9c9c9"
FAINT = "#d9d9d9"
GRID = "#ececec"
WHITE = "#ffffff"

# Okabe and Ito's palette: distinct for people with any common colour-vision deficiency.
BLACK, ORANGE, SKY, GREEN = "#000000", "#e69f00", "#56b4e9", "#009e73"
YELLOW, BLUE, VERMILION, PURPLE = "#f0e442", "#0072b2", "#d55e00", "#cc79a7"

METHOD_COLOURS = {
    "darts": VERMILION,
    "darts_es": BLUE,
    "darts_ada": GREEN,
    "r_darts_l2": PURPLE,
    "r_darts_dp": ORANGE,
    "random_ws": GREY,
    "darts_pt": SKY,
}

DEPTH_COLOURS = {"q": SKY, "optimal_q": VERMILION, "prior": GREY, "ldn": BLUE, "ddn": ORANGE}

CLASS_COLOURS = ("#8fc1e3", WHITE, "#f2b48c")
"""Of the probability of the second of two classes: 0, one half and 1."""

OPERATION_STYLES = {
    "noise": ("noise", VERMILION),
    "skip_connect": ("skip", ORANGE),
    "none": ("none", GREY),
    "max_pool_3x3": ("max 3×3", PURPLE),
    "avg_pool_3x3": ("avg 3×3", "#882255"),
    "sep_conv_3x3": ("sep 3×3", BLUE),
    "sep_conv_5x5": ("sep 5×5", SKY),
    "sep_conv_7x7": ("sep 7×7", "#332288"),
    "dil_conv_3x3": ("dil 3×3", GREEN),
    "dil_conv_5x5": ("dil 5×5", "#44aa99"),
    "conv_7x1_1x7": ("7×1 1×7", "#999933"),
}
"""Of each operation its short name in figures, and its colour."""
OTHER_OPERATION_COLOURS = ("#5e3c1a", "#801ae6", "#a2e680", "#1ae6a2", "#3c1a5e")
"""For operations without a colour of their own; each has the same in every figure and study."""
_SMALLEST_L2, _LARGEST_L2 = 3e-4, 0.2187

_SETTINGS: dict[str, Any] = {
    "pdf.fonttype": 42,
    "font.family": "DejaVu Sans",
    "mathtext.fontset": "dejavusans",
    "font.size": TEXT_POINTS,
    "axes.titlesize": TEXT_POINTS,
    "axes.labelsize": TEXT_POINTS,
    "xtick.labelsize": SMALL_POINTS + 0.5,
    "ytick.labelsize": SMALL_POINTS + 0.5,
    "legend.fontsize": SMALL_POINTS + 0.5,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.5,
}


_NO_DATES: dict[str, Any] = {"CreationDate": None, "ModDate": None, "Creator": None, "Producer": None}


def applied() -> AbstractContextManager[None]:
    """The shared settings, for as long as the context is open."""
    return matplotlib.style.context(["default", _SETTINGS])


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Let a drawing function work under the shared settings, whatever the caller's own are."""

    @functools.wraps(draw)
    def wrapper(*arguments: P.args, **named: P.kwargs) -> Figure:
        with applied():
            return draw(*arguments, **named)

    return wrapper


def save(figure: Figure, pdf_path: Path, png_path: Path) -> None:
    """Write the figure as PDF and PNG without times, names or versions, so that equal figures are equal bytes."""
    with applied():
        for path in (pdf_path, png_path):
            path.parent.mkdir(parents=True, exist_ok=True)
        FigureCanvasAgg(figure)
        figure.savefig(pdf_path, format="pdf", metadata=_NO_DATES)
        figure.savefig(png_path, format="png", dpi=PNG_DOTS_PER_INCH, metadata={"Software": None})


def save_pages(pages: Iterable[Figure], path: Path) -> None:
    """Write figures as the pages of one PDF, without times, names or versions."""
    with applied(), PdfPages(path, metadata=_NO_DATES) as pdf:
        for page in pages:
            pdf.savefig(page)


def save_slide(figure: Figure, path: Path) -> None:
    """Write the figure, as it is, in the middle of a page with a slide's proportions: a PDF that fills a screen."""
    width, height = figure.get_size_inches() + 2 * SLIDE_MARGIN_INCHES
    page_width = max(width, height * SLIDE_RATIO)
    page_height = page_width / SLIDE_RATIO
    corner = SLIDE_MARGIN_INCHES + (page_width - width) / 2, SLIDE_MARGIN_INCHES + (page_height - height) / 2
    page = Bbox.from_bounds(-corner[0], -corner[1], page_width, page_height)
    with applied():
        figure.savefig(path, format="pdf", metadata=_NO_DATES, bbox_inches=page)


def empty(message: str) -> Figure:
    """A panel with the reason why there is nothing to draw."""
    figure = Figure(figsize=(FULL_WIDTH_INCHES, 1.6))
    axes = figure.add_axes((0.02, 0.06, 0.96, 0.88))
    axes.grid(False)
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(visible=True, color=FAINT, linestyle=(0, (4, 3)))
    axes.text(0.5, 0.5, message, ha="center", va="center", color=GREY, fontsize=10, transform=axes.transAxes)
    return figure


def l2_colour(l2: float) -> str:
    """The colour of an L2 factor: its place on a logarithmic scale, so that a value looks the same in every study."""
    if l2 <= 0:
        return GREY
    place = np.log(l2 / _SMALLEST_L2) / np.log(_LARGEST_L2 / _SMALLEST_L2)
    return to_hex(colormaps["viridis"](0.92 * float(np.clip(place, 0, 1))))


def drop_path_colour(drop_path: float) -> str:
    """The colour of a drop-path probability, on a linear scale from 0 to 1, of other hues than the L2 factors."""
    return to_hex(colormaps["inferno"](0.38 + 0.58 * float(np.clip(drop_path, 0, 1))))


def operation_colour(operation: str) -> str:
    """The colour of an operation; for one without its own, the one of the others that its name leads to."""
    if operation in OPERATION_STYLES:
        return OPERATION_STYLES[operation][1]
    return OTHER_OPERATION_COLOURS[zlib.crc32(operation.encode()) % len(OTHER_OPERATION_COLOURS)]


def operation_name(operation: str) -> str:
    """The short name of an operation as it is written into figures, such as `sep 3×3`; else its name in words."""
    if operation in OPERATION_STYLES:
        return OPERATION_STYLES[operation][0]
    return re.sub(r"(?<=\d)x(?=\d)", "×", operation.replace("_", " "))


def method_colour(method: str) -> str:
    """The colour of a method; black for one without a colour of its own."""
    return METHOD_COLOURS.get(method, BLACK)


def group_name(space: str, data_set: str) -> str:
    """The heading of a group of runs, e.g. `S4 · Fashion-MNIST`."""
    return f"{space.upper()} · {data_set_name(data_set)}"


def floats(values: Any) -> np.ndarray:
    """A table's column as float64, NaN where a value is absent."""
    return values.to_numpy(dtype=float, na_value=np.nan)


def logarithmic(axes: Axes, direction: Literal["x", "y"] = "y") -> None:
    """Scale an axis logarithmically with plain numbers at 1, 2 and 5 times the powers of ten."""
    axis = axes.xaxis if direction == "x" else axes.yaxis
    axes.set(**{f"{direction}scale": "log"})
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    axis.set_minor_formatter(NullFormatter())


def whole_ticks(axis: Axis) -> None:
    """Tick an axis at whole numbers only, such as depths: at each of a few, else at every second, fifth or tenth."""
    # With two ticks at least, its default, it takes fractions where fewer whole numbers are in view.
    axis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))


def widen(axes: Axes, direction: Literal["x", "y"] = "y") -> None:
    """Make an axis in percent at least `FEWEST_POINTS` long, so that half a point does not look large.

    It grows about its middle, but not below 0 where it begins at or above that.
    """
    low, high = axes.get_xlim() if direction == "x" else axes.get_ylim()
    if high - low >= FEWEST_POINTS:
        return
    start = (low + high - FEWEST_POINTS) / 2
    start = max(start, 0.0) if low >= 0 else start
    axes.set(**{f"{direction}lim": (start, start + FEWEST_POINTS)})


def number(value: float) -> str:
    """A number for reading: four significant digits at most, no exponent for everyday sizes."""
    return f"{value:.4g}"


def span(values: Iterable[float]) -> str:
    """`3` or `3 to 5`: the values' range, absent ones left out; `unknown` without any."""
    present = [float(value) for value in values if value == value]
    if not present:
        return "unknown"
    low, high = min(present), max(present)
    return number(low) if low == high else f"{number(low)} to {number(high)}"


@dataclass(frozen=True)
class Sweep:
    """Searches of one space and data set that differ in one setting, `l2` or `drop_path`; the other is fixed."""

    heading: str
    swept: str
    searches: pd.DataFrame

    @property
    def values(self) -> list[float]:
        """The values of the setting that is swept, in order."""
        return sorted(self.searches[self.swept].unique())

    @property
    def colour(self) -> Callable[[float], str]:
        """The colour of a value."""
        return l2_colour if self.swept == "l2" else drop_path_colour

    @property
    def name(self) -> str:
        """The setting as it is written into figures."""
        return "L2" if self.swept == "l2" else "drop path"


def darts_searches(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of plain DARTS searches, our own or published; run names repeat among other kinds of search."""
    return frame[frame["search"].isin(["darts", "published", "confopt"])]


def sweeps(searches: pd.DataFrame) -> list[list[Sweep]]:
    """Per space and data set the searches over L2 at the lowest drop path and, where it varies, over drop path."""
    found = []
    for (space, data_set), group_rows in searches.groupby(["space", "data_set"], sort=True):
        heading, fixed = group_name(space, data_set), group_rows["drop_path"].min()
        panels = [Sweep(f"{heading}\ndrop path {number(fixed)}", "l2", group_rows[group_rows["drop_path"] == fixed])]
        varied = group_rows.groupby("l2")["drop_path"].nunique()
        if varied.max() > 1:
            fixed = varied[varied == varied.max()].index.min()
            panels.append(Sweep(f"{heading}\nL2 {number(fixed)}", "drop_path", group_rows[group_rows["l2"] == fixed]))
        found.append(panels)
    return found


def early_end(curvature: pd.DataFrame) -> str:
    """Why moving averages end before the measured values do, as a sentence for captions; empty where they do not."""
    averaged = curvature.dropna(subset=["moving_average"])
    if averaged.empty or averaged["moving_average_epoch"].max() >= curvature["epoch"].max():
        return ""
    return (
        "An average belongs to the middle of its window of measurements, so its line ends half a window before the "
        "last of them."
    )


def source(searches: pd.DataFrame) -> str:
    """Whose searches these are, as a sentence for captions."""
    kinds = set(searches["search"])
    published = kinds & set(PUBLISHED_LOGS)
    if not published:
        return "The searches are our own."
    whose = "the authors' published logs" if published == {"published"} else "published logs of others"
    return f"{'The' if kinds == published else 'Some'} searches are {whose}."
