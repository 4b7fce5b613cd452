"""What a recorded job reads when it runs again is what its record names, and a regular file."""

import os
import shutil

import pytest
from provenance.forging import ROOT, forge

from workflow_scripts.provenance.ledger import read_ledger
from workflow_scripts.provenance.replay import ReplayError, replay

MORE = f"{ROOT}/tables/more.csv"
RECORD = "records/join_tables/searches.json"


def refusal(results, tmp_path):
    """Why the job that joins the table of searches is not run again."""
    ledger = read_ledger(results)
    with pytest.raises(ReplayError) as error:
        replay(ledger, ledger.makers[f"{ROOT}/tables/searches.csv"], tmp_path / "scratch")
    assert not (tmp_path / "scratch").exists(), "nothing was begun"
    return str(error.value)


def given(results, path, read=None):
    """The job was called with one input, and its record states one file of it."""
    fact = {"name": "part", "path": read or path, "sha256": "0" * 64, "bytes": 1, "record": None}
    outputs = {"files": [f"{ROOT}/tables/searches.csv"]}
    forge(results / RECORD, inputs=[fact], arguments={"inputs": {"part": [path]}, "outputs": outputs})


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("link", "a link, or lies behind one"),
        ("pipe", "not a regular file"),
        ("file", "is not what it was when the job read it"),
    ],
)
def test_an_input_that_is_not_what_was_read_is_refused(results, tmp_path, kind, why):
    place = results / "tables/more.csv"
    if kind == "link":
        place.symlink_to(results / "tables/evaluations.csv")
    elif kind == "pipe":
        os.mkfifo(place)
    else:
        place.write_text("more\n")
    given(results, MORE)
    assert why in refusal(results, tmp_path)


def test_a_folder_is_refused_where_a_link_or_an_unknown_file_lies_in_it(results, tmp_path):
    folder = results / "tables/more"
    folder.mkdir()
    (folder / "a.csv").symlink_to(results / "tables/evaluations.csv")
    given(results, f"{ROOT}/tables/more", f"{ROOT}/tables/more/a.csv")
    assert "it is a link to elsewhere" in refusal(results, tmp_path)
    (folder / "a.csv").unlink()
    (folder / "b.csv").write_text("1")
    assert f"{ROOT}/tables/more/b.csv: its record does not say what that was" in refusal(results, tmp_path)


def test_a_recorded_input_behind_a_linked_folder_is_refused(results, tmp_path):
    group = results / "tables/s1_cifar10"
    shutil.move(group, tmp_path / "moved")
    group.symlink_to(tmp_path / "moved")
    assert "it is a link, or lies behind one" in refusal(results, tmp_path)


def test_an_input_that_was_altered_or_removed_is_told(results, tmp_path):
    part = results / "tables/s1_cifar10/searches.csv"
    part.write_text("altered")
    assert refusal(results, tmp_path).endswith("is not what it was when the job read it")
    part.unlink()
    assert refusal(results, tmp_path).endswith("is not there")
