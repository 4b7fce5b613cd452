"""Kept bytes where the file system refuses links, and where there is no room for them."""

import errno
import os

import pytest

from workflow_scripts.provenance.kept_outputs import keep, kept_at, remove_outdated
from workflow_scripts.provenance.record import file_facts


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()
    return tmp_path.joinpath("out").relative_to(tmp_path)


@pytest.fixture
def facts(root):
    (root / "a.txt").write_text("a")
    (root / "empty.txt").touch()
    return file_facts({"text": [root / "a.txt", root / "empty.txt"]})


def refuse(monkeypatch, number):
    def link(source, target, **options):
        raise OSError(number, os.strerror(number), source)

    monkeypatch.setattr(os, "link", link)


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK])
def test_a_copy_is_kept_where_links_are_refused(root, facts, monkeypatch, number):
    refuse(monkeypatch, number)
    keep(root, "job", facts)
    files = [kept_at(root, "job", fact["sha256"]) for fact in facts]
    assert [file.read_text() for file in files] == ["a", ""]
    assert not files[0].samefile(root / "a.txt")
    assert sorted(root.rglob(".kept/**/*.*")) == [], "nothing is left under a temporary name"


def test_another_error_is_raised(root, facts, monkeypatch):
    refuse(monkeypatch, errno.ENOSPC)
    with pytest.raises(OSError, match="No space left"):
        keep(root, "job", facts)


def test_only_what_the_job_wrote_last_stays(root, facts):
    keep(root, "job", facts)
    keep(root, "job/inner", facts)
    remove_outdated(root, "job", facts[:1])
    assert [fact["path"] for fact in facts if kept_at(root, "job", fact["sha256"]).exists()] == ["out/a.txt"]
    assert all(kept_at(root, "job/inner", fact["sha256"]).exists() for fact in facts)


def test_keeping_twice_changes_nothing(root, facts):
    for _ in range(2):
        keep(root, "job", facts)
    assert sorted(file.name for file in (root / ".kept/job").iterdir()) == sorted(fact["sha256"] for fact in facts)
