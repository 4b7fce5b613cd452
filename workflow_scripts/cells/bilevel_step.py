"""One step of the bilevel search: the alpha gradient of first and second order, and the weight step.

Liu et al. (ICLR 2019), equations 6 to 8. BatchNorm uses batch statistics in all passes; only the weight step's pass
updates the running statistics.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workflow_scripts.cells.supernet import Alphas, Supernet, frozen_statistics
from workflow_scripts.runtime.optimizers import Optimizer

Batch = tuple[Tensor, Tensor]  # images (n, channels, side, side) and labels (n,)


@dataclass(frozen=True)
class Randomness:
    """What is random in a pass: the drop-path probability, and the generator of masks and noise operations."""

    drop_path: float = 0.0
    generator: torch.Generator | None = None


@dataclass(frozen=True)
class WeightRule:
    """The weights' SGD as the unrolled step sees it: w' = w - rate * (momentum * buffer + gradient + l2 * w)."""

    rate: float
    momentum: float
    l2: float


def loss_of(network: Supernet, alphas: Alphas, batch: Batch, randomness: Randomness) -> Tensor:
    """Mean cross-entropy of a batch."""
    images, labels = batch
    return F.cross_entropy(network(images, alphas, randomness.drop_path, randomness.generator), labels)


def first_order_gradient(
    network: Supernet, alphas: Alphas, valid: Batch, randomness: Randomness, published: bool = False
) -> Alphas:
    """The gradient of L_valid(w) with respect to the alphas. `published`: the pass updates the running statistics."""
    with _statistics(network, published), fixed_weights(network):
        return Alphas(*torch.autograd.grad(loss_of(network, alphas, valid, randomness), alphas))


def second_order_gradient(
    network: Supernet,
    alphas: Alphas,
    train: Batch,
    valid: Batch,
    rule: WeightRule,
    buffers: dict[str, Tensor],
    randomness: Randomness,
    radius: float = 0.01,
    published: bool = False,
) -> Alphas:
    """The gradient of L_valid(w') with respect to the alphas, w' one weight step ahead.

    `buffers` are the momentum buffers by the weights' names; a weight without one has not been stepped yet. The mixed
    derivative is a central difference of the training gradient along v = grad_w' L_valid(w') with step radius / ||v||;
    both sides see the same masks and noise.

    `published`: with two faults of the published code. The passes at w and on both sides of it update the running
    statistics (that at w' runs on a copy there), and the two sides draw masks and noise of their own.
    """
    names, weights = zip(*network.named_weights().items(), strict=True)
    with _statistics(network, published):
        gradients = torch.autograd.grad(loss_of(network, alphas, train, randomness), weights)
    with torch.no_grad():
        steps = torch._foreach_add(gradients, weights, alpha=rule.l2)
        moving = [(step, buffers[name]) for name, step in zip(names, steps, strict=True) if name in buffers]
        if moving:
            torch._foreach_add_(*zip(*moving, strict=True), alpha=rule.momentum)
        ahead = torch._foreach_add(weights, steps, alpha=-rule.rate)
    with frozen_statistics(network.norms), _at(weights, ahead):
        outer = torch.autograd.grad(loss_of(network, alphas, valid, randomness), [*alphas, *weights])
    direct, vector = outer[:2], outer[2:]

    with _statistics(network, published), fixed_weights(network):
        scale = radius / torch.linalg.vector_norm(torch.stack(torch._foreach_norm(vector)))
        state = randomness.generator.get_state() if randomness.generator is not None else None
        sides = []
        for sign in (1, -1):
            if randomness.generator is not None and state is not None and not published:
                randomness.generator.set_state(state)
            moved = torch._foreach_add(weights, torch._foreach_mul(vector, sign * scale))
            with _at(weights, moved):
                sides.append(torch.autograd.grad(loss_of(network, alphas, train, randomness), alphas))
    return Alphas(
        *(
            first - rule.rate * (plus - minus) / (2 * scale)
            for first, plus, minus in zip(direct, sides[0], sides[1], strict=True)
        )
    )


def alpha_step(
    network: Supernet,
    alphas: Alphas,
    train: Batch,
    valid: Batch,
    rule: WeightRule,
    optimizers: tuple[Optimizer, Optimizer],
    randomness: Randomness,
    order: int,
    published: bool = False,
) -> None:
    """One step of the alphas by the gradient of an order; `optimizers` are those of the weights and of the alphas."""
    of_weights, of_alphas = optimizers
    if order == 1:
        gradient = first_order_gradient(network, alphas, valid, randomness, published)
    else:
        buffers = momentum_buffers(network, of_weights)
        gradient = second_order_gradient(network, alphas, train, valid, rule, buffers, randomness, published=published)
    for alpha, part in zip(alphas, gradient, strict=True):
        alpha.grad = part
    of_alphas.step()


@contextmanager
def fixed_weights(network: Supernet) -> Iterator[None]:
    """Passes inside have no gradient with respect to the weights, which saves computing it."""
    for weight in network.weights:
        weight.requires_grad_(False)
    try:
        yield
    finally:
        for weight in network.weights:
            weight.requires_grad_()


@contextmanager
def _at(weights: Sequence[Tensor], values: Sequence[Tensor]) -> Iterator[None]:
    """Passes inside see other values in place of the weights; the weights' own memory is not written to."""
    originals = [weight.data for weight in weights]
    try:
        for weight, value in zip(weights, values, strict=True):
            weight.data = value
        yield
    finally:
        for weight, value in zip(weights, originals, strict=True):
            weight.data = value


def _statistics(network: Supernet, published: bool) -> AbstractContextManager[None]:
    return nullcontext() if published else frozen_statistics(network.norms)


def momentum_buffers(network: Supernet, optimizer: Optimizer) -> dict[str, Tensor]:
    """The SGD momentum buffers by the weights' names; empty before the first step."""
    states = ((name, optimizer.state.get(weight, {})) for name, weight in network.named_weights().items())
    return {name: state["momentum_buffer"] for name, state in states if state.get("momentum_buffer") is not None}


@dataclass(frozen=True)
class WeightStep:
    """What a weight step saw: mean loss, number of wrong predictions, gradient norm before clipping (all tensors)."""

    loss: Tensor
    wrong: Tensor
    gradient_norm: Tensor


def weight_step(
    network: Supernet,
    alphas: Alphas,
    train: Batch,
    optimizer: Optimizer,
    grad_clip: float,
    randomness: Randomness,
) -> WeightStep:
    """One clipped SGD step on the training loss; updates the running statistics."""
    images, labels = train
    logits = network(images, Alphas(*(alpha.detach() for alpha in alphas)), randomness.drop_path, randomness.generator)
    loss = F.cross_entropy(logits, labels)
    norm = clipped_step(network, optimizer, loss, grad_clip)
    return WeightStep(loss.detach(), (logits.detach().argmax(1) != labels).sum(), norm)


def clipped_step(network: Supernet, optimizer: Optimizer, loss: Tensor, grad_clip: float) -> Tensor:
    """One SGD step down a loss; returns the gradient norm before clipping."""
    optimizer.zero_grad()
    loss.backward()
    norm = nn.utils.clip_grad_norm_(optimizer.param_groups[0]["params"], grad_clip)
    optimizer.step()
    return norm
