"""Published supernet checkpoints: made-up ones in the published naming, hostile ones, and the real ones if at hand."""

import copy
import io
import os
import tarfile
from pathlib import Path

import pytest
import torch
from cells.tiny import batch_of

from workflow_scripts.cells.published_checkpoint import load_published_supernet
from workflow_scripts.cells.random_search_with_weight_sharing import one_hot, random_architecture
from workflow_scripts.reference.supernet import Supernet as Reference

ARCHIVE = Path(__file__).parents[3] / "shared" / "published" / "robustdarts-logs-s1.tar.gz"
needs_logs = pytest.mark.skipif(not ARCHIVE.is_file(), reason="the published logs are not next to this checkout")
PARAMETERS = {"s1": 405_146, "s2": 665_466}  # `param size` in the first line of the published logs


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def reference(space="s1", channels=4, layers=3):
    """A plain supernet with weights and running statistics of its own."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network = Reference(space, channels, layers, 10)
        for name, value in network.named_buffers():
            if "running" in name:
                value.copy_(0.5 + torch.rand(value.shape))
    return network


def state_of(network):
    """Its state dict as the PyTorch of the published code saved it."""
    return {name: value for name, value in network.state_dict().items() if "num_batches_tracked" not in name}


def saved(content):
    stream = io.BytesIO()
    torch.save(content, stream, _use_new_zipfile_serialization=False)
    stream.seek(0)
    return stream


def logits_of(plain, images, weights):
    """What the plain supernet says with given weights of its operations."""
    s0 = s1 = plain.stem(images)
    for cell, kind in zip(plain.cells, plain.kinds, strict=True):
        s0, s1 = s1, cell(s0, s1, getattr(weights, kind))
    return plain.classifier(s1.mean((2, 3)))


def assert_equal_networks(ours, plain, side):
    """Ours, running chosen operations alone, and the plain one, with one-hot weights, agree in float64."""
    ours, plain = copy.deepcopy(ours).double(), plain.double()
    images = batch_of(count=3, side=side)[0]
    draws = generator()
    for training in (False, True):
        ours.train(training)
        plain.train(training)
        for _ in range(4):
            architecture = random_architecture(ours, draws)
            with torch.no_grad():
                found = ours.chosen(images, architecture)
                expected = logits_of(plain, images, one_hot(ours, architecture))
            assert torch.isfinite(found).all()
            assert torch.allclose(found, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("space", "layers"), [("s1", 3), ("s2", 4), ("s3", 3)])
def test_a_checkpoint_in_the_published_naming(space, layers):
    plain = reference(space, layers=layers)
    ours = load_published_supernet(saved(state_of(plain)), space)
    assert [name for name, _ in ours.named_parameters()] == [name for name, _ in plain.named_parameters()]
    assert all(parameter.requires_grad and parameter.dtype == torch.float32 for parameter in ours.parameters())
    for name, value in plain.state_dict().items():
        assert torch.equal(ours.state_dict()[name], value), name
    assert_equal_networks(ours, plain, side=8)


def test_a_checkpoint_of_today_holds_the_counters_too():
    plain = reference()
    plain.stem[1].num_batches_tracked.fill_(7)
    ours = load_published_supernet(saved(plain.state_dict()), "s1")
    assert ours.stem[1].num_batches_tracked == 7


def test_loading_draws_nothing():
    stream = saved(state_of(reference()))
    before = torch.get_rng_state()
    load_published_supernet(stream, "s1")
    assert torch.equal(torch.get_rng_state(), before)


def test_a_loaded_supernet_can_be_trained():
    network = load_published_supernet(saved(state_of(reference())), "s1")
    images, labels = batch_of(dtype=torch.float32)
    before = network.classifier.weight.detach().clone()
    torch.nn.functional.cross_entropy(
        network.chosen(images, random_architecture(network, generator())), labels
    ).backward()
    torch.optim.SGD(network.parameters(), 0.1).step()
    assert not torch.equal(network.classifier.weight, before)
    assert network.stem[1].num_batches_tracked == 1


def changed(**changes):
    state = state_of(reference())
    for name, value in changes.items():
        name = name.replace("__", ".")
        if value is None:
            del state[name]
        else:
            state[name] = value
    return state


NORM = "cells__1__preprocess1__op__2__running_mean"


@pytest.mark.filterwarnings("ignore:Validating sparse")
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ([1, 2], "is not a state dict"),
        ({}, "is not a state dict"),
        ({"stem.0.weight": 3}, "holds stem.0.weight, which is not a named tensor"),
        ({7: torch.zeros(1)}, "holds 7, which is not a named tensor"),
        ({"stem.0.weight": torch.zeros(3, 3)}, "it has no stem.0.weight with 4 axes"),
        (changed(classifier__weight=None), "it has no classifier.weight with 2 axes"),
        (changed(**{NORM: None}), "it lacks cells.1.preprocess1.op.2.running_mean"),
        (changed(**{NORM: torch.zeros(9)}), "running_mean is float32 (9,), not float32 (8,)"),
        (changed(**{NORM: torch.zeros(8, dtype=torch.long)}), "is int64 (8,), not float32 (8,)"),
        (changed(**{NORM: torch.zeros(8).to_sparse()}), "is not a plain tensor"),
        (changed(alphas_normal=torch.zeros(14, 2)), "it also holds alphas_normal"),
        (changed(cells__5__x=torch.zeros(1)), "its cells or its stem are not of the right number"),
        (changed(stem__0__weight=torch.zeros(13, 3, 3, 3)), "its cells or its stem are not of the right number"),
        (changed(classifier__bias=torch.zeros(1).expand(10**9)), "has more than 10000000 values"),
    ],
)
def test_what_is_no_checkpoint_of_the_space(content, reason):
    with pytest.raises(ValueError) as raised:
        load_published_supernet(saved(content), "s1")
    message = str(raised.value)
    assert reason in message
    assert "\n" not in message


def test_a_checkpoint_of_another_space():
    with pytest.raises(ValueError, match="the checkpoint is not of a supernet of s2: "):
        load_published_supernet(saved(state_of(reference("s1"))), "s2")


class Hostile:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("new_format", [False, True])
def test_a_hostile_file_is_refused_and_not_executed(new_format, tmp_path):
    stream = io.BytesIO()
    hostile = {**state_of(reference()), "x": Hostile(tmp_path / "executed")}
    torch.save(hostile, stream, _use_new_zipfile_serialization=new_format)
    stream.seek(0)
    with pytest.raises(ValueError, match="the checkpoint is not readable") as raised:
        load_published_supernet(stream, "s1")
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "executed").exists()
    stream.seek(0)
    torch.load(stream, weights_only=False)
    assert (tmp_path / "executed").exists()  # it would have been


@pytest.mark.parametrize("content", [b"", b"weights", b"PK\x03\x04 and no archive", bytes(range(256)) * 20])
def test_rubbish(content):
    with pytest.raises(ValueError, match="the checkpoint is not readable"):
        load_published_supernet(io.BytesIO(content), "s1")


def test_a_cut_off_file():
    whole = saved(state_of(reference())).getvalue()
    for length in (10, 1000, len(whole) // 2, len(whole) - 5):
        with pytest.raises(ValueError):
            load_published_supernet(io.BytesIO(whole[:length]), "s1")


@pytest.fixture(scope="module")
def published():
    """The bytes of the real checkpoints, by space."""
    found = {}
    with tarfile.open(ARCHIVE) as tar:
        for member in tar:
            if member.name.endswith("/weights_4.pt"):
                found[member.name.split("/search_logs_RandomNAS/")[1].split("/")[0]] = tar.extractfile(member).read()
    return found


@needs_logs
@pytest.mark.parametrize("space", ["s1", "s2"])
def test_the_real_checkpoint(space, published):
    ours = load_published_supernet(io.BytesIO(published[space]), space)
    assert sum(parameter.numel() for parameter in ours.parameters()) == PARAMETERS[space]
    raw = torch.load(io.BytesIO(published[space]), map_location="cpu", weights_only=True)
    state = ours.state_dict()
    assert set(raw) == {name for name in state if not name.endswith("num_batches_tracked")}
    assert all(torch.equal(state[name], value) for name, value in raw.items())

    plain = Reference(space, 16, 8, 10)
    missing, unexpected = plain.load_state_dict(raw, strict=False)
    assert not unexpected and all(name.endswith("num_batches_tracked") for name in missing)
    assert_equal_networks(ours, plain, side=16)
