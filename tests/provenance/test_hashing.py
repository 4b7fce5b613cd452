"""Only what may be the recorded file is read: a regular file of its size, which is no link among results."""

import os

import pytest
from unreadable_files import deep_file

from workflow_scripts.provenance.hashing import sha256_of_recorded
from workflow_scripts.provenance.record import digest_of, file_facts

CONTENT = b"made\n"
VAST = 1 << 40


@pytest.fixture
def base(tmp_path):
    for place in ("results/tables/a.csv", "data/a.csv", "elsewhere/a.csv"):
        (tmp_path / place).parent.mkdir(parents=True)
        (tmp_path / place).write_bytes(CONTENT)
    return tmp_path


def found(base, path):
    return sha256_of_recorded({base / path: len(CONTENT)}, base / "results")[base / path]


@pytest.mark.parametrize("path", ["results/tables/a.csv", "data/a.csv"])
def test_the_recorded_file_is_hashed(base, path):
    assert found(base, path) == digest_of(CONTENT)


def test_a_file_that_claims_another_size_or_may_be_waited_for_is_not_read(base):
    with (base / "results/vast.csv").open("wb") as file:
        file.truncate(VAST)
    os.mkfifo(base / "results/pipe.csv")
    assert [found(base, f"results/{name}.csv") for name in ("vast", "pipe", "none")] == [None] * 3


def test_links_are_followed_among_data_sets_only(base):
    for folder in ("results", "data"):
        (base / folder / "file.csv").symlink_to(base / "elsewhere/a.csv")
        (base / folder / "folder").symlink_to(base / "elsewhere")
    for path in ("file.csv", "folder/a.csv"):
        assert found(base, f"data/{path}") == digest_of(CONTENT)
        assert found(base, f"results/{path}") is None


def test_the_results_folder_may_be_a_link_itself(base):
    (base / "linked").symlink_to(base / "results")
    path = base / "linked/tables/a.csv"
    assert sha256_of_recorded({path: len(CONTENT)}, base / "linked") == {path: digest_of(CONTENT)}


def test_a_folder_stands_for_the_files_in_it_however_deep(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with deep_file(tmp_path / "top") as end:
        (tmp_path / "top" / ".snakemake_timestamp").touch()
        (tmp_path / "top" / "a.txt").write_bytes(CONTENT)
        (tmp_path / "top" / "link.txt").symlink_to("a.txt")
        (tmp_path / "top" / "nowhere").symlink_to("nothing")
        (tmp_path / "linked").symlink_to("top")
        for place in ("top", "linked"):
            facts = file_facts({"folder": [tmp_path / place]})
            inside = [os.path.relpath(fact["path"], tmp_path / place) for fact in facts]
            assert inside == ["a.txt", os.path.relpath(end, tmp_path / "top"), "link.txt"]
        assert facts[0]["sha256"] == facts[2]["sha256"] == digest_of(CONTENT)
