"""Training of one depth network: SGD on weights and posterior together, stopped early on an ELBO.

Source: "Variational Depth Search in ResNets" (arXiv 2002.02797), section 3, and the training loop of its public code.
The objective per training point is nll + KL(q || p) / N with nll = sum_d q_d mean_n CE(f_d(x_n), y_n); the training
ELBO is -N times it. An epoch's ELBO is measured before its steps, and the snapshot that counts as the best holds the
weights after the last step of the epoch with the highest ELBO. Images choose that epoch by points held out of the
training: their ELBO is -N times their mean nll after the epoch's steps plus the epoch's KL(q || p) per training point.

With `closed_form_from`, which is ours, training from that epoch on is a coordinate ascent on the ELBO: an epoch of
gradient steps, then q is set to q*, the optimum for these weights in evaluation mode. The best epoch is one of these.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from workflow_scripts.depth.metrics import error_percent, log_likelihood
from workflow_scripts.depth.networks import DepthNetwork
from workflow_scripts.depth.posterior import (
    FixedPosterior,
    LearntPosterior,
    Posterior,
    expected_negative_log_likelihood,
    mixture_log_probabilities,
    negative_log_likelihoods,
)
from workflow_scripts.runtime.checkpoint import NO_CHECKPOINT, Checkpoint, State
from workflow_scripts.runtime.epochs import History, Parts, broken_step, resumed
from workflow_scripts.runtime.learning_rates import cut_rate, set_rate
from workflow_scripts.runtime.optimizers import SGD
from workflow_scripts.study.depth_settings import DepthTraining

Points = tuple[Tensor, Tensor]  # inputs (N, ...) and classes (N,)

POINTS_PER_PASS = 1000  # of a pass in evaluation mode, so that its memory stays bounded


class DepthModel(nn.Module):
    """A network with its posterior over depth: an LDN when the posterior is learnt, else a DDN."""

    def __init__(
        self, network: DepthNetwork, posterior: Posterior, mixed_precision: bool = False, head_sees_all: bool = False
    ) -> None:
        """Network and posterior must cover the same depths.

        With `mixed_precision` the network computes in bfloat16 where that is safe. With `head_sees_all` a DDN's head
        runs at every depth, as in the published code, so that its BatchNorm mixes them.
        """
        super().__init__()
        self.network, self.posterior = network, posterior
        self.mixed_precision, self.head_sees_all = mixed_precision, head_sees_all

    def logits(self, x: Tensor) -> Tensor:
        """Logits (D+1, N, K) of every depth."""
        return self.computed(self.network, x)

    def deepest_logits(self, x: Tensor) -> Tensor:
        """Logits (N, K) of depth D."""
        return self.logits(x)[-1] if self.head_sees_all else self.computed(self.network.deepest, x)

    def computed(self, function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        """What the network, or a part of it, makes of x in the model's precision."""
        if not self.mixed_precision:
            return function(x)
        with torch.autocast(x.device.type, torch.bfloat16):
            return function(x).float()

    def objective(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(nll, KL, wrong): nats, nats, and the number of points predicted wrong, without gradient."""
        if isinstance(self.posterior, FixedPosterior):
            logits = self.deepest_logits(x)
            nll = functional.cross_entropy(logits, y)
            prediction = logits.detach()
        else:
            logits = self.logits(x)
            log_q = self.posterior.log_q()
            nll = expected_negative_log_likelihood(logits, y, log_q.exp())
            prediction = mixture_log_probabilities(logits.detach(), log_q.detach())
        return nll, self.posterior.kl(), (prediction.argmax(-1) != y).sum()

    @torch.no_grad()
    def predict(self, x: Tensor) -> Tensor:
        """Log-probabilities (N, K) of all depths mixed by q, in the mode that the model is in."""
        if isinstance(self.posterior, FixedPosterior):
            return torch.log_softmax(self.deepest_logits(x), dim=-1)
        return mixture_log_probabilities(self.logits(x), self.posterior.log_q())


@dataclass(frozen=True)
class Epoch:
    """What was measured in one epoch; training numbers before each step, held-out numbers after the last one."""

    epoch: int
    elbo: float
    negative_log_likelihood: float
    kl_per_sample: float
    train_error_percent: float
    held_out_negative_log_likelihood: float | None = None
    held_out_error_percent: float | None = None


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


def result_state(result: Result) -> State:
    """A result as plain values and tensors."""
    return {**vars(result), "history": [asdict(epoch) for epoch in result.history]}


def result_of(state: State) -> Result:
    """The result that a state holds."""
    return Result(**{**state, "history": [Epoch(**epoch) for epoch in state["history"]]})


class TrainingState:
    """The state of a training between two epochs."""

    def __init__(self, model: DepthModel, settings: DepthTraining, generator: torch.Generator) -> None:
        """Before the first epoch. `generator`, on the CPU, orders the minibatches where there are several."""
        self.model, self.settings, self.generator = model, settings, generator
        self.closed_form_from = closed_form_from(model, settings)
        self.optimiser = SGD(
            model.parameters(), settings.learning_rate, settings.momentum, settings.weight_decay, fused=True
        )
        self.best = BestEpoch(model)
        self.history = History(Epoch)

    def parts(self) -> Parts:
        """All that an epoch depends on, but the history."""
        return {"model": self.model, "optimiser": self.optimiser, "order": self.generator, "best": self.best}

    @property
    def is_out_of_patience(self) -> bool:
        """Whether the best epoch is too long ago."""
        since = max(self.best.epoch or 0, self.closed_form_from)
        return len(self.history) - 1 - since > self.settings.patience

    def run_epoch(self, train_points: Points, held_out: Points | None) -> int | None:
        """Train for one epoch and note it. Returns the step whose objective was not finite, and then notes nothing."""
        (x, y), number, settings = train_points, len(self.history), self.settings
        set_rate(self.optimiser, cut_rate(number, settings.learning_rate, settings.learning_rate_cut))
        self.model.train()
        steps = []
        for batch in _batches(len(x), settings.batch_size, self.generator):
            nll, kl, wrong = self.model.objective(x[batch], y[batch])
            self.optimiser.zero_grad()
            (nll + kl / len(x)).backward()
            self.optimiser.step()
            steps.append(torch.stack([nll.detach(), kl.detach(), wrong.to(nll.dtype)]))
        measured = torch.stack(steps).cpu()  # the one wait for the device in an epoch
        diverged_step = broken_step(measured)
        if diverged_step is not None:
            return diverged_step
        if 0 <= self.closed_form_from <= number and isinstance(self.model.posterior, LearntPosterior):
            self.model.posterior.set_optimal(per_depth_nll(self.model, x, y), len(x))
        test = measure(self.model, *held_out) if held_out and number % settings.test_every == 0 else (None, None)
        record = epoch_of(number, measured.tolist(), len(x), settings.batch_size, test)
        self.history.append(record)
        if number >= self.closed_form_from:
            self.best.offer(number, self._elbo(record, held_out))
        return None

    def _elbo(self, record: Epoch, held_out: Points | None) -> float | None:
        """The ELBO that chooses the best epoch, where this epoch has it."""
        if self.settings.chosen_by == "training":
            return record.elbo
        nll = record.held_out_negative_log_likelihood
        if nll is None or held_out is None or not math.isfinite(nll):
            return None
        return -(nll + record.kl_per_sample) * len(held_out[1])


EpochCallback = Callable[[Epoch], None]


def train(
    model: DepthModel,
    train_points: Points,
    held_out: Points | None,
    settings: DepthTraining,
    generator: torch.Generator,
    on_epoch: EpochCallback = lambda _: None,
    checkpoint: Checkpoint = NO_CHECKPOINT,
) -> Result:
    """Train the model in place; afterwards it holds its last weights, not the best ones.

    Points are (x, y) on the model's device. `held_out` is measured every `settings.test_every` epochs. `on_epoch` is
    called after every completed epoch. After a kill the training goes on from what `checkpoint` holds.
    """
    training = TrainingState(model, settings, generator)
    history, best = training.history, training.best
    for _ in resumed(history, settings.epochs, training.parts(), checkpoint):
        diverged_step = training.run_epoch(train_points, held_out)
        if diverged_step is not None:
            return Result("diverged", history, best.epoch, best.elbo, None, len(history), diverged_step)
        on_epoch(history[-1])
        if training.is_out_of_patience:
            break
    if best.epoch is None or not best.is_finite():
        # The step after the best epoch's measurement was the one that made the weights not finite.
        last_step = math.ceil(len(train_points[0]) / settings.batch_size) - 1
        diverged_epoch = len(history) - 1 if best.epoch is None else best.epoch
        return Result("diverged", history, best.epoch, best.elbo, None, diverged_epoch, last_step)
    return Result("finished", history, best.epoch, best.elbo, best.weights)


def closed_form_from(model: DepthModel, settings: DepthTraining) -> int:
    """The epoch from which on q is set to q*; -1 where it never is."""
    first = settings.closed_form_from
    return -1 if first is None or not isinstance(model.posterior, LearntPosterior) else first


class BestEpoch:
    """The best epoch so far, and a copy of the model's state after it, allocated once and overwritten."""

    def __init__(self, model: nn.Module) -> None:
        """No epoch yet."""
        self.epoch: int | None = None
        self.elbo: float | None = None
        self.source = model.state_dict()
        self.weights = {name: tensor.clone() for name, tensor in self.source.items()}

    def offer(self, epoch: int, elbo: float | None) -> None:
        """Take the model as it is now, where its ELBO is there and the highest."""
        if elbo is not None and (self.elbo is None or elbo > self.elbo):
            self.epoch, self.elbo = epoch, elbo
            torch._foreach_copy_(list(self.weights.values()), list(self.source.values()))

    def is_finite(self) -> bool:
        """Whether the copied weights are."""
        return all(bool(torch.isfinite(tensor).all()) for tensor in self.weights.values())

    def state_dict(self) -> dict[str, Any]:
        """Epoch, ELBO and weights."""
        return {"epoch": self.epoch, "elbo": self.elbo, "weights": self.weights}

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        """Load a state."""
        self.epoch, self.elbo = state["epoch"], state["elbo"]
        for name, tensor in self.weights.items():
            tensor.copy_(state["weights"][name])


def _batches(points: int, size: int, generator: torch.Generator) -> Iterator[slice | Tensor]:
    """What to index the points with, batch by batch; all points in their order where one batch holds them."""
    if points <= size:
        yield slice(None)
    else:
        yield from torch.randperm(points, generator=generator).split(size)


def epoch_of(
    number: int, measured: list[list[float]], points: int, batch_size: int, held_out: tuple[float | None, float | None]
) -> Epoch:
    """The epoch's means over points, so that a smaller last batch counts less."""
    sizes = [min(batch_size, points - first) for first in range(0, points, batch_size)]
    nll = sum(size * nll for size, (nll, _, _) in zip(sizes, measured, strict=True)) / points
    kl = sum(size * kl for size, (_, kl, _) in zip(sizes, measured, strict=True)) / points
    wrong = sum(wrong for _, _, wrong in measured)
    return Epoch(number, -(nll * points + kl), nll, kl / points, 100 * wrong / points, *held_out)


def measure(model: DepthModel, x: Tensor, y: Tensor) -> tuple[float, float]:
    """Negative log-likelihood and error in percent of the mixed prediction, evaluation mode."""
    model.eval()
    predictions = torch.cat([model.predict(part) for part in x.split(POINTS_PER_PASS)])
    return -log_likelihood(predictions, y).item(), error_percent(predictions, y).item()


@torch.no_grad()
def per_depth_nll(model: DepthModel, x: Tensor, y: Tensor) -> Tensor:
    """Mean cross entropy of each depth (D+1,) in float64, nats, evaluation mode."""
    model.eval()
    parts = zip(x.split(POINTS_PER_PASS), y.split(POINTS_PER_PASS), strict=True)
    sums = [negative_log_likelihoods(model.logits(part).double(), of_part) * len(of_part) for part, of_part in parts]
    return torch.stack(sums).sum(0) / len(x)
