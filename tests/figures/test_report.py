"""The figure and the report step, through the files they read and write."""

import importlib
import re
from html import escape as html_escape
from html.parser import HTMLParser
from pathlib import Path

import example_tables
import jinja2
import pandas as pd
import pytest
from docutils.core import publish_parts
from example_tables import Cells, Depth, Tables
from made_report import drawn, judged, page

from figures import style
from workflow_scripts.runtime.progress import Silent
from workflow_scripts.steps import figure, report
from workflow_scripts.tables.cell_tables import COMPARISON
from workflow_scripts.tables.files import read_json

CELLS = example_tables.cells(Cells(diverged=((6e-2, 0.0, 1),)))
STUDY: Tables = {
    **CELLS,
    **{name: table for name, table in example_tables.depth(Depth()).items() if name.startswith("depth")},
}
FIGURES = ["dominant_eigenvalue", "found_cells", "test_error", "depth_posterior"]
VOID = {"meta", "link", "img", "br", "wbr"}


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> str:
    return page(tmp_path_factory.mktemp("study"), STUDY, FIGURES)


class Reader(HTMLParser):
    """Collects elements and checks that they are nested properly."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def test_the_figure_step_describes_what_it_drew(tmp_path: Path) -> None:
    outputs = drawn("test_error", example_tables.write(STUDY, tmp_path), tmp_path)
    description = read_json(outputs["description"][0])
    assert set(description) == {"name", "title", "category", "caption", "alternative", "tables"}
    assert description["name"] == "test_error"
    assert description["tables"] == ["searches", "evaluations"]
    assert "10 trainings" in description["caption"]
    assert "A hollow dot is a training that is counted at another method" in description["caption"]


def test_a_figure_is_the_same_from_files_as_from_frames(tmp_path: Path) -> None:
    outputs = drawn("test_error", example_tables.write(STUDY, tmp_path), tmp_path)
    direct = tmp_path / "direct.pdf", tmp_path / "direct.png"
    style.save(importlib.import_module("figures.test_error").draw(STUDY), *direct)
    assert [outputs["pdf"][0].read_bytes(), outputs["png"][0].read_bytes()] == [path.read_bytes() for path in direct]


def test_every_figure_is_inside_the_page_with_its_text_and_links(html: str) -> None:
    images = Reader(html).all("img")
    assert len(images) == len(FIGURES)
    for image in images:
        assert str(image["src"]).startswith("data:image/png;base64,")
        assert image["alt"]
    links = {link["href"] for link in Reader(html).all("a")}
    assert {f"figures/{name}.pdf" for name in FIGURES} <= links
    assert {"tables/evaluations.csv", "tables/depth_posteriors.csv", "architectures.yaml", "records/"} <= links
    assert {f"provenance.html#job=figure_{name}" for name in FIGURES} | {"provenance.html"} <= links
    for name in FIGURES:
        assert f"snakemake --force figures/{name}.png" in html


def test_the_page_loads_nothing_and_runs_nothing(html: str) -> None:
    reader = Reader(html)
    assert not reader.all("script")
    assert not reader.all("iframe")
    assert [link["href"] for link in reader.all("link")] == ["data:,"]
    without_pictures = re.sub(r"data:image/png;base64,[A-Za-z0-9+/=]+", "", html)
    assert not re.search(r"https?:|url\(|@import|\bon[a-z]+=", without_pictures)
    for _, attributes in reader.elements:
        assert not str(attributes.get("src", "data:")).startswith(("http", "//", "/"))
        assert not str(attributes.get("href", "")).startswith(("http", "//", "/"))


def test_the_page_can_be_read_without_eyes_or_mouse(html: str) -> None:
    reader = Reader(html)
    assert reader.all("html") == [{"lang": "en"}]
    assert len(reader.all("h1")) == len(reader.all("main")) == 1
    identifiers = [attributes["id"] for _, attributes in reader.elements if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))
    inner = {str(link["href"])[1:] for link in reader.all("a") if str(link["href"]).startswith("#")}
    assert inner <= set(identifiers)
    assert reader.all("a")[0] == {"class": "skip", "href": "#main"}
    for region in [each for each in reader.all("div") if each.get("class") == "scroll"]:
        assert region["tabindex"] == "0"
        assert region["aria-label"]


def test_results_lead_and_hold_means_counts_and_what_diverged(html: str) -> None:
    text = re.sub(r"<[^>]+>|\s+", " ", re.sub(r"<style>.*?</style>", "", html, flags=re.S))
    story = (
        "weak regularisation",
        "What it says of the papers",
        "mixes candidate",
        "Test error at the",
        "runs, not of the mean",
        "SHA-256",
        "Settings as",
    )
    places = [text.index(words) for words in story]
    assert places == sorted(places)
    errors = example_tables.frame(STUDY, "evaluations").query("method == 'darts' and l2 < 0.01")["test_error_percent"]
    assert f"{errors.mean():.1f} ± {errors.std():.1f}" in text
    assert "2 (1 diverged)" in text
    counted_once = r"0\.06 0 DARTS-ES same as DARTS [\d.]+ 0 1 – "
    assert re.search(counted_once, visible_text(html)), "a training of two methods counts once"
    assert "77" not in re.findall(r"The searches.*?searches whose curvature", text)[0], "of a search that diverged"
    assert "2 of 2" in text
    assert "The first 3 of" in text


def visible_text(html: str) -> str:
    """The page's text, spaces made one."""
    return " ".join(re.sub(r"<[^>]+>", " ", re.sub(r"<style>.*?</style>", "", html, flags=re.S)).split())


def test_verdicts_open_the_page_each_with_its_figure_and_provenance(html: str) -> None:
    text = visible_text(html)
    assert text.index("The dominant eigenvalue of the validation loss rises") < text.index("mixes candidate operations")
    assert len([link for link in Reader(html).all("a") if link["href"] == "provenance.html#job=claims"]) == 8 + 1
    links = {link["href"] for link in Reader(html).all("a")}
    assert {"#test_error", "#dominant_eigenvalue", "claims.json"} <= links
    assert "operation_counts, not in this study" in text
    assert "DARTS-ES finds better cells than DARTS. (RobustDARTS, Section 4) undecided " in text
    assert "– 2 1 of 1 comparison open; S4, Fashion-MNIST: test error of DARTS less" in text
    assert "not measured: it needs trainings from scratch of what random search" in text
    assert "S4, Fashion-MNIST: test error of DARTS less that of DARTS-ES, points mean 2 (search)" in text


def test_an_animation_is_inside_the_page_and_plays_when_asked_for(tmp_path: Path) -> None:
    tables = example_tables.cells(Cells(seeds=(1,), l2=(3e-4,)))
    html = page(tmp_path, tables, ["cell_animation"])
    reader = Reader(html)
    still, moving = reader.all("img")
    assert str(still["src"]).startswith("data:image/png;base64,")
    assert str(moving["src"]).startswith("data:image/gif;base64,")
    assert "animation" in str(moving["alt"])
    before, after = html.split("data:image/gif")
    assert before.rindex("<details") > before.rindex("</details>")
    assert "</details>" in after
    assert "figures/cell_animation.gif" in {link["href"] for link in reader.all("a")}


ALL_METHODS: Tables = dict(CELLS)
OWN = example_tables.frame(CELLS, "evaluations").query("method == 'darts' and l2 < 0.01")
ALL_METHODS["evaluations"] = pd.concat(
    [
        example_tables.frame(CELLS, "evaluations"),
        OWN.assign(method="random_ws", search="random_ws"),
        OWN.assign(method="r_darts_l2", l2=[3e-4, 3e-4, 81e-4, 81e-4]),
    ]
)
SEARCHED = example_tables.frame(CELLS, "searches").query("l2 < 0.01")
ALL_METHODS["searches"] = pd.concat(
    [
        example_tables.frame(CELLS, "searches"),
        SEARCHED.assign(search="published"),
        SEARCHED.assign(search="random_ws", final_dominant_eigenvalue=None, stopped=False, stop_epoch=None),
    ]
).astype(example_tables.frame(CELLS, "searches").dtypes)
CHOSEN = example_tables.architectures(CELLS)[0] | {"method": "r_darts_l2", "selection_error_percent": 12.345}
ALL_METHODS["architectures"] = [*example_tables.architectures(CELLS), CHOSEN]
ALL_METHODS["comparison"] = COMPARISON.frame(
    [
        dict.fromkeys(COMPARISON.names)
        | {"space": "s1", "data_set": "cifar10", "method": "darts", "ours_searches": 0, "sources": "Table A: somewhere"}
        | {"published_a_mean_percent": 4.66, "published_a_deviation_percent": 0.71},
        dict.fromkeys(COMPARISON.names)
        | {"space": "s1", "data_set": "cifar10", "method": "random_ws", "ours_searches": 0, "sources": "no value"},
    ]
)


def test_all_methods_are_told_by_their_names(tmp_path: Path) -> None:
    html = page(tmp_path, ALL_METHODS, ["test_error"])
    Reader(html)
    text = visible_text(html)
    results = text[: text.index("The searches")]
    assert "S4 Fashion-MNIST 0.0003 0 RS-ws" in results
    assert "S4 Fashion-MNIST selected selected R-DARTS(L2)" in results
    assert results.index("0.0003 0 DARTS-ES") < results.index("0.0003 0 RS-ws") < results.index("0.06 0 DARTS")
    assert "What R-DARTS selected" in results
    assert "R-DARTS(L2) 0 0.0003 0 12.35" in results
    assert "S1 CIFAR-10 DARTS no result 0 4.66 ± 0.71 none confirmed Table A: somewhere" in results
    assert "S1 CIFAR-10 RS-ws" not in results
    assert "DARTS, published log 0.0003 0" in text
    assert "RS-ws 0.0003 0 – 20.5 ± 0.7 – – 2" in text
    assert "they are read from the logs that the authors published" in text
    assert "Each architecture is then trained from scratch" in text
    assert "R-DARTS runs searches of several" in text
    assert "DARTS-ADA goes back" not in text


def test_a_study_that_trains_nothing_says_so(tmp_path: Path) -> None:
    paths = example_tables.write(CELLS, tmp_path)
    outputs = drawn("dominant_eigenvalue", paths, tmp_path)
    settings = {"study": "published", "title": "t", "description": "d", "settings": {}, "departures": []}
    settings |= {"commands": {}}
    inputs = {
        **{key: outputs[key] for key in ("description", "png")},
        "tables": [paths["searches"]],
        "architectures": [paths["architectures"]],
        "claims": judged({"searches": paths["searches"]}, tmp_path),
    }
    made = {"report": [tmp_path / "report.html"]}
    report.run({**settings, "figures": ["dominant_eigenvalue"]}, inputs, made, Silent())
    text = visible_text(made["report"][0].read_text(encoding="utf-8"))
    assert "This study trains no architecture from scratch, so it has no test errors." in text
    assert "Test error of the architectures" not in text
    assert "they are the papers’ own" in text
    assert "Ours and the published values" not in text


def test_settings_are_escaped(tmp_path: Path) -> None:
    bad = "<script>alert('x')</script>\" & <b>"
    html = page(
        tmp_path,
        STUDY,
        ["test_error"],
        title=bad,
        description=bad,
        settings={bad: bad},
        commands={"figure": bad, bad: bad},
    )
    assert "<script" not in html
    assert "<b>" not in html
    assert "&lt;script&gt;" in html
    Reader(html)


def test_same_inputs_same_bytes(tmp_path: Path) -> None:
    one, other = (page(tmp_path / name, STUDY, FIGURES[::2]) for name in ("one", "other"))
    assert one == other


def test_a_study_without_any_run_still_has_a_page(tmp_path: Path) -> None:
    html = page(tmp_path, example_tables.EMPTY, FIGURES, commands={})
    Reader(html)
    assert "No run has a result yet." in html


def test_a_figure_without_a_picture_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nothing_like_it"):
        page(tmp_path, STUDY, ["test_error"], figures=["test_error", "nothing_like_it"])


def test_how_sure_the_numbers_are_is_counted(html: str) -> None:
    text = visible_text(html)
    assert "Cell search: 4 searches of 2 settings, 2 of each, which differ in the seed alone. 1 diverged and" in text
    assert "Trainings from scratch: 10 of 5 architectures, 2 of each" in text
    assert "2 rows of the table evaluations are not counted again" in text
    assert "2 of each, which differ in the initial weights" in text
    assert "4 more could not be trained, because the search gave no architecture." in text
    assert "Depth search: 16 networks of 8 settings, 2 of each" in text
    assert "run once" not in text
    assert "1 of them is not the papers’" in text
    assert "search.epochs 16 50" in text


def test_a_single_run_is_called_no_evidence(tmp_path: Path) -> None:
    text = visible_text(page(tmp_path, example_tables.cells(Cells(seeds=(1,))), ["test_error"]))
    assert "2 settings, 1 of each" in text
    assert "a difference between two such numbers is not evidence" in text


def test_a_caption_is_itself_in_snakemakes_own_report() -> None:
    caption = "1. A *b* `c` |d| e_ .. note:: {{ f }} {% endraw %} - q* ends::"
    template = jinja2.Environment().from_string(figure.as_rst(caption))
    assert publish_parts(template.render(), writer="html")["body"] == f"<p>{html_escape(caption)}</p>\n"
