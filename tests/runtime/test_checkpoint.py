"""Checkpoints: atomic, bound to their computation, cheap, and loaded without running anything."""

import pickle

import pytest
import torch
from said import Said

from workflow_scripts.runtime.checkpoint import SHARE, FileCheckpoint, PartCheckpoint


class Clock:
    """A clock that is set by hand."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def file(tmp_path):
    return tmp_path / "deep" / "job.pt"


def at(file, key="key", said=None, clock=None):
    return FileCheckpoint(file, key, said or Said(), clock or Clock())


def test_a_state_comes_back(file):
    state = {"epoch": 3, "weights": {"a": torch.arange(4.0)}, "values": [(1, 0.5), (2, None)], "draws": [torch.ones(2)]}
    at(file).save(lambda: state)
    loaded = at(file).load()
    assert loaded["weights"]["a"].tolist() == [0, 1, 2, 3]
    assert (loaded["epoch"], loaded["values"]) == (3, [(1, 0.5), (2, None)])
    assert [path.name for path in file.parent.iterdir()] == ["job.pt"]
    at(file).clear()
    at(file).clear()
    assert at(file).load() is None


def test_a_checkpoint_of_another_computation_is_not_used(file):
    at(file, "settings and code").save(lambda: {"epoch": 3})
    said = Said()
    assert at(file, "other settings", said).load() is None
    assert said.lines == ["the checkpoint is of other settings, code, inputs or versions; starting at the beginning"]


class Hostile:
    """Runs a command where it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("content", [b"", b"half", "hostile", "cut"])
def test_a_broken_or_hostile_file_is_told_and_left_unused(file, tmp_path, content):
    file.parent.mkdir()
    if content == "hostile":
        content = pickle.dumps(Hostile(tmp_path / "executed"))
    if content == "cut":
        at(file).save(lambda: {"weights": torch.zeros(1000)})
        content = file.read_bytes()[:-500]
    file.write_bytes(content)
    said = Said()
    assert at(file, said=said).load() is None
    assert "cannot be read; starting at the beginning" in said.lines[0]
    assert not (tmp_path / "executed").exists()


def test_saving_takes_no_more_than_its_share(file):
    clock = Clock()
    checkpoint = at(file, clock=clock)

    def slow():
        clock.now += 1.0
        return {"at": clock.now}

    saved = []
    for _ in range(100):
        clock.now += 0.5
        before = clock.now
        checkpoint.save(slow)
        saved.append(clock.now > before)
    assert saved[0], "the first epoch is saved"
    assert sum(saved) * 1.0 <= SHARE * clock.now + 1.0
    assert sum(saved) >= 3


def test_a_save_that_fails_leaves_the_one_before(file):
    at(file).save(lambda: {"epoch": 1})

    def breaks():
        raise RuntimeError("no space")

    with pytest.raises(RuntimeError):
        at(file).save(breaks)
    assert at(file).load() == {"epoch": 1}
    assert [path.name for path in file.parent.iterdir()] == ["job.pt"]


def test_parts_of_a_computation(file):
    first = PartCheckpoint(at(file), "first", {"finished": {}})
    assert first.load() is None
    first.save(lambda: {"epoch": 5})
    assert PartCheckpoint(at(file), "first", {"finished": {}}).load() == {"epoch": 5}
    second = PartCheckpoint(at(file), "second", {"finished": {"first": 1}})
    assert second.load() is None, "the state of another part"
    second.save(lambda: {"epoch": 1})
    assert at(file).load() == {"finished": {"first": 1}, "part": "second", "state": {"epoch": 1}}
