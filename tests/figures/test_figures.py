"""Every figure module: its contract, and what it draws from many shapes of study."""

import ast
import importlib
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

import example_tables
import pytest
from example_tables import EMPTY, Cells, Depth, Tables
from matplotlib import pyplot
from matplotlib.figure import Figure

from figures import style
from workflow_scripts.study.figure_modules import figure_names
from workflow_scripts.tables.genotype import parse_genotype

ROOT = Path(__file__).parents[2]
NAMES = figure_names()
DEPTH_FIGURES = (
    *("chosen_depth", "depth_comparison", "posterior_and_fixed_depth", "reliability", "pruning_speed_up"),
    "depth_posterior",
)
CELL_FIGURES = ("dominant_eigenvalue", "found_cells", "test_error")

SEVERAL = Cells(
    groups=(("s1", "cifar10"), ("s2", "cifar10"), ("s3", "cifar100"), ("s4", "svhn")),
    l2=(3e-4, 243e-4),
    drop_path=(0.0, 0.2),
    seeds=(1,),
    operations=("max_pool_3x3", "dil_conv_5x5", "an_unknown_operation", "skip_connect"),
)
MISSING = Cells(diverged=((6e-2, 0.0, 1),), diverged_evaluations=True)
STUDIES: dict[str, Tables] = {
    "one seed": example_tables.cells(Cells(seeds=(1,), l2=(3e-4,), evaluation_seeds=(0,), hessian_size=12))
    | {name: table for name, table in example_tables.depth(Depth((20,), (0,), ())).items() if name.startswith("depth")},
    "many": example_tables.cells(SEVERAL)
    | {
        name: table
        for name, table in example_tables.depth(Depth((5, 10, 15, 60), (0, 1, 2))).items()
        if "depth" in name
    },
    "images": EMPTY | example_tables.depth(Depth((5, 10, 60), (0, 1), data_set="mnist")),
    "missing": example_tables.cells(MISSING)
    | {name: table for name, table in example_tables.depth(Depth(diverged=(10,))).items() if "depth" in name},
    "empty": EMPTY,
}


def module(name: str) -> ModuleType:
    return importlib.import_module(f"figures.{name}")


def saved(name: str, tables: Tables) -> tuple[bytes, bytes]:
    """The PDF and the PNG of a figure that is drawn anew."""
    return written(module(name).draw(tables))


def written(figure: Figure) -> tuple[bytes, bytes]:
    with TemporaryDirectory() as folder:
        pdf, png = Path(folder) / "figure.pdf", Path(folder) / "figure.png"
        style.save(figure, pdf, png)
        return pdf.read_bytes(), png.read_bytes()


@cache
def drawn(name: str, study: str) -> tuple[Figure, bytes, bytes]:
    """A figure of a study, drawn once for all tests that only look at it, and what is written of it."""
    figure = module(name).draw({table: STUDIES[study][table] for table in module(name).TABLES})
    return figure, *written(figure)


@pytest.mark.parametrize("name", NAMES)
def test_constants_are_literals_that_name_known_tables(name: str) -> None:
    tree = ast.parse((ROOT / "figures" / f"{name}.py").read_text())
    literals = {}
    for node in tree.body:
        if isinstance(node, ast.AnnAssign | ast.Assign):
            target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
            if isinstance(target, ast.Name) and target.id in ("TABLES", "TITLE", "CATEGORY"):
                literals[target.id] = ast.literal_eval(node.value)
    assert set(literals["TABLES"]) <= set(EMPTY)
    assert isinstance(literals["TITLE"], str)
    assert literals["CATEGORY"] in ("cells", "depth")
    assert ast.get_docstring(tree)


@pytest.mark.parametrize("study", STUDIES)
@pytest.mark.parametrize("name", NAMES)
def test_draws_every_shape_of_study_from_its_own_tables_only(name: str, study: str) -> None:
    figure = module(name)
    tables = {table: STUDIES[study][table] for table in figure.TABLES}
    picture, pdf, png = drawn(name, study)
    assert pdf.startswith(b"%PDF")
    assert png.startswith(b"\x89PNG")
    for text in (figure.caption(tables), figure.alternative(tables)):
        assert text.endswith(".")
        assert not re.search(r"\bnan\b", text)
        assert "<NA>" not in text
        assert not re.search(r"\s\s|\n", text)
    assert picture.get_figwidth() <= style.FULL_WIDTH_INCHES


CHANGED = {
    "dominant_eigenvalue": ("curvature", "moving_average"),
    "cell_animation": ("curvature", "dominant_eigenvalue"),
    "hessian_spectra": ("spectra", "eigenvalue"),
    "eigenvalue_and_error": ("searches", "final_dominant_eigenvalue"),
    "test_error": ("evaluations", "test_error_percent"),
    "ranking": ("evaluations", "test_error_percent"),
    "depth_posterior": ("depth_posteriors", "q"),
    "chosen_depth": ("depth_runs", "d_opt"),
    "depth_comparison": ("depth_runs", "test_error_d_opt_percent"),
    "posterior_and_fixed_depth": ("depth_posteriors", "q"),
    "reliability": ("depth_calibration", "share_right"),
    "pruning_speed_up": ("depth_speed", "d_opt_milliseconds"),
}
"""Figure: the table and the column in which one value is changed."""


@pytest.mark.parametrize("name", [*CHANGED, "found_cells", "operation_counts"])
def test_same_tables_same_bytes_and_another_value_other_bytes(name: str) -> None:
    study = "images" if name in DEPTH_FIGURES else "one seed"
    tables = dict(STUDIES[study])
    _, *first = drawn(name, study)
    assert [*saved(name, tables)] == first
    if name == "found_cells":
        architectures = [dict(each) for each in example_tables.architectures(tables)]
        text = architectures[0]["genotype_text"]
        architectures[0]["genotype_text"] = text.replace("('noise', ", "('skip_connect', ", 1)
        tables["architectures"] = architectures
    elif name == "operation_counts":
        frame = example_tables.frame(tables, "searches").copy()
        frame["genotype"] = [text.replace("sep_conv_3x3", "skip_connect", 2) for text in frame["genotype"]]
        tables["searches"] = frame
    else:
        table, column = CHANGED[name]
        frame = example_tables.frame(tables, table).copy()
        shown = frame.index[frame["max_depth"] == 10] if name in DEPTH_FIGURES else frame.index
        shown = [place for place in shown if column != "share_right" or frame.loc[place, "bin"] == 7]
        place = frame.loc[shown, column].first_valid_index()
        frame.loc[place, column] += 9 if column in ("d_opt", "d_opt_milliseconds") else 0.2
        tables[table] = frame
    changed = saved(name, tables)
    assert changed[0] != first[0]
    assert changed[1] != first[1]


def test_captions_state_how_many_and_what_is_missing() -> None:
    captions = {name: module(name).caption(STUDIES["missing"]) for name in NAMES}
    assert "4 searches, seeds per setting: 2" in captions["dominant_eigenvalue"]
    assert "fired in 2 of 4" in captions["dominant_eigenvalue"]
    assert "1 search diverged" in captions["dominant_eigenvalue"]
    assert "6 architectures of 3 searches over 2 seeds" in captions["found_cells"]
    assert "1 search diverged" in captions["found_cells"]
    assert "10 trainings from scratch of 5 architectures (" in captions["test_error"]
    assert "2 trainings diverged" in captions["test_error"]
    assert "1 search has no training (1 diverged)" in captions["test_error"]
    assert "4 learnt depth networks (LDN), runs per panel: 2" in captions["depth_posterior"]
    assert "2 runs of 16 diverged" in captions["depth_posterior"]


@pytest.mark.parametrize("name", NAMES)
def test_a_study_without_rows_says_so(name: str) -> None:
    figure = module(name)
    assert "nothing to draw" in figure.caption(EMPTY)
    assert figure.alternative(EMPTY).startswith("An empty panel")
    assert any(" yet" in text.get_text() for axes in figure.draw(EMPTY).axes for text in axes.texts)


def test_counts_of_operations_are_those_of_the_cells() -> None:
    tables = example_tables.cells(Cells(seeds=(0, 1, 2), operations=("sep_conv_3x3", "skip_connect")))
    figure = module("operation_counts")
    searches = example_tables.frame(tables, "searches")
    (axes,) = figure.draw(tables).axes
    for place, l2 in enumerate((3e-4, 6e-2)):
        cells = [parse_genotype(text) for text in searches[searches["l2"] == l2]["genotype"]]
        mean = sum(cell.count("skip_connect") for cell in cells) / 3
        (line,) = [line for line in axes.lines if len(line.get_xdata()) == 2 and line.get_marker() == "o"]
        assert line.get_ydata()[place] == pytest.approx(mean)
        assert f"{mean:.1f} at L2 {style.number(l2)}" in figure.alternative(tables)


def test_spectra_are_the_means_over_seeds_and_published_logs_are_named() -> None:
    tables = example_tables.cells(Cells(seeds=(0, 1), l2=(3e-4, 6e-2), hessian_size=12, search="published"))
    figure = module("hessian_spectra")
    sorted_axes, density_axes = figure.draw(tables).axes
    assert len(sorted_axes.lines) == len(density_axes.lines) == 2
    spectra = example_tables.frame(tables, "spectra")
    own = spectra[(spectra["l2"] == 3e-4) & (spectra["index"] == 0)]["eigenvalue"].astype(float)
    assert sorted_axes.lines[0].get_ydata()[0] == pytest.approx(figure._scaled(own.to_numpy()).mean(), abs=0.02)
    assert "authors' published logs" in figure.caption(tables) and "12 eigenvalues each" in figure.caption(tables)


def test_correlations_leave_out_what_collapsed() -> None:
    tables = example_tables.cells(Cells(seeds=range(6), l2=(3e-4,)))
    searches = example_tables.frame(tables, "searches").copy()
    searches.loc[0, "final_dominant_eigenvalue"] = 1e-3
    figure, changed = module("eigenvalue_and_error"), {**tables, "searches": searches}
    assert "n = 6" in figure.alternative(tables) and "n = 5" in figure.alternative(changed)
    assert "1 search collapsed to one class" in figure.caption(changed)
    # the made-up drop is 50 times the eigenvalue
    assert "points ρ = 1.00 [1.00, 1.00], n = 6" in figure.alternative(tables).replace("discretised", "points")
    without = {**tables, "evaluations": example_tables.frame(EMPTY, "evaluations")}
    assert "0 with a test error" in figure.caption(without)
    assert "not measured" in [text.get_text() for axes in figure.draw(without).axes for text in axes.texts]


def test_large_studies_say_how_much_is_left_out() -> None:
    cells = example_tables.cells(Cells(l2=(3e-4,), seeds=range(11)))
    assert (
        "The picture shows 20 of 22, the lowest seed, drop path and L2 first; the PDF shows all, on 4 pages."
        in module("found_cells").caption(cells)
    )
    assert len(module("found_cells").draw(cells).axes) == 40
    depth = example_tables.depth(Depth(range(5, 70, 5), (0,)))
    assert "The first 12 of 13 settings are drawn, 1 are left out." in module("depth_posterior").caption(depth)
    assert len(module("depth_posterior").draw(depth).axes) == 24


def test_the_dot_lies_on_the_searchs_own_moving_average() -> None:
    tables = STUDIES["one seed"]
    curvature = example_tables.frame(tables, "curvature")
    stop = int(example_tables.frame(tables, "searches")["stop_epoch"].iloc[0])
    (axes,) = drawn("dominant_eigenvalue", "one seed")[0].axes
    (dot,) = [line for line in axes.lines if line.get_marker() == "o"]
    expected = curvature.loc[curvature["moving_average_epoch"] == stop, "moving_average"].iloc[0]
    assert (dot.get_xdata()[0], dot.get_ydata()[0]) == (stop, expected)


def test_many_seeds_become_a_mean_and_a_band() -> None:
    tables = example_tables.cells(Cells(seeds=range(5), l2=(3e-4,)))
    (axes,) = module("dominant_eigenvalue").draw(tables).axes
    assert len(axes.collections) == 1
    assert "mean over seeds" in module("dominant_eigenvalue").caption(tables)


def test_cell_boxes_never_overlap() -> None:
    for axes in drawn("found_cells", "many")[0].axes:
        boxes = [patch.get_bbox() for patch in axes.patches if hasattr(patch, "get_boxstyle")]
        assert len(boxes) == 11
        for place, box in enumerate(boxes):
            assert box.x0 >= 0
            assert box.x1 <= style.FULL_WIDTH_INCHES / 2
            assert not any(box.x0 < o.x1 and o.x0 < box.x1 and box.y0 < o.y1 and o.y0 < box.y1 for o in boxes[:place])


def test_no_text_is_cut_off_at_the_edge_of_a_figure() -> None:
    for name in NAMES:
        figure, *_ = drawn(name, "many")
        figure.draw_without_rendering()
        edge = figure.bbox
        for axes in figure.axes:
            for text in [*axes.texts, axes.title, axes.xaxis.label, axes.yaxis.label]:
                box = text.get_window_extent()
                if text.get_text():
                    assert edge.x0 <= box.x0, (name, text)
                    assert box.x1 <= edge.x1, (name, text)
                    assert edge.y0 <= box.y0, (name, text)
                    assert box.y1 <= edge.y1, (name, text)


def test_neither_the_figures_nor_their_steps_import_torch_or_name_pyplot() -> None:
    imports = [f"figures.{name}" for name in NAMES]
    imports += ["workflow_scripts.steps.figure", "workflow_scripts.steps.report"]
    code = f"import sys, {', '.join(imports)}; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
    for name in imports:
        assert "matplotlib.pyplot" not in ROOT.joinpath(*name.split(".")).with_suffix(".py").read_text(), name


@pytest.mark.parametrize("name", ["chosen_depth", "depth_posterior", "operation_counts", "dominant_eigenvalue"])
def test_seaborn_draws_on_our_axes_and_leaves_no_figure_to_pyplot(name: str) -> None:
    """Seaborn loads pyplot, which keeps every figure that it makes until the process ends."""
    cells = name in ("operation_counts", "dominant_eigenvalue")
    module(name).draw(
        dict(example_tables.cells(Cells(seeds=range(5))) if cells else example_tables.depth(Depth((5, 10))))
    )
    assert pyplot.get_fignums() == []
