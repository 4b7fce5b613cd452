"""Training of one depth network: SGD on weights and posterior together, stopped early on the training ELBO.

Source: "Variational Depth Search in ResNets" (arXiv 2002.02797), section 3, and the training loop of its public code.
The objective per training point is nll + KL(q || p) / N with nll = sum_d q_d mean_n CE(f_d(x_n), y_n); the training
ELBO is -N times it. An epoch's ELBO is measured before its steps, and the snapshot that counts as the best holds the
weights after the last step of the epoch with the highest ELBO.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from workflow_scripts.depth.metrics import error_percent, log_likelihood
from workflow_scripts.depth.networks import DepthNetwork
from workflow_scripts.depth.posterior import (
    FixedPosterior,
    Posterior,
    expected_negative_log_likelihood,
    mixture_log_probabilities,
)
from workflow_scripts.study.depth import DepthTraining


class DepthModel(nn.Module):
    """A network with its posterior over depth: an LDN when the posterior is learnt, else a DDN."""

    def __init__(self, network: DepthNetwork, posterior: Posterior) -> None:
        """Both must cover the same depths."""
        super().__init__()
        self.network, self.posterior = network, posterior

    def objective(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(nll, KL, wrong): nats, nats, and the number of points predicted wrong, without gradient."""
        if isinstance(self.posterior, FixedPosterior):
            logits = self.network.deepest(x)
            nll = functional.cross_entropy(logits, y)
            prediction = logits.detach()
        else:
            logits = self.network(x)
            log_q = self.posterior.log_q()
            nll = expected_negative_log_likelihood(logits, y, log_q.exp())
            prediction = mixture_log_probabilities(logits.detach(), log_q.detach())
        return nll, self.posterior.kl(), (prediction.argmax(-1) != y).sum()

    @torch.no_grad()
    def predict(self, x: Tensor) -> Tensor:
        """Log-probabilities (N, K) of all depths mixed by q, in the mode that the model is in."""
        if isinstance(self.posterior, FixedPosterior):
            return torch.log_softmax(self.network.deepest(x), dim=-1)
        return mixture_log_probabilities(self.network(x), self.posterior.log_q())


@dataclass(frozen=True)
class Epoch:
    """What was measured in one epoch; training numbers before each step, test numbers after the last one."""

    epoch: int
    elbo: float
    negative_log_likelihood: float
    kl_per_sample: float
    train_error_percent: float
    test_negative_log_likelihood: float | None = None
    test_error_percent: float | None = None


@dataclass(frozen=True)
class Result:
    """How a training ended. `snapshot` is the model's state dict of the best epoch; a diverged run has none.

    `history` holds completed epochs, from 0. A run diverges when its objective or its snapshot is not finite:
    `diverged_epoch` and `diverged_step` (in that epoch, from 0) say where.
    """

    outcome: Literal["finished", "diverged"]
    history: list[Epoch]
    best_epoch: int | None
    best_elbo: float | None
    snapshot: dict[str, Tensor] | None
    diverged_epoch: int | None = None
    diverged_step: int | None = None


def train(
    model: DepthModel,
    train_points: tuple[Tensor, Tensor],
    test_points: tuple[Tensor, Tensor] | None,
    settings: DepthTraining,
    generator: torch.Generator,
    watch: Callable[[Epoch], None] = lambda _: None,
) -> Result:
    """Train the model in place; afterwards it holds its last weights, not the best ones.

    Points are (x, y) on the model's device. `generator`, on the CPU, orders the minibatches where there are several.
    `watch` is called after every completed epoch.
    """
    x, y = train_points
    optimiser = torch.optim.SGD(
        model.parameters(),
        lr=settings.learning_rate,
        momentum=settings.momentum,
        weight_decay=settings.weight_decay,
        fused=True,
    )
    best, best_epoch, best_elbo = _Snapshot(model), None, None
    history: list[Epoch] = []
    model.train()
    for number in range(settings.epochs):
        steps = []
        for batch in _batches(len(x), settings.batch_size, generator):
            nll, kl, wrong = model.objective(x[batch], y[batch])
            optimiser.zero_grad()
            (nll + kl / len(x)).backward()
            optimiser.step()
            steps.append(torch.stack([nll.detach(), kl.detach(), wrong.to(nll.dtype)]))
        measured = torch.stack(steps).tolist()  # the one wait for the device in an epoch
        for step, values in enumerate(measured):
            if not all(map(math.isfinite, values)):
                return Result("diverged", history, best_epoch, best_elbo, None, number, step)
        test = _test(model, *test_points) if test_points and number % settings.test_every == 0 else (None, None)
        record = epoch_of(number, measured, len(x), settings.batch_size, test)
        history.append(record)
        if best_elbo is None or record.elbo > best_elbo:
            best_epoch, best_elbo = number, record.elbo
            best.take()
        watch(record)
        if number - (best_epoch or 0) > settings.patience:
            break
    if not best.is_finite():
        # The step after the best epoch's measurement was the one that broke the weights.
        last_step = math.ceil(len(x) / settings.batch_size) - 1
        return Result("diverged", history, best_epoch, best_elbo, None, best_epoch, last_step)
    return Result("finished", history, best_epoch, best_elbo, best.state())


class _Snapshot:
    """A copy of the model's state in memory that is allocated once and overwritten."""

    def __init__(self, model: nn.Module) -> None:
        self.source = model.state_dict()
        self.copy = {name: tensor.clone() for name, tensor in self.source.items()}

    def take(self) -> None:
        torch._foreach_copy_(list(self.copy.values()), list(self.source.values()))

    def is_finite(self) -> bool:
        return all(bool(torch.isfinite(tensor).all()) for tensor in self.copy.values())

    def state(self) -> dict[str, Tensor]:
        return self.copy


def _batches(points: int, size: int, generator: torch.Generator) -> Iterator[slice | Tensor]:
    """What to index the points with, batch by batch; all points in their order where one batch holds them."""
    if points <= size:
        yield slice(None)
    else:
        yield from torch.randperm(points, generator=generator).split(size)


def epoch_of(
    number: int, measured: list[list[float]], points: int, batch_size: int, test: tuple[float | None, float | None]
) -> Epoch:
    """The epoch's means over points, so that a smaller last batch counts less."""
    sizes = [min(batch_size, points - first) for first in range(0, points, batch_size)]
    nll = sum(size * nll for size, (nll, _, _) in zip(sizes, measured, strict=True)) / points
    kl = sum(size * kl for size, (_, kl, _) in zip(sizes, measured, strict=True)) / points
    wrong = sum(wrong for _, _, wrong in measured)
    return Epoch(number, -(nll * points + kl), nll, kl / points, 100 * wrong / points, *test)


def _test(model: DepthModel, x: Tensor, y: Tensor) -> tuple[float, float]:
    """Negative log-likelihood and error in percent of the mixed prediction, evaluation mode."""
    model.eval()
    predictions = model.predict(x)
    model.train()
    return -log_likelihood(predictions, y).item(), error_percent(predictions, y).item()
