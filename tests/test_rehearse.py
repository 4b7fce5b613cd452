"""`python -m workflow_scripts.rehearse`: the study it writes, and what it refuses."""

import pytest
import yaml

from workflow_scripts import rehearse
from workflow_scripts.study import open_study

TINY = open_study.ROOT / "tests" / "workflow" / "tiny.yaml"


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A place for studies and config/local.yaml away from the repository's own."""
    for module in (rehearse, open_study):
        monkeypatch.setattr(module, "ROOT", tmp_path)
        monkeypatch.setattr(module, "CONFIG", tmp_path / "config")
    monkeypatch.setattr(open_study, "LOCAL", tmp_path / "config" / "local.yaml")
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "tiny.yaml").write_bytes(TINY.read_bytes())
    return tmp_path


@pytest.fixture
def started(monkeypatch):
    """What would be run, where nothing is."""
    runs = []
    monkeypatch.setattr(rehearse, "_run", lambda *arguments: runs.append(arguments) or 7)
    return runs


def test_a_rehearsal_is_a_study_file_beside_the_others(tree, started, capsys):
    assert rehearse.main([str(tree / "config/tiny.yaml"), "--profile", "local", "--jobs", "1"]) == 7
    file = tree / "config/tiny-rehearsal.yaml"
    assert started == [(file, "local", "results/tiny-rehearsal")]
    assert [path.name for path in (tree / "config").iterdir() if path.name.startswith(".")] == []
    assert file.read_text().startswith("# Made of the study tiny, 25 of its jobs by workflow_scripts.rehearse")
    assert yaml.safe_load(file.read_text())["study"] == "tiny-rehearsal"
    assert capsys.readouterr().out.startswith("Rehearsing 25 of the 28 jobs of tiny: config/tiny-rehearsal.yaml\n")


@pytest.mark.parametrize(
    ("local", "arguments", "sentence"),
    [
        (
            "cells: {search: {epochs: 5}}",
            ["--profile", "local"],
            "config/local.yaml: it says otherwise than config/tiny-",
        ),
        ("", [], "--profile: name the profile that the study is to run with, such as slurm"),
        ("", ["--profile", "locl"], "profiles/locl: there is no such profile (did you mean local?)"),
        ("", ["--report-only"], "config/tiny-rehearsal.yaml: there is no such study"),
    ],
)
def test_what_cannot_be_rehearsed_ends_in_one_sentence(local, arguments, sentence, tree, started, capsys):
    (tree / "config/local.yaml").write_text(local)
    assert rehearse.main([str(tree / "config/tiny.yaml"), *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith(sentence) and captured.err.count("\n") == 1 and not captured.out
    assert not started


def test_where_data_may_come_from_and_what_jobs_ask_for_may_stand_in_local_settings(tree, started):
    (tree / "config/local.yaml").write_text("data: {offline: true}\nresources: {cell_search: {runtime: 9, mem_mb: 9}}")
    assert rehearse.main([str(tree / "config/tiny.yaml"), "--profile", "local"]) == 7
    assert yaml.safe_load((tree / "config/tiny-rehearsal.yaml").read_text())["resources"]["cell_search"]["runtime"] == 9


@pytest.mark.parametrize("number", ["0", "-3", "many"])
def test_a_number_of_jobs_is_one_or_more(number, tree, capsys):
    with pytest.raises(SystemExit) as ended:
        rehearse.main([str(tree / "config/tiny.yaml"), "--jobs", number])
    assert ended.value.code == 2
    assert f"{number} is not a number of jobs" in capsys.readouterr().err.replace("\n", " ")
