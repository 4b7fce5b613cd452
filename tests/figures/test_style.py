"""The shared style: fixed colours, plain words, files without times."""

import subprocess
import sys
from pathlib import Path

import matplotlib
import pytest
from matplotlib.figure import Figure

from figures import style

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


def test_a_setting_has_one_colour_in_every_study() -> None:
    published = [3e-4, 9e-4, 27e-4, 81e-4, 243e-4, 729e-4, 2187e-4]
    assert len({style.l2_colour(value) for value in published}) == len(published)
    assert len({style.drop_path_colour(value) for value in (0, 0.2, 0.4, 0.6, 0.8)}) == 5
    assert style.l2_colour(0.0) == style.GREY
    assert len(set(style.OPERATION_COLOURS.values())) == len(style.OPERATION_COLOURS) == len(style.OPERATION_NAMES)
    assert style.operation_name("conv_7x1_1x7") == "conv 7x1 1x7"


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
