"""Two studies on one page: where they differ, their verdicts and their figures beside each other."""

import json
import re
from html import unescape

import pytest
from PIL import Image

from workflow_scripts import compare_studies
from workflow_scripts.tables.claims_file import write_claims
from workflow_scripts.tables.files import sha256_of


def evidence(effect):
    found = {"what": "S4", "each": "search", "kind": "mean", "values": [effect] * 3, "step": 0.0, "word": "holds"}
    return found | {"claimed": [0.0, None], "effect": effect, "interval": [effect - 1, effect + 1]}


def claim(name, statement, found):
    judged = {"name": name, "paper": "robustdarts", "place": "Section 4", "statement": statement, "figure": "errors"}
    return judged | {"verdict": "holds" if found else "undecided", "reason": "because", "evidence": found}


def results(folder, claims, departures=(), figures=("errors",)):
    """A results folder with a table, verdicts and figures."""
    (folder / "tables").mkdir(parents=True)
    (folder / "tables/searches.csv").write_text("made up\n")
    content = {"version": 1, "study": folder.name, "departures": {"robustdarts": list(departures)}, "claims": claims}
    write_claims(folder / "claims.json", content | {"tables": {"searches": sha256_of(folder / "tables/searches.csv")}})
    (folder / "report.html").write_text("the report")
    (folder / "figures").mkdir()
    for name in figures:
        words = {"title": f"The {name}", "caption": f"{name} of {folder.name} <&>", "alternative": "dots"}
        (folder / f"figures/{name}.json").write_text(json.dumps(words))
        Image.new("RGB", (4, 2)).save(folder / f"figures/{name}.png")
    return folder


@pytest.fixture
def two(tmp_path):
    shared, gone = claim("better", "It is better.", [evidence(5.5)]), claim("gone", "Nobody looked.", [])
    one = results(tmp_path / "results/long", [shared, gone], [["search.epochs", "16", "50"], ["images", "8", "32"]])
    again, more = claim("better", "It is better.", [evidence(2.25)]), claim("more", "It is more.", [evidence(1.0)])
    names = ("errors", "cells")
    return one, results(tmp_path / "results/short", [again, more, gone], [["images", "8", "32"]], names)


def made(tmp_path, *arguments):
    """The page's text, without its style."""
    page = tmp_path / "pages/both.html"
    assert compare_studies.main([*map(str, arguments), str(page)]) == 0
    return re.sub(r"<style>.*?</style>", "", page.read_text(encoding="utf-8"), flags=re.S)


def words(html):
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def test_verdicts_settings_and_figures_are_beside_each_other(two, tmp_path):
    html = made(tmp_path, *two)
    text = words(html)
    row = "It is better. (RobustDARTS, Section 4) holds 5.5 4.5 to 6.5 3 holds 2.25 1.25 to 3.25 3"
    assert row in text
    assert "It is more. (RobustDARTS, Section 4) not measured – – – holds 1 0 to 2 3" in text
    assert "Measured by neither: Nobody looked. (RobustDARTS, Section 4)." in text
    assert "search.epochs 16 50 (the papers’)" in text and "images 8" not in text
    assert html.count('<img src="data:image/png;base64,') == 3
    assert (
        text.index("errors of long <&>") < text.index("errors of short <&>") < text.index("The cells long This study")
    )
    assert 'href="../results/long/report.html"' in html and "provenance.html" not in html


def test_the_page_loads_nothing_and_is_the_same_each_time(two, tmp_path):
    html = made(tmp_path, *two)
    assert html == made(tmp_path, *two)
    assert not re.search(r"https?:|<script|url\(|src=\"(?!data:)", html)


def test_studies_of_one_name_are_told_apart_by_their_folders(two, tmp_path):
    one = two[0]
    one.rename(tmp_path / "first")
    other = results(tmp_path / "second/long", [])
    assert f"long ({other})" in words(made(tmp_path, tmp_path / "first", other))


def spoil(case, one, other, tmp_path):
    if case == "same":
        return [one, one / "../long", tmp_path / "page.html"]
    if case == "inside":
        return [one, other, one / "page.html"]
    if case == "absent":
        (other / "claims.json").unlink()
    elif case == "outdated":
        (other / "tables/searches.csv").write_text("another\n")
    elif case == "claims":
        content = json.loads((other / "claims.json").read_text())
        (other / "claims.json").write_text(json.dumps(content | {"departures": {"robustdarts": ["images"]}}))
    elif case == "description":
        (other / "figures/errors.json").write_text('{"title": 1}')
    elif case == "picture":
        (other / "figures/errors.png").write_text("no picture")
    elif case == "no picture":
        (other / "figures/errors.png").unlink()
    return [one, other, tmp_path / "page.html"]


@pytest.mark.parametrize(
    ("case", "sentence"),
    [
        ("same", "are the same folder; give the results of two studies"),
        ("inside", "would be a file without a record in"),
        ("absent", "claims.json is not there; run the study, make run STUDY=short, first"),
        ("outdated", "claims.json is older than its tables (searches); run make run STUDY=short first"),
        ("claims", "claims.json: this is not a readable file of claims"),
        ("description", "errors.json: this is not a readable description of a figure"),
        ("picture", "errors.png: this is not a readable picture (it is no PNG)"),
        ("no picture", "errors.png cannot be read or written (No such file or directory)"),
    ],
)
def test_what_cannot_be_shown_is_said_in_a_sentence_and_writes_nothing(case, sentence, two, tmp_path, capsys):
    arguments = spoil(case, *two, tmp_path)
    assert compare_studies.main(list(map(str, arguments))) == 2
    said = capsys.readouterr().err
    assert sentence in said and said.count("\n") == 1
    assert not arguments[-1].exists()
