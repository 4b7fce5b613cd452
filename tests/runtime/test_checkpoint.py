"""Checkpoints: atomic, bound to their computation, cheap, and loaded without running anything."""

import io
import pickle
import random

import pytest
import torch
from recorded_progress import RecordedProgress

from workflow_scripts.runtime.checkpoint import SHARE, FileCheckpoint, PartCheckpoint, _header


class Clock:
    """A clock that is set by hand."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def file(tmp_path):
    return tmp_path / "deep" / "job.pt"


def at(file, key="key", progress=None, clock=None):
    return FileCheckpoint(file, key, progress or RecordedProgress(), clock or Clock())


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
    progress = RecordedProgress()
    assert at(file, "other settings", progress).load() is None
    other = "the checkpoint is of other settings, code, inputs, versions or of another device"
    assert progress.lines == [f"{other}; starting at the beginning"]


class Hostile:
    """Runs a command where it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("kind", ["nothing", "half", "no dictionary", "hostile"])
def test_a_broken_or_hostile_file_is_reported_and_left_unused(file, tmp_path, kind, header):
    plain = io.BytesIO()
    torch.save([1, 2], plain)
    hostile = pickle.dumps(Hostile(tmp_path / "executed"))
    body = {"nothing": b"", "half": b"half", "no dictionary": plain.getvalue(), "hostile": hostile}[kind]
    file.parent.mkdir()
    file.write_bytes((_header(body) if header else b"") + body)
    progress = RecordedProgress()
    assert at(file, progress=progress).load() is None
    message = "is damaged (its content does not agree with its sha256)" if not header else "cannot be read"
    message = "the checkpoint is of other settings" if header and kind == "no dictionary" else message
    assert message in progress.lines[0]
    assert progress.lines[0].endswith("; starting at the beginning")
    assert not (tmp_path / "executed").exists()


def damaged(content, chance):
    """A thousand copies with one bit flipped, a hundred with a block of zeros, fifty cut short, one with more."""
    for _ in range(1000):
        place = chance.randrange(8 * len(content))
        flipped = bytearray(content)
        flipped[place // 8] ^= 1 << place % 8
        yield bytes(flipped)
    for _ in range(100):
        place = 512 * chance.randrange(-(-len(content) // 512))
        yield content[:place] + bytes(min(512, len(content) - place)) + content[place + 512 :]
    for _ in range(50):
        yield content[: chance.randrange(len(content))]
    yield content + b"\0"


def test_no_damage_loads_another_state(file):
    """Bits that flipped, blocks that a loss of power left empty, and files cut short."""
    chance = random.Random(1)
    weights = {"weights": torch.randn(40, 40, generator=torch.Generator().manual_seed(1)), "zeros": torch.zeros(500)}
    at(file).save(lambda: {"epoch": 3, **weights})
    content = file.read_bytes()
    refused = 0
    for copy in damaged(content, chance):
        file.write_bytes(copy)
        progress = RecordedProgress()
        state = at(file, progress=progress).load()
        if copy == content:  # a block that held zeros already
            assert state["epoch"] == 3
            continue
        assert state is None
        damage = f"the checkpoint {file} is damaged (its content does not agree with its sha256)"
        assert progress.lines == [f"{damage}; starting at the beginning"]
        refused += 1
    assert refused >= 1100


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
