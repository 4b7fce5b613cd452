"""`python -m workflow_scripts.write_study`: a study with changed settings, in a file of its own."""

import pytest

from workflow_scripts import write_study
from workflow_scripts.study import open_study

TINY = open_study.ROOT / "tests" / "workflow" / "tiny.yaml"
CHANGES = "study=short cells.search.epochs=2 cells.grids.0.seeds=[3]"


@pytest.fixture
def config(tmp_path, monkeypatch):
    for module in (write_study, open_study):
        monkeypatch.setattr(module, "CONFIG", tmp_path)
    monkeypatch.setattr(open_study, "LOCAL", tmp_path / "local.yaml")
    (tmp_path / "local.yaml").write_text("data: {mirrors: [/a/folder]}\n")
    return tmp_path


def test_the_file_is_the_study_that_was_run_with_set(config, capsys):
    with_set = open_study.named_study(TINY, CHANGES)
    assert write_study.main([str(TINY), "--set", CHANGES]) == 0
    assert capsys.readouterr().out == (
        "config/short.yaml is written; make run STUDY=short runs it\n"
        "its title and description are those of tiny; the report opens with them\n"
    )
    file = config / "short.yaml"
    assert file.read_text().startswith(f"# The study tiny, with {CHANGES}\nstudy: short\n")
    assert open_study.named_study(file) == with_set, "with what config/local.yaml sets"
    assert "/a/folder" not in file.read_text(), "which holds on one machine only"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "SET: the new study needs a name of its own, as in SET='study=tiny_2 ...'\n"),
        (["--set", "cells.search.epochs=2"], "SET: the new study needs a name of its own"),
        (["--set", "study=there"], "config/there.yaml is there already and stays as it is; give study= another name\n"),
        (["--set", "study=local"], "SET: study is local, and config/local.yaml is merged over any study"),
        (["--set", "study=../up"], 'SET: study is "../up"'),
    ],
)
def test_what_is_not_written_is_refused_in_one_sentence(arguments, sentence, config, capsys):
    (config / "there.yaml").write_text("study: there\n")
    before = {file.name: file.read_bytes() for file in config.iterdir()}
    assert write_study.main([str(TINY), *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith(sentence) and captured.err.count("\n") == 1 and not captured.out
    assert {file.name: file.read_bytes() for file in config.iterdir()} == before


def test_the_comment_stays_one_line(config):
    assert write_study.main([str(TINY), "--set", "study=short\ncells.search.epochs=2"]) == 0
    assert (config / "short.yaml").read_text().startswith("# The study tiny, with study=short cells.search.epochs=2\n")


def test_a_folder_that_cannot_be_written_ends_in_one_sentence(config, capsys, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied", "config/short.yaml")

    monkeypatch.setattr(write_study, "write_durably", refuse)
    assert write_study.main([str(TINY), "--set", CHANGES]) == 2
    assert capsys.readouterr().err == "config/short.yaml cannot be read or written (Permission denied)\n"
