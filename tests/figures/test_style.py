"""The shared style: fixed colours, plain words, files without times."""

import re
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from figures import cell_graph, style
from workflow_scripts.study.search_spaces import operation_names

ROOT = Path(__file__).parents[2]


@style.styled
def drawn() -> Figure:
    figure = Figure(figsize=(3, 2))
    axes = figure.add_subplot()
    axes.plot([0, 1], [0.1, 10])
    style.logarithmic(axes)
    axes.set_title(r"λ of $c_{k-1}$")
    return figure


def test_files_hold_no_time_no_program_and_embed_their_fonts(tmp_path: Path) -> None:
    pdf, png = tmp_path / "a" / "f.pdf", tmp_path / "b" / "f.png"
    style.save(drawn(), pdf, png)
    for word in (b"CreationDate", b"ModDate", b"Producer", b"Creator", b"atplotlib v"):
        assert word not in pdf.read_bytes()
    assert b"/FontFile2" in pdf.read_bytes()
    assert b"/Type3" not in pdf.read_bytes()
    assert b"tEXt" not in png.read_bytes()


def test_bytes_do_not_depend_on_the_process_or_its_settings(tmp_path: Path) -> None:
    """Other hash seeds, another time zone and a person's own matplotlibrc change nothing."""
    (tmp_path / "matplotlibrc").write_text("font.size: 30\nsavefig.dpi: 17\npdf.compression: 1\n")
    code = (
        "import sys; sys.path.insert(0, 'tests/figures'); from pathlib import Path; import test_style as t;"
        "t.style.save(t.drawn(), Path(sys.argv[1]), Path(sys.argv[2]))"
    )
    files = []
    for number, extra in enumerate(({}, {"MATPLOTLIBRC": str(tmp_path), "TZ": "Asia/Tokyo"})):
        paths = [tmp_path / f"{number}.pdf", tmp_path / f"{number}.png"]
        environment = {
            "PATH": "",
            "HOME": str(tmp_path),
            "PYTHONPATH": str(ROOT),
            "PYTHONHASHSEED": str(number),
            **extra,
        }
        subprocess.run([sys.executable, "-c", code, *map(str, paths)], cwd=ROOT, env=environment, check=True)
        files.append([path.read_bytes() for path in paths])
    assert files[0] == files[1]


def test_drawing_leaves_the_callers_settings_alone() -> None:
    before = dict(matplotlib.rcParams)
    drawn()
    assert dict(matplotlib.rcParams) == before


def test_only_the_style_states_colours() -> None:
    stated = re.compile(r"""["'](#[0-9a-fA-F]{3,8}|white|black|gr[ae]y|red|green|blue|orange|purple)["']""")
    others = [path for path in (ROOT / "figures").glob("*.py") if path.name != "style.py"]
    assert {path.name: stated.findall(path.read_text()) for path in others} == {path.name: [] for path in others}


def test_a_setting_has_one_colour_in_every_study() -> None:
    published = [3e-4, 9e-4, 27e-4, 81e-4, 243e-4, 729e-4, 2187e-4]
    assert len({style.l2_colour(value) for value in published}) == len(published)
    assert len({style.drop_path_colour(value) for value in (0, 0.2, 0.4, 0.6, 0.8)}) == 5
    assert style.l2_colour(0.0) == style.GREY
    assert set(style.OPERATION_STYLES) == set(operation_names())
    assert len({colour for _, colour in style.OPERATION_STYLES.values()}) == len(style.OPERATION_STYLES)
    assert style.operation_colour("mine") == style.operation_colour("mine") in style.OTHER_OPERATION_COLOURS
    assert {style.operation_colour(f"mine_{number}") for number in range(40)} == set(style.OTHER_OPERATION_COLOURS)


def test_an_operation_has_a_short_name_of_its_own() -> None:
    short = ["none", "noise", "skip", "max 3×3", "avg 3×3", "sep 3×3", "sep 5×5", "sep 7×7", "dil 3×3", "dil 5×5"]
    assert [style.operation_name(name) for name in operation_names()] == [*short, "7×1 1×7"]
    assert [style.operation_name(name) for name in ("an_unknown_one", "conv_3x3")] == ["an unknown one", "conv 3×3"]


@pytest.mark.parametrize(
    ("values", "words"), [([], "unknown"), ([float("nan")], "unknown"), ([3, 3], "3"), ([0.0003, 5], "0.0003 to 5")]
)
def test_span(values: list[float], words: str) -> None:
    assert style.span(values) == words


def test_words() -> None:
    assert style.count(1, "search", "searches") == "1 search"
    assert style.count(2, "run") == "2 runs"
    assert [style.listed(words) for words in ("", "a", "ab", "abc")] == ["none", "a", "a and b", "a, b and c"]
    assert style.group_name("s4", "fashion_mnist") == "S4 · Fashion-MNIST"


def test_a_slide_has_a_slides_proportions_and_the_whole_figure(tmp_path: Path) -> None:
    for name, size in (("wide", (7.2, 2.0)), ("tall", (3.5, 9.0))):
        figure = Figure(figsize=size)
        figure.add_subplot().plot([0, 1])
        style.save_slide(figure, tmp_path / f"{name}.pdf")
        box = re.search(rb"/MediaBox \[ ?0 0 ([\d.]+) ([\d.]+) ?\]", (tmp_path / f"{name}.pdf").read_bytes())
        width, height = (float(value) / 72 for value in box.groups())
        assert width / height == pytest.approx(16 / 9, rel=1e-3)
        assert width >= size[0]
        assert height >= size[1]
        assert tuple(figure.get_size_inches()) == size


def test_a_method_without_a_colour_of_its_own_is_drawn_after_the_others() -> None:
    assert style.method_colour("mine") not in style.METHOD_COLOURS.values()
    assert sorted(["mine", "random_ws", "darts"], key=style.method_order) == ["darts", "random_ws", "mine"]
    assert style.method_name("best_epoch") == "best epoch"


# Machado, Oliveira and Fernandes (2009): what people see who lack one kind of cone, as matrices on linear RGB.
DICHROMATS = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def lab(colour: str, seen: np.ndarray) -> np.ndarray:
    """CIE L*a*b* (D65) of a colour as someone sees it."""
    encoded = np.array(to_rgb(colour))
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = to_xyz @ np.clip(seen @ linear, 0, 1) / np.array([0.9505, 1.0, 1.089])
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


TOGETHER = {
    "methods": list(style.METHOD_COLOURS.values()),
    "depth": list(style.DEPTH_COLOURS.values()),
    "operations of S1 to S4": [
        style.operation_colour(name) for name in ("noise", "skip_connect", "none", "max_pool_3x3", "sep_conv_3x3")
    ],
    "operations of one's own and of S1 to S4": [
        style.operation_colour("noise"),
        *(style.operation_colour(name) for name in ("skip_connect", "none", "max_pool_3x3", "sep_conv_3x3")),
        *style.OTHER_OPERATION_COLOURS,
    ],
    "five L2 factors": [style.l2_colour(value) for value in (3e-4, 9e-4, 27e-4, 81e-4, 243e-4)],
    "four drop paths": [style.drop_path_colour(value) for value in (0.0, 0.2, 0.4, 0.6)],
}


@pytest.mark.parametrize("sight", ["all colours", *DICHROMATS])
@pytest.mark.parametrize("group", TOGETHER)
def test_colours_drawn_together_are_told_apart_by_everyone(group: str, sight: str) -> None:
    seen = np.array(DICHROMATS.get(sight, np.eye(3)))
    places = {colour: lab(colour, seen) for colour in TOGETHER[group]}
    for one, other in combinations(places, 2):
        # A difference of 2 is just noticed side by side; lines in a figure need several times that.
        assert np.linalg.norm(places[one] - places[other]) > 8, (one, other)


@pytest.mark.parametrize(("low", "high", "shown"), [(0, 5, range(6)), (0, 20, range(0, 21, 5)), (9.8, 10.2, [10])])
def test_depths_are_ticked_at_whole_numbers(low: float, high: float, shown: list[int]) -> None:
    axes = Figure().add_subplot()
    axes.set_xlim(low, high)
    style.whole_ticks(axes.xaxis)
    assert [tick for tick in axes.get_xticks() if low <= tick <= high] == list(shown)


@pytest.mark.parametrize(
    ("low", "high", "shown"), [(20, 20.5, (17.75, 22.75)), (0.2, 0.7, (0, 5)), (-0.2, 0.2, (-2.5, 2.5)), (0, 9, (0, 9))]
)
def test_half_a_point_is_no_more_than_a_tenth_of_an_axis(low: float, high: float, shown: tuple[float, float]) -> None:
    for direction in ("x", "y"):
        axes = Figure().add_subplot()
        axes.set(**{f"{direction}lim": (low, high)})
        style.widen(axes, direction)
        assert (axes.get_xlim() if direction == "x" else axes.get_ylim()) == pytest.approx(shown)


def test_a_caption_says_why_an_average_ends_early() -> None:
    curvature = pd.DataFrame(
        {"epoch": [0, 1, 2], "moving_average": [None, 1.0, 1.0], "moving_average_epoch": [None, 0, 1]}
    )
    assert "ends half a window before the last of them" in style.early_end(curvature)
    assert style.early_end(curvature.assign(moving_average_epoch=[None, 1, 2])) == ""
    assert style.early_end(curvature[:1]) == ""


@pytest.mark.parametrize("label", ["sep 3×3", "7×1 1×7", "an operation with a long name"])
def test_the_label_of_a_box_is_inside_it(label: str) -> None:
    figure = Figure(figsize=(1, 1), dpi=style.PNG_DOTS_PER_INCH)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, 1), ylim=(0, 1))
    cell_graph.box(axes, (0.2, 0.5), 0.38, label, style.BLACK)
    renderer = FigureCanvasAgg(figure).get_renderer()
    text, frame = (each.get_window_extent(renderer) for each in (axes.texts[0], axes.patches[0]))
    assert frame.x0 < text.x0 and text.x1 < frame.x1
    shown = axes.texts[0].get_text()
    assert shown == label or (shown.startswith("an o") and shown.endswith("ame") and axes.texts[0].get_fontsize() >= 4)
