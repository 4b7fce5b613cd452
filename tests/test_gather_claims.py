"""The verdicts of all studies at hand, and the document of those that come with the repository."""

import json
import math
import re
import shutil
from pathlib import Path

import pytest
from claims import worlds

from workflow_scripts import gather_claims
from workflow_scripts.report.claims_document import readme_line
from workflow_scripts.runtime.progress import Silent
from workflow_scripts.steps import claims
from workflow_scripts.study.claim_modules import claim_names, stated
from workflow_scripts.tables.catalogue import TABLES
from workflow_scripts.tables.claims_file import PAPERS, read_claims
from workflow_scripts.verdicts.evidence import Evidence
from workflow_scripts.verdicts.verdict import verdict

ROOT = Path(__file__).parents[1]
COMMITTED = sorted((ROOT / "docs/claims").glob("*.json"))


def judge(folder, true=True, left_out=(), departures=()):
    """A results folder with the tables of a made-up cell study and their verdicts."""
    paths = [folder / "tables" / f"{name}.csv" for name in TABLES if name not in left_out]
    for path in paths:
        TABLES[path.stem].write(worlds.cells(true)[path.stem], path)
    names, settings = claim_names("robustdarts"), {"study": folder.name, "departures": {"robustdarts": departures}}
    claims.run({**settings, "claims": names}, {"tables": paths}, {"claims": [folder / "claims.json"]}, Silent())
    return {each["name"]: each for each in read_claims(folder / "claims.json")["claims"]}


DEPARTURES = [["search.epochs", "16", "50"]]
ALL_BUT_SEARCHES = set(TABLES) - {"searches"}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The results of two studies: one in which every claim is true, and one at another scale in which all are false."""
    folder = tmp_path_factory.mktemp("made")
    judge(folder / "results/good")
    judge(folder / "results/bad", False, departures=DEPARTURES)
    return folder


@pytest.fixture
def here(made, tmp_path, monkeypatch):
    """A folder with a copy of both, in which the command is started."""
    shutil.copytree(made / "results", tmp_path / "results")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def verdicts(made, study):
    return {each["name"]: each for each in read_claims(made / f"results/{study}/claims.json")["claims"]}


def test_the_step_writes_effect_interval_n_and_the_scale(made):
    better = verdicts(made, "good")["darts_es_better"]
    (s1, s4) = better["evidence"]
    assert better["verdict"] == "holds" == s1["word"]
    assert len(s1["values"]) == 8
    assert s1["interval"][0] < s1["effect"] < s1["interval"][1]
    assert s1["claimed"] == [0.0, None]
    assert s4["what"].startswith("S4, CIFAR-10: test error of DARTS less")
    content = read_claims(made / "results/bad/claims.json")
    assert content["departures"] == {"robustdarts": DEPARTURES}
    assert set(content["tables"]) == set(TABLES)


def test_a_claim_on_the_papers_scale_is_undecided_at_another(made):
    name = "published_test_errors"
    assert verdicts(made, "good")[name]["verdict"] == "holds"
    found = verdicts(made, "bad")[name]
    assert found["verdict"] == "undecided"
    assert found["reason"] == "it is about the paper's own scale, and 1 setting differs from the paper's"


def test_without_its_table_a_claim_is_not_measured(tmp_path):
    found = judge(tmp_path / "study", left_out=ALL_BUT_SEARCHES)["darts_es_better"]
    assert (found["verdict"], found["evidence"]) == ("undecided", [])
    assert found["reason"] == "not measured: the study has no table evaluations"


def test_the_same_tables_give_the_same_bytes(tmp_path):
    for name in ("one", "other"):
        judge(tmp_path / name / "study", left_out=ALL_BUT_SEARCHES)
    one, other = ((tmp_path / name / "study/claims.json").read_bytes() for name in ("one", "other"))
    assert one == other


def test_all_studies_in_one_table(here, capsys):
    assert gather_claims.main([]) == 0
    printed = capsys.readouterr().out
    for name in claim_names():
        assert f"{stated(name, 'PLACE')}: {stated(name, 'STATEMENT')}" in printed
    own = printed.partition("DARTS-ES finds better cells than DARTS.\n")[2]
    assert re.match(
        r"  fails      bad: effect -\S+, interval -\S+ to -\S+, n = 8; an interval lies.*\(1 setting differs\)\n", own
    )
    assert re.search(
        r"\n  holds      good: effect \S+, interval \S+ to \S+, n = 8; 2 intervals lie.*\(the paper's settings\)\n", own
    )
    assert printed.count("undecided  no study at hand has judged it") == 8


def test_without_any_study_the_command_says_what_to_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert gather_claims.main([]) == 0
    assert capsys.readouterr().out == "No study has verdicts in results yet: make run STUDY=demo writes some.\n"


@pytest.mark.parametrize("change", [lambda path: path.unlink(), lambda path: path.write_text("altered\n")])
def test_a_verdict_does_not_outlive_its_tables(here, capsys, change):
    change(here / "results/good/tables/evaluations.csv")
    assert gather_claims.main([]) == 0
    printed = capsys.readouterr().out
    sentence = "results/good/claims.json is older than its tables (evaluations); run make run STUDY=good first"
    assert sentence in printed
    assert "good: " not in printed
    assert gather_claims.main(["--docs", "bad", "good"]) == 2
    assert capsys.readouterr().err == f"{sentence}\n"
    assert not (here / "docs").exists()


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"version": 1, "study": "x"}'])
def test_a_damaged_file_is_one_sentence(here, capsys, text):
    (here / "results/good/claims.json").write_text(text)
    assert gather_claims.main([]) == 2
    error = capsys.readouterr().err
    assert error.startswith("results/good/claims.json: this is not a readable ")
    assert error.count("\n") == 1


def test_the_document_is_written_from_the_verdicts_of_studies(here):
    assert gather_claims.main(["--docs", "good", "bad"]) == 0
    text = (here / "docs/claims.md").read_text()
    assert text == gather_claims.committed_document(here / "docs/claims")
    assert "| [DARTS-ES finds better cells than DARTS.](#darts_es_better) | Section 4 | good | bad |  |" in text
    assert (
        "**good** (the paper's settings): holds; 2 intervals lie within the claim; S1, CIFAR-10: test error of DARTS"
        in text
    )
    assert "Undecided: no study here has judged it." in text


def test_a_study_without_verdicts_is_named_and_nothing_is_written(here, capsys):
    assert gather_claims.main(["--docs", "good", "other"]) == 2
    assert capsys.readouterr().err == "results/other/claims.json is not there; run make run STUDY=other first\n"
    assert not (here / "docs").exists()


def test_a_study_that_was_judged_before_a_claim_was_stated_does_not_speak_of_it(here):
    path = here / "results/good/claims.json"
    content = json.loads(path.read_text())
    content["claims"] = [claim for claim in content["claims"] if claim["name"] != "darts_es_better"]
    path.write_text(json.dumps(content))
    assert gather_claims.main(["--docs", "good"]) == 0
    text = (here / "docs/claims.md").read_text()
    assert "| [DARTS-ES finds better cells than DARTS.](#darts_es_better) | Section 4 |  |  |  |" in text


def test_a_verdict_on_a_claim_that_is_stated_otherwise_now_is_refused(here, capsys):
    path = here / "results/good/claims.json"
    path.write_text(path.read_text().replace("DARTS-ES finds better cells than DARTS.", "Reworded."))
    assert gather_claims.main(["--docs", "good"]) == 2
    assert "the verdicts of good are not on the claim darts_es_better as it is stated now" in capsys.readouterr().err


# those that come with the repository ----------------------------------------------------------------------------------


def _numbers(effect, interval):
    """An effect and its interval; as not-a-number what nothing was measured of."""
    return (math.nan if effect is None else effect, *(interval or ()))


def disagreements(path):
    """The claims of a file whose words, effects or intervals are not what their own values give."""
    wrong = []
    for claim in read_claims(path)["claims"]:
        evidence = [
            Evidence(
                *(each[key] for key in ("what", "each", "kind")),
                tuple(map(tuple, each["values"])) if each["kind"] == "rank correlation" else tuple(each["values"]),
                *each["claimed"],
                each["step"],
            )
            for each in claim["evidence"]
        ]
        found = verdict(evidence, "")
        numbers = [_numbers(finding.effect, finding.interval) for finding in found.findings]
        given = [_numbers(each["effect"], each["interval"]) for each in claim["evidence"]]
        other_scale = claim["reason"].startswith("it is about the paper's own scale")
        agree = all(
            one == pytest.approx(other, rel=1e-6, abs=1e-9, nan_ok=True)
            for one, other in zip(numbers, given, strict=True)
        )
        words = [finding.word for finding in found.findings] == [each["word"] for each in claim["evidence"]]
        if not (agree and words and claim["verdict"] == ("undecided" if other_scale else found.word)):
            wrong.append(claim["name"])
    return wrong


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_every_verdict_is_what_its_numbers_give(path):
    assert disagreements(path) == []


def test_a_verdict_that_disagrees_with_its_numbers_is_found(here):
    path = here / "results/good/claims.json"
    assert disagreements(path) == []
    content = json.loads(path.read_text())
    changed = next(claim for claim in content["claims"] if claim["name"] == "darts_es_better")
    changed["evidence"][0]["values"][0] -= 100
    path.write_text(json.dumps(content))
    assert disagreements(path) == ["darts_es_better"]


def test_the_document_is_what_its_verdicts_give():
    assert COMMITTED
    assert (ROOT / "docs/claims.md").read_text() == gather_claims.committed_document(ROOT / "docs/claims")


@pytest.mark.parametrize("paper", PAPERS)
def test_the_readme_has_the_line_on_each_paper(paper):
    studies = [read_claims(path) for path in COMMITTED]
    assert readme_line(paper, gather_claims.claims_stated(), studies) in (ROOT / "README.md").read_text()
