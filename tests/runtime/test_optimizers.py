"""Our SGD and Adam have the bytes of torch's over many steps, with parameters that have no gradient at times."""

import copy
import io

import pytest
import torch

from workflow_scripts.runtime.learning_rates import set_rate
from workflow_scripts.runtime.optimizers import SGD, Adam

SHAPES = ((3, 7), (16, 33), (5,), (8, 3, 3, 3))
STEPS = 40
PAIRS = {
    "sgd": (lambda p: SGD(p, 0.1, 0.9, 3e-4), lambda p: torch.optim.SGD(p, 0.1, 0.9, weight_decay=3e-4, foreach=True)),
    "sgd, no decay": (lambda p: SGD(p, 0.1, 0.9, 0.0), lambda p: torch.optim.SGD(p, 0.1, 0.9)),
    "sgd, no momentum": (lambda p: SGD(p, 0.1, 0.0, 3e-4), lambda p: torch.optim.SGD(p, 0.1, weight_decay=3e-4)),
    "fused sgd": (
        lambda p: SGD(p, 0.1, 0.9, 3e-4, fused=True),
        lambda p: torch.optim.SGD(p, 0.1, 0.9, weight_decay=3e-4, fused=True),
    ),
    "fused sgd, no momentum": (
        lambda p: SGD(p, 0.1, 0.0, 3e-4, fused=True),
        lambda p: torch.optim.SGD(p, 0.1, weight_decay=3e-4, fused=True),
    ),
    "adam": (
        lambda p: Adam(p, 3e-4, (0.5, 0.999), 1e-3),
        lambda p: torch.optim.Adam(p, 3e-4, (0.5, 0.999), weight_decay=1e-3),
    ),
}
MOMENTS = {"sgd": ["momentum_buffer"], "fused sgd": ["momentum_buffer"], "adam": ["exp_avg", "exp_avg_sq", "step"]}


def parameters(dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(shape, generator=generator, dtype=dtype).requires_grad_() for shape in SHAPES]


def run(optimizer, steps, missing=()):
    """Steps down random gradients; a parameter in `missing` has one in every third step only."""
    moved = optimizer.param_groups[0]["params"]
    for step in steps:
        generator = torch.Generator().manual_seed(step)
        set_rate(optimizer, 0.1 / (1 + step))
        optimizer.zero_grad()
        assert all(each.grad is None for each in moved)
        for number, each in enumerate(moved):
            gradient = torch.randn(each.shape, generator=generator, dtype=each.dtype)
            if number not in missing or step % 3 == 2:
                each.grad = gradient
        optimizer.step()
    return [each.detach() for each in moved]


def same(first, second):
    return all(a.detach().numpy().tobytes() == b.detach().numpy().tobytes() for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", PAIRS)
def test_the_bytes_of_torch(name, dtype):
    ours, theirs = (make(parameters(dtype)) for make in PAIRS[name])
    moved = run(ours, range(STEPS))
    assert not same(moved, parameters(dtype))
    assert same(moved, run(theirs, range(STEPS)))


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_a_parameter_without_a_gradient_stays_and_its_state_too(name):
    """As an operation that random search did not choose; torch's fused SGD cannot begin with one later."""
    ours, theirs = (make(parameters()) for make in PAIRS[name])
    for steps in (range(2), range(2, STEPS)):
        assert same(run(ours, steps, missing=[1, 3]), run(theirs, steps, missing=[1, 3]))
        assert (ours.param_groups[0]["params"][1] in ours.state) is (steps.stop > 2)


@pytest.mark.parametrize("name", MOMENTS)
def test_the_state_is_that_of_torch(name):
    ours, theirs = (make(parameters()) for make in PAIRS[name])
    assert ours.state_dict()["state"] == theirs.state_dict()["state"] == {}
    run(ours, range(STEPS)), run(theirs, range(STEPS))
    found, expected = ours.state_dict(), theirs.state_dict()
    assert found["param_groups"][0].items() <= expected["param_groups"][0].items()
    for number in range(len(SHAPES)):
        mine, torchs = found["state"][number], expected["state"][number]
        assert sorted(mine) == sorted(torchs) == MOMENTS[name]
        assert all(bool((torch.as_tensor(mine[key]) == torchs[key]).all()) for key in mine)


@pytest.mark.parametrize("name", MOMENTS)
def test_a_training_goes_on_from_a_saved_state(name):
    """From one in a file, and from a copy in memory, which steps after it leave alone."""
    make = PAIRS[name][0]
    expected = run(make(parameters()), range(STEPS))
    first = make(parameters())
    moved, file = [each.clone() for each in run(first, range(9))], io.BytesIO()
    torch.save(first.state_dict(), file)
    copied = copy.deepcopy(first.state_dict())
    for state in (torch.load(io.BytesIO(file.getvalue()), weights_only=True), copied, copied):
        second = make([each.clone().requires_grad_() for each in moved])
        second.load_state_dict(state)
        assert same(run(second, range(9, STEPS)), expected)
