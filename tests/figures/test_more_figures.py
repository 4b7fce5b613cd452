"""Found cells in bulk, the search spaces, the animation, and the comparison with the published values."""

import re
from pathlib import Path

import example_tables
import numpy as np
import pandas as pd
import pytest
from example_tables import EMPTY, Cells, Tables
from matplotlib.figure import Figure
from PIL import Image

from figures import cell_animation, comparison, found_cells, search_spaces, style
from workflow_scripts.runtime.progress import Silent
from workflow_scripts.steps import comparison_table, figure, space_table
from workflow_scripts.study.search_spaces import load_space, operation_names, space_names
from workflow_scripts.tables.cell_tables import COMPARISON, EVALUATIONS, SEARCH_SPACES
from workflow_scripts.tables.display_names import METHOD_NAMES, PUBLISHED_METHOD_NAMES
from workflow_scripts.tables.genotype import parse_genotype

PUBLISHED = Path(__file__).parents[2] / "config" / "published_values.csv"
SHORT_NAMES = [style.operation_name(name) for name in operation_names()]
MANY = example_tables.cells(
    Cells(l2=(3e-4, 9e-4, 27e-4), seeds=(1, 2, 3, 4), drop_path=(0.0,), operations=("sep_conv_3x3",))
)


def texts(drawn: Figure) -> list[str]:
    return [text.get_text() for each in (drawn, *drawn.axes) for text in each.texts]


def boxes(drawn: Figure, axes: int) -> list[str]:
    """The labels in a cell's boxes, in the order they were drawn, inputs and output left out."""
    cell = drawn.axes[axes]
    return [text.get_text() for text in cell.texts if text.get_text() in SHORT_NAMES]


def assert_no_text_is_cut_off(drawn: Figure) -> None:
    drawn.draw_without_rendering()
    for axes in drawn.axes:
        for text in [*axes.texts, axes.title, axes.xaxis.label, axes.yaxis.label]:
            box = text.get_window_extent()
            if text.get_text():
                assert drawn.bbox.x0 <= box.x0, text
                assert box.x1 <= drawn.bbox.x1, text
                assert drawn.bbox.y0 <= box.y0, text
                assert box.y1 <= drawn.bbox.y1, text


# found cells ------------------------------------------------------------------------------------------------------


def headings(drawn: Figure) -> list[str]:
    return [text.get_text() for text in drawn.texts]


def test_every_found_cell_is_on_a_page_and_the_picture_says_how_many_it_shows() -> None:
    pages = [headings(page) for page in found_cells.pages(MANY)]
    every = [heading for page in pages for heading in page]
    assert [len(page) for page in pages] == [6, 6, 6, 6]
    assert len(set(every)) == 24
    shown = headings(found_cells.draw(MANY))
    assert shown == [heading for heading in every if heading in shown]
    assert len(shown) == 20
    assert not any("L2 0.0027 · drop path 0 · seed 4" in heading for heading in shown)
    assert "The picture shows 20 of 24, " in found_cells.caption(MANY)
    assert "the PDF shows all, on 4 pages" in found_cells.caption(MANY)


def test_few_cells_are_one_page() -> None:
    few = example_tables.cells(Cells(seeds=(1,)))
    (page,) = found_cells.pages(few)
    assert headings(page) == headings(found_cells.draw(few))
    assert "PDF" not in found_cells.caption(few)


def test_an_architecture_that_several_methods_take_is_drawn_once() -> None:
    found = example_tables.architectures(example_tables.cells(Cells(seeds=(1,), l2=(3e-4,))))
    selected = {**found[0], "method": "r_darts_l2", "run": "seed-1", "epoch_reason": "selected"}
    tables = {**EMPTY, "architectures": [*found, selected]}
    assert [heading.split(" · ")[-1] for heading in headings(found_cells.draw(tables))] == [
        "DARTS and R-DARTS(L2), epoch 49",
        "DARTS-ES, epoch 16",
    ]
    assert "3 architectures of 1 search over 1 seed" in found_cells.caption(tables)
    assert "R-DARTS the one of a seed's searches" in found_cells.caption(tables)


def test_published_searches_are_called_so_and_stand_apart_from_ours() -> None:
    found = example_tables.architectures(example_tables.cells(Cells(seeds=(1,), l2=(3e-4,))))
    logs = [{**each, "search": "published"} for each in found]
    shown = headings(found_cells.draw({**EMPTY, "architectures": [*found, *logs]}))
    assert len(shown) == 4
    assert sum("published log" in heading for heading in shown) == 2


def test_all_pages_are_one_pdf_the_same_each_time(tmp_path: Path) -> None:
    made = []
    for number in range(2):
        path = tmp_path / f"{number}.pdf"
        style.save_pages(list(found_cells.pages(MANY))[2:], path)
        made.append(path.read_bytes())
    assert made[0] == made[1]
    assert b"/Count 2" in made[0]
    assert b"Date" not in made[0]
    assert b"/Type3" not in made[0]


# search spaces ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def spaces(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pd.DataFrame]:
    path = tmp_path_factory.mktemp("spaces") / "search_spaces.csv"
    settings = {"spaces": {name: load_space(name) for name in space_names()}}
    space_table.run(settings, {}, {"search_spaces": [path]}, Silent())
    return {"search_spaces": SEARCH_SPACES.read(path)}


def test_the_table_has_every_edge_with_its_ends(spaces: dict[str, pd.DataFrame]) -> None:
    table = spaces["search_spaces"].query("space == 's1' and cell == 'normal'")
    ends = table.drop_duplicates("edge")[["source", "target"]].to_numpy().tolist()
    assert ends == [[source, target] for target in (2, 3, 4, 5) for source in range(target)]
    assert list(table["operation"]) == [name for edge in load_space("s1")["normal"] for name in edge]


def test_every_candidate_of_every_edge_is_drawn(spaces: dict[str, pd.DataFrame]) -> None:
    drawn = search_spaces.draw(spaces)
    assert len(drawn.axes) == 6
    for place, cell in enumerate(("normal", "reduce")):
        wanted = [style.operation_name(name) for edge in load_space("s1")[cell] for name in edge]
        assert boxes(drawn, place) == wanted
    for axes, space in zip(drawn.axes[2:], ("s2", "s3", "s4", "s5"), strict=True):
        candidates = load_space(space)["normal"][0]
        squares = [patch.get_facecolor() for patch in axes.patches if type(patch).__name__ == "Rectangle"]
        assert len(squares) == 14 * len(candidates)
        named = [text.get_text() for text in axes.texts if text.get_text() in SHORT_NAMES]
        assert named == [style.operation_name(name) for name in candidates]
    assert_no_text_is_cut_off(drawn)


def test_the_number_of_architectures_is_that_of_the_papers(spaces: dict[str, pd.DataFrame]) -> None:
    """DARTS (Liu et al., section 3.1): about 10^18 for both cells, with seven operations that may be kept."""
    assert "S5 about 10¹⁸" in search_spaces.caption(spaces)
    assert "5 search spaces" in search_spaces.caption(spaces)
    assert "noise and sep 3×3 on every edge" in search_spaces.alternative(spaces)


# cell and eigenvalue over the epochs ------------------------------------------------------------------------------

COURSES = example_tables.cells(Cells(l2=(9e-4, 3e-4), drop_path=(0.2, 0.0), seeds=(2, 1)))


def genotype_at(tables: Tables, epoch: int) -> list[str]:
    rows = example_tables.frame(tables, "search_epochs")
    rows = rows[(rows["l2"] == 3e-4) & (rows["drop_path"] == 0) & (rows["seed"] == 1) & (rows["epoch"] == epoch)]
    edges = parse_genotype(rows["genotype"].iloc[0]).normal
    pairs = [sorted(edges[place : place + 2], key=lambda edge: edge[1]) for place in range(0, 8, 2)]
    return [style.operation_name(name) for pair in pairs for name, _ in pair]


def test_the_picture_has_the_cell_at_three_epochs_of_the_first_search() -> None:
    drawn = cell_animation.draw(COURSES)
    assert headings(drawn) == ["S4 · Fashion-MNIST · L2 0.0003 · drop path 0 · seed 1"]
    assert [boxes(drawn, place) for place in (1, 2, 3)] == [genotype_at(COURSES, epoch) for epoch in (0, 16, 49)]
    (marks,) = [line for line in drawn.axes[0].lines if line.get_marker() == "v"]
    assert list(np.asarray(marks.get_xdata())) == [0, 16, 49]
    assert_no_text_is_cut_off(drawn)


def test_the_frames_follow_the_search_from_its_first_to_its_last_epoch() -> None:
    frames = list(cell_animation.animate(COURSES))
    assert len(frames) == 25
    epochs = [int(headings(frame)[0].rsplit(" ", 1)[1]) for frame in frames]
    assert epochs == sorted(set(epochs))
    assert (epochs[0], epochs[-1]) == (0, 49)
    for frame, epoch in zip(frames[::8], epochs[::8], strict=True):
        assert boxes(frame, 0) == genotype_at(COURSES, epoch)
    lengths = [len(np.asarray(frame.axes[1].lines[1].get_xdata())) for frame in frames]
    assert lengths[0] == 1
    assert lengths[-1] == len(np.asarray(frames[0].axes[1].lines[0].get_xdata()))
    assert "25 frames from epoch 0 to epoch 49" in cell_animation.caption(COURSES)


def test_the_gif_is_small_repeats_and_has_the_same_bytes_each_time(tmp_path: Path) -> None:
    tables = example_tables.cells(Cells(groups=(("s1", "cifar10"), ("s4", "svhn")), l2=(3e-4,), seeds=(1,)))
    for number in range(2):
        figure.save_animation(list(cell_animation.animate(tables))[::8], tmp_path / f"{number}.gif")
    content = (tmp_path / "0.gif").read_bytes()
    assert content == (tmp_path / "1.gif").read_bytes()
    assert len(content) / 4 * 25 / 2 * 6 < 3e6, "six searches over 25 frames"
    with Image.open(tmp_path / "0.gif") as gif:
        assert getattr(gif, "n_frames", 1) == 4
        assert gif.info["loop"] == 0
        assert gif.convert("RGB").getpixel((0, 0)) == (255, 255, 255)


def test_more_groups_than_fit_are_counted_and_random_search_is_left_out() -> None:
    groups = [(space, data_set) for space in ("s1", "s2", "s3", "s4") for data_set in ("cifar10", "svhn")]
    tables = example_tables.cells(Cells(groups=groups, l2=(3e-4,), seeds=(1,)))
    assert "The first 6 of 8 spaces and data sets are drawn, 2 are left out." in cell_animation.caption(tables)
    assert len(headings(cell_animation.draw(tables))) == 6
    random = {name: example_tables.frame(COURSES, name).assign(search="random_ws") for name in cell_animation.TABLES}
    assert "nothing to draw" in cell_animation.caption(random)


def test_a_search_without_curvature_still_shows_its_cell() -> None:
    tables = {**COURSES, "curvature": example_tables.frame(EMPTY, "curvature")}
    assert "not measured" in texts(cell_animation.draw(tables))
    assert "1 search measured no curvature" in cell_animation.caption(tables)


# comparison -------------------------------------------------------------------------------------------------------

DEFAULTS = {"space": "s1", "data_set": "cifar10", "l2": 3e-4, "drop_path": 0.0, "outcome": "finished"}


def training(method: str, seed: int, error: float | None, **changed: object) -> dict[str, object]:
    row = dict.fromkeys(EVALUATIONS.names) | DEFAULTS | {"method": method, "seed": seed, "run": f"seed-{seed}"}
    return row | {"test_error_percent": error, "evaluation_seed": 1, "search": "darts"} | changed


def compared(rows: list[dict[str, object]], folder: Path, published: Path = PUBLISHED) -> pd.DataFrame:
    EVALUATIONS.write(EVALUATIONS.frame(rows), folder / "evaluations.csv")
    inputs = {"evaluations": [folder / "evaluations.csv"], "published": [published]}
    comparison_table.run({}, inputs, {"comparison": [folder / "comparison.csv"]}, Silent())
    return COMPARISON.read(folder / "comparison.csv")


OURS = [
    training("darts", 1, 4.0),
    training("darts", 1, 6.0, evaluation_seed=2),
    training("darts", 2, 7.0),
    training("darts", 2, None, evaluation_seed=2, outcome="diverged"),
    training("darts", 3, 99.0, l2=9e-4),
    training("darts", 3, 99.0, drop_path=0.2),
    training("r_darts_l2", 1, 3.0, l2=81e-4),
    training("r_darts_l2", 2, 3.5, l2=27e-4),
    training("random_ws", 1, 5.5),
]


def test_ours_are_means_over_searches_at_the_default_setting(tmp_path: Path) -> None:
    table = compared(OURS, tmp_path).set_index("method")
    assert list(table.index) == [*METHOD_NAMES, *PUBLISHED_METHOD_NAMES]
    ours = table[["ours_mean_percent", "ours_deviation_percent", "ours_searches"]]
    assert ours.loc["darts"].tolist() == pytest.approx([6.0, np.std([5, 7], ddof=1), 2])
    assert ours.loc["r_darts_l2"].tolist() == pytest.approx([3.25, np.std([3, 3.5], ddof=1), 2])
    assert ours.loc["random_ws"].isna().tolist() == [False, True, False]
    assert ours.loc["darts_ada"].isna().tolist() == [True, True, False]
    assert ours.loc["darts_ada", "ours_searches"] == 0


def test_a_method_of_another_paper_has_no_value_of_ours(tmp_path: Path) -> None:
    table = compared(OURS, tmp_path).set_index("method")
    assert table.loc["darts_pt", ["published_b_percent", "ours_searches"]].tolist() == [3.50, 0]
    assert table.loc["gdas", ["published_a_mean_percent", "published_a_deviation_percent"]].tolist() == [2.89, 0.09]


def test_published_values_stand_with_their_sources_and_no_difference_is_taken(tmp_path: Path) -> None:
    table = compared(OURS, tmp_path).set_index("method")
    published = [
        "published_a_mean_percent",
        "published_a_deviation_percent",
        "published_a_searches",
        "published_b_percent",
    ]
    assert table.loc["darts", published].tolist() == [4.66, 0.71, 3, 3.84]
    assert table.loc["darts_es", published].isna().tolist() == [False, False, False, True]
    assert "ROME paper, Table 1" in table.loc["darts", "sources"]
    assert "DARTS-PT paper, Table 3" in table.loc["darts", "sources"]
    for method in ("r_darts_dp", "r_darts_l2", "random_ws"):
        assert table.loc[method, published].isna().all()
        assert table.loc[method, "sources"] == "no confirmed published value"
    assert not [name for name in COMPARISON.names if "difference" in name]


def test_the_published_values_are_those_of_the_tables() -> None:
    """Counts and a few values of each table, typed in anew."""
    values = comparison_table.read_published(PUBLISHED)
    assert values.groupby("table").size().to_dict() == {"A": 50, "B": 36}
    known = values.set_index(["table", "space", "data_set", "method"])
    assert known.loc[("A", "s4", "cifar10", "darts")].tolist()[:3] == [6.95, 0.18, 3]
    assert known.loc[("A", "s1", "svhn", "darts")].tolist()[:2] == [9.88, 5.50]
    assert known.loc[("A", "s4", "cifar100", "darts_ada")].tolist()[:2] == [23.66, 0.90]
    assert known.loc[("A", "s2", "svhn", "darts_es")].tolist()[:2] == [2.68, 0.18]
    assert known.loc[("B", "s4", "cifar100", "darts"), "mean_test_error_percent"] == 22.85
    # (space, data set): GDAS; perturbation; perturbation with fixed alphas
    for space, data_set, numbers in (
        ("s1", "cifar10", (2.89, 3.50, 2.86)),
        ("s3", "svhn", (3.62, 2.42, 2.32)),
        ("s4", "cifar100", (24.14, 20.80, 20.66)),
    ):
        methods = (("A", "gdas"), ("B", "darts_pt"), ("B", "darts_pt_fixed"))
        keys = [(table, space, data_set, method) for table, method in methods]
        assert known.loc[keys, "mean_test_error_percent"].tolist() == list(numbers)
    assert known.loc[("A", "s5", "cifar10", "r_darts_l2")].tolist()[:2] == [2.95, 0.21]
    assert known.loc[("A", "s5", "cifar100", "r_darts_l2")].isna().tolist() == [False, False, True, False]
    assert values["table"].eq("B").eq(values["deviation_percent"].isna()).all()


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("space,data_set", "room,data_set", "these published values cannot be read"),
        (",A,4.66,", ",A,about 5,", "these published values cannot be read"),
        ("s1,cifar10,darts,A", "s1,cifar10,dart,A", "line 2: dart is not a method"),
        ("s1,cifar10,darts,A", "s1,cifar10,darts,C", "line 2: C is not a table"),
        (",A,4.66,", ",A,,", "line 2: mean_test_error_percent is empty"),
        ("s2,cifar10,darts,A", "s1,cifar10,darts,A", "line 3: s1, cifar10, darts, A is there twice"),
    ],
)
def test_a_mistake_in_the_published_values_is_one_sentence(tmp_path: Path, old: str, new: str, words: str) -> None:
    path = tmp_path / "published_values.csv"
    path.write_text(PUBLISHED.read_text().replace(old, new, 1))
    with pytest.raises(ValueError, match=re.escape(words)) as error:
        compared(OURS, tmp_path, path)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def test_the_figure_writes_the_numbers_and_says_what_is_not_confirmed(tmp_path: Path) -> None:
    tables = {"comparison": compared([*OURS, training("darts", 1, 20.0, space="s4", data_set="digits")], tmp_path)}
    drawn = comparison.draw(tables)
    first, other = ([text.get_text() for text in axes.texts] for axes in drawn.axes)
    assert first[:3] == ["6.00 ± 1.41 (2)", "4.66 ± 0.71", "3.84"]
    assert {"no result", "unconfirmed", "5.50 (1)", "S1 · CIFAR-10", "Table A", "Table B"} <= set(first)
    assert {"20.00 (1)", "no published values", "S4 · digits"} <= set(other)
    assert "unconfirmed" not in other
    assert [text.get_text() for text in drawn.axes[1].get_yticklabels()] == ["DARTS"]
    assert "There is no published value for S4 · digits." in comparison.caption(tables)
    assert "Table A: as quoted in the ROME paper, Table 1; Table B: DARTS-PT paper" in comparison.caption(tables)
    assert "hold for the settings of this study" in comparison.caption(tables)
    assert "published 4.66 ± 0.71 (Table A) and 3.84 (Table B)" in comparison.alternative(tables)
    assert_no_text_is_cut_off(drawn)


def test_the_dots_are_at_the_values(tmp_path: Path) -> None:
    drawn = comparison.draw({"comparison": compared(OURS, tmp_path)})
    lines = [container.lines[0] for container in drawn.axes[0].containers]
    places = [np.asarray(line.get_xdata()).tolist() for line in lines]
    assert places == [[6.0, 3.25, 5.5], [4.66, 3.05, 3.03, 2.89], [3.84, 3.5, 2.86]]


def test_same_tables_same_bytes_and_another_value_other_bytes(tmp_path: Path, spaces: dict[str, pd.DataFrame]) -> None:
    table = compared(OURS, tmp_path)
    other = table.copy()
    other.loc[0, "ours_mean_percent"] += 0.2
    fewer = {"search_spaces": spaces["search_spaces"].query("operation != 'noise'")}
    for module, tables, changed in (
        (comparison, {"comparison": table}, {"comparison": other}),
        (search_spaces, spaces, fewer),
    ):
        made = []
        for place, drawn in enumerate((tables, tables, changed)):
            paths = tmp_path / f"{place}.pdf", tmp_path / f"{place}.png"
            style.save(module.draw(drawn), *paths)
            made.append([path.read_bytes() for path in paths])
        assert made[0] == made[1]
        assert made[0][0] != made[2][0]
        assert made[0][1] != made[2][1]


# names ------------------------------------------------------------------------------------------------------------
