"""Random streams: each of its own, and the same on every machine; learning rates in closed form."""

import re
from pathlib import Path

import pytest
import torch

from workflow_scripts.runtime.learning_rates import cosine_rate
from workflow_scripts.runtime.seeds import stream, stream_seed


def test_seed_is_the_same_for_ever():
    """Other numbers would make every finished run another run."""
    assert stream_seed(1, "weights") == 5164344575451445340
    assert stream_seed(2, "alpha batches") == 5381282546107172040


def test_seeds_depend_on_seed_and_purpose():
    seeds = {stream_seed(seed, purpose) for seed in range(20) for purpose in ("weights", "alphas", "weight", "s")}
    assert len(seeds) == 80
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert stream_seed(1, "1/a") != stream_seed(11, "/a")


def test_streams_of_a_processor_differ_although_torch_reads_half_of_their_seeds():
    """A generator of a processor takes the last 32 bits of its seed: two streams with the same ones would be one."""
    ahead = torch.rand(9, generator=torch.Generator().manual_seed(5))
    assert torch.equal(ahead, torch.rand(9, generator=torch.Generator().manual_seed(5 + 2**32)))
    code = "".join(path.read_text() for path in (Path(__file__).parents[2] / "workflow_scripts").rglob("*.py"))
    purposes = set(re.findall(r"\bstream(?:_seed)?\([^()]*\"([a-z ]+)\"", code))
    assert len(purposes) > 15
    seeds = [stream_seed(seed, purpose) % 2**32 for seed in range(200) for purpose in purposes]
    assert len(set(seeds)) == len(seeds)


def test_streams_are_independent_of_each_other_and_of_the_global_generator():
    torch.manual_seed(0)
    alone = torch.rand(5, generator=stream(3, "batches"))
    torch.manual_seed(1)
    state = torch.get_rng_state()
    batches, noise = stream(3, "batches"), stream(3, "noise")
    mixed = []
    for _ in range(5):
        torch.rand(7, generator=noise)
        mixed.append(torch.rand(1, generator=batches))
    assert torch.equal(torch.get_rng_state(), state)
    assert len(set(torch.cat(mixed).tolist())) == 5
    assert not torch.equal(torch.rand(5, generator=stream(4, "batches")), alone)
    assert torch.equal(torch.rand(5, generator=stream(3, "batches")), alone)


def test_cosine_rate():
    assert cosine_rate(0, 50, 0.025, 0.001) == pytest.approx(0.025)
    assert cosine_rate(25, 50, 0.025, 0.001) == pytest.approx(0.013)
    assert cosine_rate(50, 50, 0.025, 0.001) == pytest.approx(0.001)
    rates = [cosine_rate(epoch, 600, 0.025, 0.0) for epoch in range(600)]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] > 0
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.025)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 50, eta_min=0.001)
    for epoch in range(50):
        assert optimizer.param_groups[0]["lr"] == pytest.approx(cosine_rate(epoch, 50, 0.025, 0.001))
        optimizer.step()
        schedule.step()
