"""Every figure looks as it did: pictures of made-up tables against those in `golden/`, with a tolerance.

To take on a change that was meant: `python -m pytest tests/figures/test_golden_images.py --golden`, and look at them.
"""

import importlib
import shutil
from pathlib import Path

import example_tables
import pytest
from example_tables import Tables
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.testing.compare import compare_images

from figures import style
from workflow_scripts.study.figure_modules import figure_names

GOLDEN = Path(__file__).with_name("golden")
DOTS_PER_INCH = 60
TOLERANCE = 1.5
"""Root mean square of differences in colour levels (0 to 255): a method in another colour is four times this."""


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    whole = example_tables.all_tables(tmp_path_factory.mktemp("whole"))
    return whole | {"architectures": example_tables.architectures(whole)[:4]}  # a large picture otherwise


def drawn(name: str, path: Path, tables: Tables) -> Path:
    figure = importlib.import_module(f"figures.{name}").draw(tables)
    with style.applied():
        FigureCanvasAgg(figure)
        figure.savefig(path, dpi=DOTS_PER_INCH, metadata={"Software": None})
    return path


def difference(name: str, path: Path) -> float:
    found = compare_images(str(GOLDEN / f"{name}.png"), str(path), tol=0, in_decorator=True)
    return 0.0 if found is None else float(found["rms"])


@pytest.mark.parametrize("name", figure_names())
def test_a_figure_looks_as_it_did(name: str, tables: Tables, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    path = drawn(name, tmp_path / f"{name}.png", tables)
    if request.config.getoption("--golden"):
        GOLDEN.mkdir(exist_ok=True)
        shutil.copy(path, GOLDEN / path.name)
    assert (GOLDEN / path.name).exists(), "a new figure: look at it, and take its picture with --golden"
    assert difference(name, path) <= TOLERANCE


def test_there_is_no_picture_of_a_figure_that_is_gone() -> None:
    assert {path.stem for path in GOLDEN.glob("*.png")} == set(figure_names())


def test_another_colour_and_another_value_are_seen(
    tables: Tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluations = example_tables.frame(tables, "evaluations").copy()
    evaluations.loc[evaluations.index[0], "test_error_percent"] += 20
    changed = {**tables, "evaluations": evaluations}
    assert difference("test_error", drawn("test_error", tmp_path / "value.png", changed)) > TOLERANCE
    monkeypatch.setitem(style.METHOD_COLOURS, "darts", style.PURPLE)
    assert difference("test_error", drawn("test_error", tmp_path / "colour.png", tables)) > TOLERANCE
