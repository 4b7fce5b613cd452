"""Files are on the disk before they have their names, and names before anything trusts them."""

import errno
import os

import pytest
from unreadable_files import DEPTH, deep_file

from workflow_scripts.runtime import durable
from workflow_scripts.runtime.durable import move_durably, write_durably, write_quickly


@pytest.fixture
def calls(monkeypatch, tmp_path):
    """What is brought to the disk and what is renamed, in order, as paths from the test's folder."""
    done = []
    fsync, replace = os.fsync, os.replace

    def name(path):
        return os.path.relpath(path, tmp_path).replace(str(os.getpid()), "PID")

    def synced(number):
        done.append(f"fsync {name(os.readlink(f'/proc/self/fd/{number}'))}")
        fsync(number)

    def replaced(source, target):
        done.append(f"replace {name(source)} {name(target)}")
        replace(source, target)

    monkeypatch.setattr(durable.os, "fsync", synced)
    monkeypatch.setattr(durable.os, "replace", replaced)
    return done


def test_a_file_is_on_the_disk_before_its_rename_and_its_folder_after(tmp_path, calls):
    write_durably(tmp_path / "deep" / "a.json", b"content")
    assert calls == ["fsync deep/.a.json.PID", "replace deep/.a.json.PID deep/a.json", "fsync deep"]
    assert (tmp_path / "deep" / "a.json").read_bytes() == b"content"
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["a.json"]


def test_every_file_of_a_folder_is_on_the_disk_before_its_rename(tmp_path, calls):
    (tmp_path / "made" / "inner").mkdir(parents=True)
    (tmp_path / "made" / "inner" / "a").write_text("a")
    (tmp_path / "results").mkdir()
    move_durably(tmp_path / "made", tmp_path / "results" / "made")
    assert calls[-2:] == ["replace made results/made", "fsync results"]
    assert set(calls[:-2]) == {"fsync made", "fsync made/inner", "fsync made/inner/a"}
    (tmp_path / "b").write_text("b")
    calls.clear()
    move_durably(tmp_path / "b", tmp_path / "results" / "b")
    assert calls == ["fsync b", "replace b results/b", "fsync results"]


def test_a_folder_deeper_than_recursion_goes_is_moved(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(durable.os, "fsync", synced.append)
    with deep_file(tmp_path / "made") as end:
        move_durably(tmp_path / "made", tmp_path / "moved")
        assert (tmp_path / "moved" / end.relative_to(tmp_path / "made")).read_text() == "at the end"
    assert len(synced) == 1 + DEPTH + 1 + 1, "the file, the folders, and that in which they are renamed"


def test_what_is_made_anew_is_not_waited_for(tmp_path, calls):
    write_quickly(tmp_path / "a", b"content")
    assert calls == ["replace .a.PID a"]


@pytest.mark.parametrize("write", [write_durably, write_quickly])
def test_a_write_that_fails_leaves_the_file_as_it_was_and_nothing_beside_it(tmp_path, monkeypatch, write):
    file = tmp_path / "a"
    file.write_bytes(b"before")

    def full(source, target):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(durable.os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        write(file, b"after")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert file.read_bytes() == b"before"


def test_a_file_system_that_cannot_sync_folders_is_good_enough(tmp_path, monkeypatch):
    def refuse(number):
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(durable.os, "fsync", refuse)
    durable.sync_folder(tmp_path)
    with pytest.raises(OSError, match="Invalid argument"):
        write_durably(tmp_path / "a", b"")
