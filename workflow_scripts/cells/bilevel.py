"""One step of the bilevel search: the alpha gradient of first and second order, and the weight step.

Liu et al. (ICLR 2019), equations 6 to 8. BatchNorm uses batch statistics in all passes; only the weight step's pass
updates the running statistics.
"""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from workflow_scripts.cells.supernet import Alphas, Supernet, frozen_statistics

Batch = tuple[Tensor, Tensor]  # images (n, channels, side, side) and labels (n,)


@dataclass(frozen=True)
class Noise:
    """What is random in a pass: the drop-path probability, and the generator of masks and noise operations."""

    drop_path: float = 0.0
    draws: torch.Generator | None = None


@dataclass(frozen=True)
class WeightRule:
    """The weights' SGD as the unrolled step sees it: w' = w - rate * (momentum * buffer + gradient + l2 * w)."""

    rate: float
    momentum: float
    l2: float


def loss_of(network: Supernet, alphas: Alphas, batch: Batch, noise: Noise) -> Tensor:
    """Mean cross-entropy of a batch."""
    images, labels = batch
    return F.cross_entropy(network(images, alphas, noise.drop_path, noise.draws), labels)


def first_order_gradient(
    network: Supernet, alphas: Alphas, valid: Batch, noise: Noise, published: bool = False
) -> Alphas:
    """The gradient of L_valid(w) with respect to the alphas. `published`: the pass updates the running statistics."""
    with _statistics(network, published):
        return Alphas(*torch.autograd.grad(loss_of(network, alphas, valid, noise), alphas))


def second_order_gradient(
    network: Supernet,
    alphas: Alphas,
    train: Batch,
    valid: Batch,
    rule: WeightRule,
    buffers: dict[str, Tensor],
    noise: Noise,
    radius: float = 0.01,
    published: bool = False,
) -> Alphas:
    """The gradient of L_valid(w') with respect to the alphas, w' one weight step ahead.

    `buffers` are the momentum buffers by parameter name; a parameter without one has not been stepped yet. The mixed
    derivative is a central difference of the training gradient along v = grad_w' L_valid(w') with step radius / ||v||;
    both sides see the same masks and noise.

    `published`: with two faults of the published code. The passes at w and beside it update the running statistics
    (that at w' runs on a copy there), and the two sides draw masks and noise of their own.
    """
    weights: dict[str, Tensor] = dict(network.named_parameters())

    def loss_at(values: dict[str, Tensor], batch: Batch) -> Tensor:
        images, labels = batch
        return F.cross_entropy(functional_call(network, values, (images, alphas, noise.drop_path, noise.draws)), labels)

    with _statistics(network, published):
        gradients = torch.autograd.grad(loss_at(weights, train), list(weights.values()))
    with frozen_statistics(network):
        ahead = {}
        with torch.no_grad():
            for (name, weight), gradient in zip(weights.items(), gradients, strict=True):
                step = gradient + rule.l2 * weight
                if name in buffers:
                    step = step + rule.momentum * buffers[name]
                ahead[name] = (weight - rule.rate * step).requires_grad_()
        outer = torch.autograd.grad(loss_at(ahead, valid), [*alphas, *ahead.values()])
        direct, vector = outer[:2], outer[2:]

    with _statistics(network, published):
        scale = radius / torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(part) for part in vector]))
        state = noise.draws.get_state() if noise.draws is not None else None
        sides = []
        for sign in (1, -1):
            if noise.draws is not None and state is not None and not published:
                noise.draws.set_state(state)
            with torch.no_grad():
                moved = {
                    name: weight + sign * scale * part
                    for (name, weight), part in zip(weights.items(), vector, strict=True)
                }
            sides.append(torch.autograd.grad(loss_at(moved, train), alphas))
    return Alphas(
        *(
            first - rule.rate * (plus - minus) / (2 * scale)
            for first, plus, minus in zip(direct, sides[0], sides[1], strict=True)
        )
    )


def _statistics(network: nn.Module, published: bool) -> AbstractContextManager[None]:
    return nullcontext() if published else frozen_statistics(network)


def momentum_buffers(network: nn.Module, optimizer: torch.optim.SGD) -> dict[str, Tensor]:
    """The SGD momentum buffers by parameter name; empty before the first step."""
    states = ((name, optimizer.state.get(parameter, {})) for name, parameter in network.named_parameters())
    return {name: state["momentum_buffer"] for name, state in states if state.get("momentum_buffer") is not None}


@dataclass(frozen=True)
class WeightStep:
    """What a weight step saw: mean loss, number of wrong predictions, gradient norm before clipping (all tensors)."""

    loss: Tensor
    wrong: Tensor
    gradient_norm: Tensor


def weight_step(
    network: Supernet, alphas: Alphas, train: Batch, optimizer: torch.optim.SGD, grad_clip: float, noise: Noise
) -> WeightStep:
    """One clipped SGD step on the training loss; updates the running statistics."""
    images, labels = train
    logits = network(images, Alphas(*(alpha.detach() for alpha in alphas)), noise.drop_path, noise.draws)
    loss = F.cross_entropy(logits, labels)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    norm = nn.utils.clip_grad_norm_(network.parameters(), grad_clip)
    optimizer.step()
    return WeightStep(loss.detach(), (logits.detach().argmax(1) != labels).sum(), norm)
