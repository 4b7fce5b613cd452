"""One bilevel step: the unrolled gradient, the draws of its passes, and the weight step."""

import pytest
import torch
from cells.tiny import alphas_of, batch_of, supernet
from torch.func import functional_call
from torch.nn import functional as F

from workflow_scripts.cells.bilevel_step import (
    Randomness,
    WeightRule,
    first_order_gradient,
    loss_of,
    momentum_buffers,
    second_order_gradient,
    weight_step,
)
from workflow_scripts.cells.supernet import Alphas, frozen_statistics

TRAIN, VALID = batch_of(seed=1), batch_of(seed=2)
RULE = WeightRule(rate=0.1, momentum=0.9, l2=3e-3)


def buffers_of(network, seed=3, scale=0.05):
    draws = torch.Generator().manual_seed(seed)
    return {
        name: scale * torch.randn(weight.shape, generator=draws, dtype=weight.dtype)
        for name, weight in network.named_parameters()
    }


def unrolled(network, alphas, rule=RULE, buffers=None, noise=None, radius=0.01):
    gradient = second_order_gradient(network, alphas, TRAIN, VALID, rule, buffers or {}, noise or Randomness(), radius)
    return torch.cat([part.flatten() for part in gradient])


def distance(ours, theirs):
    return float((ours - theirs).norm() / theirs.norm())


def seeded_noise(seed=5, drop_path=0.0):
    return Randomness(drop_path, torch.Generator().manual_seed(seed))


def test_second_order_gradient_is_that_of_the_loss_one_weight_step_ahead():
    """Differentiating through w' itself, without a finite difference, gives the same."""
    network = supernet()
    alphas, buffers = alphas_of(network), buffers_of(network)
    weights = dict(network.named_parameters())
    with frozen_statistics(network.norms):
        gradients = torch.autograd.grad(
            loss_of(network, alphas, TRAIN, Randomness()), list(weights.values()), create_graph=True
        )
        ahead = {
            name: weight - 0.1 * (0.9 * buffers[name] + gradient + 3e-3 * weight)
            for (name, weight), gradient in zip(weights.items(), gradients, strict=True)
        }
        loss = F.cross_entropy(functional_call(network, ahead, (VALID[0], alphas)), VALID[1])
        exact = torch.cat([part.flatten() for part in torch.autograd.grad(loss, alphas)])
    assert distance(unrolled(network, alphas, buffers=buffers, radius=1e-6), exact) < 1e-6
    first = torch.cat([part.flatten() for part in first_order_gradient(network, alphas, VALID, Randomness())])
    assert distance(first, exact) > 0.01


def test_momentum_buffers_move_the_unrolled_step():
    network = supernet()
    alphas, buffers = alphas_of(network), buffers_of(network)
    with_buffers = unrolled(network, alphas, buffers=buffers)
    without = unrolled(network, alphas)
    assert distance(with_buffers, without) > 1e-3
    none_yet = {name: torch.zeros_like(buffer) for name, buffer in buffers.items()}
    assert distance(unrolled(network, alphas, buffers=none_yet), without) < 1e-12
    halved = WeightRule(RULE.rate, RULE.momentum / 2, RULE.l2)
    doubled = {name: 2 * buffer for name, buffer in buffers.items()}
    assert distance(unrolled(network, alphas, halved, doubled), with_buffers) < 1e-12


def test_momentum_buffers_are_those_of_the_optimizer():
    network = supernet()
    optimizer = torch.optim.SGD(network.parameters(), 0.1, momentum=0.9)
    assert momentum_buffers(network, optimizer) == {}
    weight_step(network, alphas_of(network), TRAIN, optimizer, 1e9, Randomness())
    buffers = momentum_buffers(network, optimizer)
    assert buffers.keys() == dict(network.named_parameters()).keys()
    for name, parameter in network.named_parameters():
        assert torch.equal(buffers[name], parameter.grad), name  # after one step without L2


def test_l2_acts_in_the_unrolled_step():
    network = supernet()
    alphas = alphas_of(network)
    strong = unrolled(network, alphas, WeightRule(0.1, 0.9, 0.5))
    assert distance(strong, unrolled(network, alphas)) > 1e-3


@pytest.mark.parametrize("drop_path", [0.0, 0.4])
def test_both_sides_of_the_difference_see_the_same_noise(drop_path):
    """With draws of their own, the difference would grow as the radius shrinks."""
    network = supernet("s4")
    alphas = alphas_of(network)
    coarse, again, fine = (
        unrolled(network, alphas, noise=seeded_noise(drop_path=drop_path), radius=radius)
        for radius in (1e-6, 1e-6, 1e-8)
    )
    assert torch.isfinite(coarse).all()
    assert torch.equal(coarse, again)
    assert distance(fine, coarse) < 0.01
    other = unrolled(network, alphas, noise=seeded_noise(seed=6, drop_path=drop_path))
    assert distance(other, coarse) > 0.1


def test_the_three_passes_move_the_draws_on():
    network = supernet("s4")
    alphas, noise, counted = alphas_of(network), seeded_noise(), seeded_noise()
    unrolled(network, alphas, noise=noise)
    with frozen_statistics(network.norms), torch.no_grad():
        for _ in range(3):  # train, validation, and both sides of the difference together
            network(TRAIN[0], alphas, 0.0, counted.generator)
    assert torch.equal(noise.generator.get_state(), counted.generator.get_state())


def test_only_the_weight_step_moves_weights_and_running_statistics():
    network = supernet("s1")
    alphas = alphas_of(network)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    first_order_gradient(network, alphas, VALID, Randomness())
    unrolled(network, alphas, buffers=buffers_of(network))
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())

    twin = supernet("s1")
    weight_step(network, alphas, TRAIN, torch.optim.SGD(network.parameters(), 0.1), 5.0, Randomness())
    twin(TRAIN[0], alphas)
    buffers = dict(network.named_buffers())
    assert all(torch.equal(value, buffers[name]) for name, value in twin.named_buffers())  # one training pass
    assert not torch.equal(buffers["stem.1.running_mean"], before["stem.1.running_mean"])


def test_weight_step_leaves_the_alphas_alone():
    network = supernet()
    alphas = alphas_of(network)
    before = Alphas(*(alpha.detach().clone() for alpha in alphas))
    weight_step(network, alphas, TRAIN, torch.optim.SGD(network.parameters(), 0.1), 5.0, Randomness())
    assert all(alpha.grad is None for alpha in alphas)
    assert all(torch.equal(alpha, old) for alpha, old in zip(alphas, before, strict=True))


def moved(network, alphas, clip):
    optimizer = torch.optim.SGD(network.parameters(), 0.5)
    before = [parameter.detach().clone() for parameter in network.parameters()]
    step = weight_step(network, alphas, TRAIN, optimizer, clip, Randomness())
    parts = zip(network.parameters(), before, strict=True)
    return step, float(torch.stack([(parameter - old).detach().norm() for parameter, old in parts]).norm())


def test_weight_step_clips_the_whole_gradient():
    alphas = alphas_of(supernet())
    free, far = moved(supernet(), alphas, clip=1e9)
    clipped, near = moved(supernet(), alphas, clip=0.01)
    assert far == pytest.approx(0.5 * float(free.gradient_norm))
    assert near == pytest.approx(0.5 * 0.01, rel=1e-3)
    assert float(clipped.gradient_norm) == pytest.approx(float(free.gradient_norm))  # before clipping
    assert far > 10 * near


def test_weight_step_counts_the_wrong_predictions():
    network = supernet()
    alphas = alphas_of(network)
    with frozen_statistics(network.norms):
        right = network(TRAIN[0], alphas).argmax(1)
    labels = right.clone()
    labels[:3] = (right[:3] + 1) % 10
    step = weight_step(
        network, alphas, (TRAIN[0], labels), torch.optim.SGD(network.parameters(), 0.1), 5.0, Randomness()
    )
    assert int(step.wrong) == 3
