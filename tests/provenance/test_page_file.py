"""The pages of a results folder after a run: written where there are records, named where they are there."""

import pytest

from workflow_scripts.provenance.page import pages_there, write_page
from workflow_scripts.rehearsal.made_up_results import make_results


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_only_pages_that_are_there_are_reported(folder):
    results = make_results(folder, 1).relative_to(folder).as_posix()
    assert pages_there(results) == [f"Report: {results}/report.html"]
    (folder / results / "provenance.html").touch()
    assert pages_there(results) == [f"Report: {results}/report.html", f"Provenance: {results}/provenance.html"]
    (folder / results / "report.html").unlink()
    assert pages_there(results) == [f"Provenance: {results}/provenance.html"]


def test_a_run_that_left_no_record_writes_and_says_nothing(folder, capsys):
    write_page("results/made_up", None)
    assert capsys.readouterr() == ("", "")
    assert pages_there("results/made_up") == []
