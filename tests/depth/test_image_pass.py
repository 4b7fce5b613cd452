"""The compiled pass of an image depth network: the same function as its modules, and the same bytes every time."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from numba_cache import printed_twice

from workflow_scripts.depth import image_pass, networks
from workflow_scripts.depth.evaluation import evaluate
from workflow_scripts.depth.networks import ConvolutionalNetwork
from workflow_scripts.depth.posterior import LearntPosterior
from workflow_scripts.depth.prior import geometric_log_prior
from workflow_scripts.depth.training import DepthModel

ROOT = Path(__file__).parents[2]
CLOSE = {"rtol": 1e-9, "atol": 1e-11}
PROGRAM = """
import sys
import torch
from workflow_scripts.depth.networks import ConvolutionalNetwork

torch.manual_seed(1)
network = ConvolutionalNetwork(2, 16, 8, 3, 2, per_depth_statistics=True, layout="compiled")
optimizer = torch.optim.SGD(network.parameters(), 0.1, 0.5)
for count in (40, 3):
    images = torch.randn(count, 2, 11, 16)
    optimizer.zero_grad()
    network(images).square().mean().backward()
    optimizer.step()
network.eval()
with torch.no_grad():
    logits = network(images)
print([tensor.flatten().tolist() for tensor in (logits, *network.state_dict().values())])
"""


def twins(dtype=torch.float64, **sizes):
    """A network in both layouts, with the same weights, all of which matter."""
    chosen = {"channels": 1, "outer_width": 16, "inner_width": 8, "classes": 3, "max_depth": 3} | sizes
    made = []
    for layout in ("modules", "compiled"):
        torch.manual_seed(1)
        network = ConvolutionalNetwork(**chosen, layout=layout).to(dtype)
        with torch.no_grad():
            for parameter in network.parameters():
                parameter += 0.2 * torch.randn_like(parameter)
        made.append(network)
    return made


def images_of(count=5, channels=1, height=12, width=12, dtype=torch.float64):
    draws = torch.Generator().manual_seed(2)
    return torch.randn(count, channels, height, width, generator=draws, dtype=dtype)


def gradients_of(network, images, function=None):
    """Logits and the gradients of a sum in which each counts differently."""
    logits = (function or network)(images)
    weights = torch.linspace(-1, 1, logits.numel(), dtype=logits.dtype).view_as(logits)
    return [logits.detach(), *torch.autograd.grad((weights * logits).sum(), list(network.parameters()))]


def assert_all_close(ones, others):
    for one, other in zip(ones, others, strict=True):
        torch.testing.assert_close(other, one, **CLOSE)


@pytest.mark.parametrize(
    ("images", "sizes"),
    [
        ({}, {"per_depth_statistics": True}),
        ({"count": 131}, {"outer_width": 32, "inner_width": 16, "max_depth": 2}),
        ({"count": 2, "channels": 3, "height": 13, "width": 18}, {"channels": 3, "per_depth_statistics": True}),
        ({"count": 3, "height": 6, "width": 9}, {"outer_width": 8, "inner_width": 24}),
        ({}, {"max_depth": 0}),
    ],
)
def test_a_pass_its_gradients_and_its_statistics(images, sizes):
    results = []
    for network in twins(**sizes):
        batch = images_of(**images)
        found = gradients_of(network, batch) + gradients_of(network, 2 * batch, network.deepest)
        network.eval()
        with torch.no_grad():
            results.append([*found, *network.buffers(), network(batch), network.deepest(batch)])
    assert_all_close(*results)


def test_passes_do_not_share_memory_until_their_backward_pass():
    modules, compiled = twins()
    batch = images_of()
    for network in (modules, compiled):
        (network(batch).square().sum() + network(batch.flip(0)[:3]).sum()).backward()
    assert_all_close(*([parameter.grad for parameter in network.parameters()] for network in (modules, compiled)))


def test_a_second_backward_pass_is_refused():
    loss = twins()[1](images_of()).sum()
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="has one backward pass, and this one had it; pass the images again"):
        loss.backward()


def test_what_is_not_a_number_reaches_the_logits():
    images = images_of()
    images[1, 0, 5, 5] = torch.nan
    logits = twins()[1](images)
    assert logits.isnan().all(2).any(1).all()


def test_modules_run_where_the_loops_cannot(monkeypatch):
    passed, means = [], image_pass.means_of_states
    monkeypatch.setattr(networks, "means_of_states", lambda *args: passed.append(1) or means(*args))
    modules, network = twins(torch.float32)
    images = images_of(dtype=torch.float32)
    network(images)
    with torch.no_grad():
        network.eval()(images)
    assert len(passed) == 2
    network(images)  # gradients of running statistics are not in the loops
    network.train()(images.clone().requires_grad_())
    with torch.autocast("cpu", torch.bfloat16):
        network(images)
    modules(images)
    with pytest.raises(RuntimeError, match="same"):
        network(images.double())
    assert len(passed) == 2


def test_lanes_change_no_byte(monkeypatch):
    found = []
    for lanes in (8, 16):
        monkeypatch.setattr(image_pass, "lanes_for", lambda *_, lanes=lanes: (0,) * lanes)
        network = twins(torch.float32, outer_width=32, inner_width=16)[1]
        batch = images_of(21, dtype=torch.float32)
        found.append([*gradients_of(network, batch), *network.buffers()])
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """What the program prints when its loops are compiled, and when they are loaded."""
    return printed_twice(PROGRAM, tmp_path_factory.mktemp("cache"))


def test_compiled_or_loaded_a_training_has_the_same_bytes(printed):
    first, second = printed
    assert len(first) > 1000
    assert second == first


def test_no_loop_leaves_its_arrays(printed, tmp_path):
    """Checked bounds raise nothing, and change nothing."""
    checks = {"PYTHONPATH": str(ROOT), "NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=os.environ | checks, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == printed[0] != ""


def test_the_arithmetic_of_both_layouts_is_counted():
    counted = []
    for network in twins(torch.float32):
        model = DepthModel(network, LearntPosterior(geometric_log_prior(3, 0.85), 1e-10)).eval()
        images = images_of(12, dtype=torch.float32)
        summary = evaluate(model, *[(images, torch.arange(12) % 3)] * 2).summary
        counted.append([summary[f"multiply_adds_{kind}"] for kind in ("deterministic", "d_opt")])
        assert network.layout == ("modules" if len(counted) == 1 else "compiled")
    assert counted[0] == counted[1] and min(counted[0]) > 0


def test_widths_that_vectors_do_not_fit_are_refused():
    network = ConvolutionalNetwork(1, 16, 4, 3, 1, layout="compiled")
    with pytest.raises(ValueError, match="multiples of 8; 4 is not"):
        network(images_of(dtype=torch.float32))
