"""The style that every figure shares: sizes, fonts, fixed colours, and files that are the same bytes each time.

Figures are `matplotlib.figure.Figure` objects; nothing here uses pyplot or a person's matplotlibrc.
"""

import functools
import re
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
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from matplotlib.transforms import Bbox

from workflow_scripts.tables.display_names import PUBLISHED_LOGS
from workflow_scripts.tables.display_names import count as count
from workflow_scripts.tables.display_names import data_set_name as data_set_name
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
}

DEPTH_COLOURS = {"q": SKY, "optimal_q": VERMILION, "prior": GREY, "ldn": BLUE, "ddn": ORANGE}

CLASS_COLOURS = ("#8fc1e3", WHITE, "#f2b48c")
"""Of the probability of the second of two classes: 0, one half and 1."""

OPERATION_COLOURS = {
    "noise": VERMILION,
    "skip_connect": ORANGE,
    "none": GREY,
    "max_pool_3x3": PURPLE,
    "avg_pool_3x3": "#882255",
    "sep_conv_3x3": BLUE,
    "sep_conv_5x5": SKY,
    "sep_conv_7x7": "#332288",
    "dil_conv_3x3": GREEN,
    "dil_conv_5x5": "#44aa99",
    "conv_7x1_1x7": "#999933",
}
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
    """The colour of an operation; black for one without a colour of its own."""
    return OPERATION_COLOURS.get(operation, BLACK)


def operation_name(operation: str) -> str:
    """The short name of an operation as it is written into figures, such as `sep 3×3` for sep_conv_3x3."""
    words = [word for word in operation.split("_") if word not in ("conv", "pool", "connect")]
    return re.sub(r"(?<=\d)x(?=\d)", "×", " ".join(words)) or operation


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


def listed(words: Iterable[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    items = list(words)
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}" if items else "none"


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


def source(searches: pd.DataFrame) -> str:
    """Whose searches these are, as a sentence for captions."""
    kinds = set(searches["search"])
    published = kinds & set(PUBLISHED_LOGS)
    if not published:
        return "The searches are our own."
    whose = "the authors' published logs" if published == {"published"} else "published logs of others"
    return f"{'The' if kinds == published else 'Some'} searches are {whose}."
