"""One DARTS search: alternate alpha and weight steps, follow the curvature, keep the history.

RobustDARTS, section 2.1 and the public code. Divergence is an outcome: the search ends and says where. DARTS-ADA
(section 5.2) is the same search, which goes back to the stop epoch and on with a larger L2 when the stop rule fires.
"""

import copy
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from workflow_scripts.cells.bilevel import (
    Noise,
    WeightRule,
    first_order_gradient,
    momentum_buffers,
    second_order_gradient,
    weight_step,
)
from workflow_scripts.cells.curvature import dominant_eigenvalue, full_hessian, hessian_product, largest_eigenvalue
from workflow_scripts.cells.early_stopping import latest_stop
from workflow_scripts.cells.split import split
from workflow_scripts.cells.supernet import Alphas, Supernet
from workflow_scripts.data.images import Part, ShuffledBatches, ordered_batches
from workflow_scripts.runtime.checkpoint import NO_CHECKPOINT, Checkpoint, State
from workflow_scripts.runtime.progress import Progress
from workflow_scripts.runtime.schedule import cosine_rate
from workflow_scripts.runtime.seeds import stream, stream_seed
from workflow_scripts.study.cell_jobs import SearchJob

SAME_L2 = 1e-9  # relative; in floats 3e-4 * 10 * 10 is just under 0.03


@dataclass(frozen=True)
class EpochRecord:
    """What one epoch left behind; errors in percent."""

    epoch: int
    learning_rate: float
    l2: float
    train_loss: float
    train_error_percent: float
    valid_loss: float
    valid_error_percent: float
    genotype: str


@dataclass(frozen=True)
class CurvatureRecord:
    """One measurement; `hessian` (n, n) holds the weight-decay diagonal, and is absent for kind `dominant`."""

    epoch: int
    dominant_eigenvalue: float
    hessian: Tensor | None


@dataclass(frozen=True)
class Rollback:
    """One return of DARTS-ADA: the rule fired after `stopped_at`, the search went back to the end of `back_to`."""

    stopped_at: int
    back_to: int
    l2_before: float
    l2_after: float


@dataclass
class SearchResult:
    """The history of a search and how it ended; `diverged_at` is (epoch, step), both from 0.

    `discarded` holds the epochs DARTS-ADA went back on, each with the number of the rollback, from 0; `stopped_at` is
    the epoch after which a search ended because the stop rule fired.
    """

    epochs: list[EpochRecord] = field(default_factory=list)
    curvature: list[CurvatureRecord] = field(default_factory=list)
    alphas: list[Alphas] = field(default_factory=list)
    diverged_at: tuple[int, int] | None = None
    stopped_at: int | None = None
    rollbacks: list[Rollback] = field(default_factory=list)
    discarded: list[tuple[int, EpochRecord]] = field(default_factory=list)
    final_l2: float = 0.0
    discretised_valid_error_percent: float | None = None

    def state(self) -> State:
        """The result so far, as plain values and tensors."""
        return {
            "epochs": [asdict(record) for record in self.epochs],
            "curvature": [(record.epoch, record.dominant_eigenvalue, record.hessian) for record in self.curvature],
            "alphas": [list(alphas) for alphas in self.alphas],
            "rollbacks": [asdict(rollback) for rollback in self.rollbacks],
            "discarded": [(number, asdict(record)) for number, record in self.discarded],
        }

    @classmethod
    def of(cls, state: State) -> "SearchResult":
        """The result that a state holds."""
        return cls(
            epochs=[EpochRecord(**record) for record in state["epochs"]],
            curvature=[CurvatureRecord(*record) for record in state["curvature"]],
            alphas=[Alphas(*alphas) for alphas in state["alphas"]],
            rollbacks=[Rollback(**rollback) for rollback in state["rollbacks"]],
            discarded=[(number, EpochRecord(**record)) for number, record in state["discarded"]],
        )


def run_search(
    job: SearchJob, train: Part, progress: Progress, device: torch.device, checkpoint: Checkpoint = NO_CHECKPOINT
) -> SearchResult:
    """Search on the training images, of which `split` says which train the weights and which the alphas.

    After a kill the search goes on from the last epoch that `checkpoint` holds.
    """
    return _Search(job, train, device).run(progress, checkpoint)


class _Search:
    """The state of a search in progress."""

    def __init__(self, job: SearchJob, train: Part, device: torch.device) -> None:
        self.job, self.device = job, device
        self.weight_part, self.alpha_part = split(train, job)
        with torch.random.fork_rng():
            torch.manual_seed(stream_seed(job.seed, "weights"))
            network = Supernet(
                job.normal,
                job.reduce,
                job.search.init_channels,
                job.search.layers,
                job.images.classes,
                image_channels=job.images.channels,
                layout=job.layout,
            )
        self.network = network.to(device).to(memory_format=torch.channels_last)
        self.alphas = self.network.initial_alphas(stream(job.seed, "alphas"))
        search = job.search
        self.weight_optimizer = torch.optim.SGD(
            self.network.parameters(), search.learning_rate, search.momentum, weight_decay=job.l2, foreach=True
        )
        self.alpha_optimizer = torch.optim.Adam(
            self.alphas, search.arch_learning_rate, search.arch_betas, weight_decay=search.arch_weight_decay
        )
        self.weight_draws = stream(job.seed, "weight batches")
        self.alpha_draws = stream(job.seed, "alpha batches")
        self.transform_draws = stream(job.seed, "transforms")
        self.network_draws = stream(job.seed, "network", device)
        self.curvature_draws = stream(job.seed, "curvature network", device)
        self.lanczos_draws = stream(job.seed, "lanczos")
        self.weight_batches = ShuffledBatches(
            job.weight_images, min(search.batch_size, job.weight_images), self.weight_draws
        )
        self.steps = search.steps_per_epoch or math.ceil(job.weight_images / search.batch_size)
        self.alpha_batch: tuple[Tensor, Tensor] | None = None
        self.l2 = job.l2
        self.published = job.fidelity == "published"
        self.measured: list[tuple[int, float]] = []  # what the stop rule sees: epochs and eigenvalues
        self.snapshots: dict[int, dict[str, Any]] = {}  # by epoch, those DARTS-ADA may still go back to

    def run(self, progress: Progress, checkpoint: Checkpoint = NO_CHECKPOINT) -> SearchResult:
        last, saved = self.job.search.epochs - 1, checkpoint.load()
        result, epoch = (SearchResult(), 0) if saved is None else self._resumed(saved)
        if epoch:
            progress.say(f"going on from the checkpoint, at epoch {epoch}")
        while epoch <= last:
            record, diverged_step = self._epoch(epoch)
            if diverged_step is not None:
                result.diverged_at = (epoch, diverged_step)
                progress.say(f"diverged: the loss is no number at epoch {epoch}, step {diverged_step}")
                break
            result.epochs.append(record)
            result.alphas.append(Alphas(*(alpha.detach().cpu().clone() for alpha in self.alphas)))
            note = f"train loss {record.train_loss:.3f}, validation error {record.valid_error_percent:.1f} %"
            if self._measures(epoch):
                curvature = self._curvature(epoch)
                result.curvature.append(curvature)
                self.measured.append((epoch, curvature.dominant_eigenvalue))
                note += f", eigenvalue {curvature.dominant_eigenvalue:.3f}"
            progress.advance(epoch + 1, last + 1, note)
            stop = self._stop(epoch, last)
            if stop is not None and self.job.adaptive is None:
                progress.say(f"the stop rule fired: the epoch it takes is {stop}")
                result.stopped_at = epoch
                break
            if stop is not None:
                self._go_back(result, epoch, stop)
                progress.say(f"the stop rule fired: back to epoch {stop}, L2 {self.l2:g} from here on")
                epoch = stop
            elif self.job.adaptive is not None and epoch < last:
                self._remember(epoch)
            epoch += 1
            checkpoint.save(partial(self._saved, result, epoch))
        else:
            result.discretised_valid_error_percent = self._discretised_error()
        result.final_l2 = self.l2
        return result

    # checkpoints -------------------------------------------------------------------------------------------------

    def _saved(self, result: SearchResult, epoch: int) -> State:
        """Everything the search from `epoch` on depends on, and the result so far."""
        return {
            "epoch": epoch,
            "l2": self.l2,
            "measured": self.measured,
            "snapshots": self.snapshots,
            "now": self._state(),
            "result": result.state(),
        }

    def _resumed(self, saved: State) -> tuple[SearchResult, int]:
        """Go on from a state; returns the result so far and the epoch that comes next."""
        self._restore(saved["now"])
        self.l2, self.measured, self.snapshots = saved["l2"], saved["measured"], saved["snapshots"]
        return SearchResult.of(saved["result"]), saved["epoch"]

    # early stopping and DARTS-ADA ----------------------------------------------------------------------------------

    def _stop(self, epoch: int, last: int) -> int | None:
        """The stop epoch if the rule, where this search obeys it, fires after this epoch."""
        rule, adaptive = self.job.stop, self.job.adaptive
        if rule is None or epoch == last or not self.measured or self.measured[-1][0] != epoch:
            return None
        if adaptive is not None and self.l2 >= adaptive.max_l2 * (1 - SAME_L2):
            return None
        return latest_stop([at for at, _ in self.measured], [value for _, value in self.measured], rule)

    def _remember(self, epoch: int) -> None:
        """Keep the state of an epoch the search may go back to, and drop those it no longer may.

        The stop epoch is always window // 2 + delta measurements back. The published code keeps a checkpoint of every
        epoch and, with its longer eigenvalue history, may go back to any.
        """
        if self.job.stop is None or not self._measures(epoch):
            return
        self.snapshots[epoch] = self._state()
        if not self.published:
            reach = self.job.stop.window // 2 + self.job.stop.delta
            for old in sorted(self.snapshots)[: -reach - 1]:
                del self.snapshots[old]

    def _go_back(self, result: SearchResult, epoch: int, stop: int) -> None:
        """Restore the end of epoch `stop` exactly and raise the L2 factor."""
        assert self.job.adaptive is not None
        number, before = len(result.rollbacks), self.l2
        self._restore(self.snapshots[stop])
        self.l2 = min(before * self.job.adaptive.factor, self.job.adaptive.max_l2)
        for group in self.weight_optimizer.param_groups:
            group["weight_decay"] = self.l2
        if not self.published:  # the published code goes on with the eigenvalues of the epochs it has gone back on
            self.measured = [(at, value) for at, value in self.measured if at <= stop]
            self.snapshots = {at: state for at, state in self.snapshots.items() if at <= stop}
        result.rollbacks.append(Rollback(epoch, stop, before, self.l2))
        result.discarded += [(number, record) for record in result.epochs[stop + 1 :]]
        del result.epochs[stop + 1 :], result.alphas[stop + 1 :]
        result.curvature = [record for record in result.curvature if record.epoch <= stop]

    def _state(self) -> dict[str, Any]:
        """Everything the epochs to come depend on, but the L2 factor."""
        return {
            "network": copy.deepcopy(self.network.state_dict()),
            "alphas": [alpha.detach().clone() for alpha in self.alphas],
            "optimizers": [copy.deepcopy(optimizer.state_dict()) for optimizer in self._optimizers()],
            "draws": [draws.get_state() for draws in self._draws()],
            "weight_batches": self.weight_batches.state(),
        }

    def _restore(self, state: dict[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        with torch.no_grad():
            for alpha, value in zip(self.alphas, state["alphas"], strict=True):
                alpha.copy_(value)
        for optimizer, values in zip(self._optimizers(), state["optimizers"], strict=True):
            optimizer.load_state_dict(copy.deepcopy(values))
        for draws, drawn in zip(self._draws(), state["draws"], strict=True):
            draws.set_state(drawn)
        self.weight_batches.restore(state["weight_batches"])

    def _optimizers(self) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
        return self.weight_optimizer, self.alpha_optimizer

    def _draws(self) -> tuple[torch.Generator, ...]:
        return (
            self.weight_draws,
            self.alpha_draws,
            self.transform_draws,
            self.network_draws,
            self.curvature_draws,
            self.lanczos_draws,
        )

    # one epoch -----------------------------------------------------------------------------------------------------

    def _epoch(self, epoch: int) -> tuple[EpochRecord, int | None]:
        search = self.job.search
        rate = cosine_rate(epoch, search.epochs, search.learning_rate, search.learning_rate_min)
        for group in self.weight_optimizer.param_groups:
            group["lr"] = rate
        noise, cutout = self._noise(epoch, self.network_draws), self._ramp(epoch)
        self.network.train()
        losses, wrong, seen = [], torch.zeros((), dtype=torch.long, device=self.device), 0
        for _ in range(self.steps):
            train = self.weight_part.batch(next(self.weight_batches), self._transform(), cutout)
            self.alpha_batch = self._draw_alpha_batch(cutout)
            self._alpha_step(train, self.alpha_batch, rate, noise)
            step = weight_step(self.network, self.alphas, train, self.weight_optimizer, search.grad_clip, noise)
            losses.append(step.loss)
            wrong += step.wrong
            seen += len(train[1])
        loss = torch.stack(losses).double().cpu()
        broken = (~torch.isfinite(loss)).nonzero().flatten().tolist()
        valid_loss, valid_error = self._validate(cutout)
        if not math.isfinite(valid_loss):
            broken.append(self.steps - 1)  # the last step broke what its own loss could not show
        record = EpochRecord(
            epoch=epoch,
            learning_rate=rate,
            l2=self.l2,
            train_loss=float(loss.mean()),
            train_error_percent=100 * int(wrong) / seen,
            valid_loss=valid_loss,
            valid_error_percent=valid_error,
            genotype=self.network.genotype(self.alphas).text(),
        )
        return record, broken[0] if broken else None

    def _alpha_step(
        self, train: tuple[Tensor, Tensor], valid: tuple[Tensor, Tensor], rate: float, noise: Noise
    ) -> None:
        search = self.job.search
        if search.order == 1:
            gradient = first_order_gradient(self.network, self.alphas, valid, noise, self.published)
        else:
            gradient = second_order_gradient(
                self.network,
                self.alphas,
                train,
                valid,
                # DARTS-ADA as published unrolls with the L2 factor it started with
                WeightRule(rate, search.momentum, self.job.l2 if self.published else self.l2),
                momentum_buffers(self.network, self.weight_optimizer),
                noise,
                published=self.published,
            )
        for alpha, part in zip(self.alphas, gradient, strict=True):
            alpha.grad = part
        self.alpha_optimizer.step()

    def _draw_alpha_batch(self, cutout: float) -> tuple[Tensor, Tensor]:
        """A fresh random subset of the alpha images."""
        order = torch.randperm(len(self.alpha_part), generator=self.alpha_draws)
        return self.alpha_part.batch(order[: self.job.search.batch_size], self._transform(), cutout)

    @torch.no_grad()
    def _validate(self, cutout: float) -> tuple[float, float]:
        """Mean loss and error in percent on all alpha images, evaluation mode, training transform as published."""
        self.network.eval()
        loss, wrong = torch.zeros((), device=self.device), torch.zeros((), dtype=torch.long, device=self.device)
        for index in self._validation_batches():
            images, labels = self.alpha_part.batch(index, self._transform(), cutout)
            logits = self.network(images, self.alphas, 0.0, self.network_draws)
            loss += F.cross_entropy(logits, labels, reduction="sum")
            wrong += (logits.argmax(1) != labels).sum()
        self.network.train()
        return float(loss) / len(self.alpha_part), 100 * int(wrong) / len(self.alpha_part)

    @torch.no_grad()
    def _discretised_error(self) -> float:
        """Error in percent of the found architecture cut out of the supernet, with its weights, on the alpha images.

        As `_validate`, with streams of its own; what is lost against it is the drop of RobustDARTS, section 4.2.
        """
        transform = stream(self.job.seed, "discretised transforms") if self.job.search.augment else None
        draws = stream(self.job.seed, "discretised network", self.device)
        choice = self.network.choice(self.network.genotype(self.alphas))
        cutout, wrong = self._ramp(self.job.search.epochs - 1), 0
        self.network.eval()
        for index in self._validation_batches():
            images, labels = self.alpha_part.batch(index, transform, cutout)
            wrong += int((self.network.chosen(images, choice, draws).argmax(1) != labels).sum())
        self.network.train()
        return 100 * wrong / len(self.alpha_part)

    def _validation_batches(self) -> Iterator[Tensor]:
        return ordered_batches(len(self.alpha_part), max(self.job.search.batch_size, 250))

    def _measures(self, epoch: int) -> bool:
        curvature = self.job.search.curvature
        return curvature.kind != "none" and (epoch % curvature.every == 0 or epoch == self.job.search.epochs - 1)

    def _curvature(self, epoch: int) -> CurvatureRecord:
        settings, decay = self.job.search.curvature, self.job.search.arch_weight_decay
        batch = self.alpha_batch
        if settings.images is not None:
            batch = self.alpha_part.batch(torch.arange(settings.images))
        assert batch is not None, "an epoch has at least one step"
        product = hessian_product(self.network, self.alphas, batch, self._noise(epoch, self.curvature_draws))
        if settings.kind == "dominant":
            value = dominant_eigenvalue(product, self.alphas, decay, self.lanczos_draws)
            return CurvatureRecord(epoch, value, None)
        hessian = full_hessian(product, self.alphas, decay).detach().cpu()
        return CurvatureRecord(epoch, largest_eigenvalue(hessian), hessian)

    def _ramp(self, epoch: int) -> float:
        """The share of the full cutout probability at an epoch; drop path 0 also switches cutout off, as published."""
        return epoch / max(1, self.job.search.epochs - 1) if self.job.drop_path > 0 else 0.0

    def _noise(self, epoch: int, draws: torch.Generator) -> Noise:
        return Noise(self.job.drop_path * self._ramp(epoch), draws)

    def _transform(self) -> torch.Generator | None:
        """The draws of the training transform, or None when the study does without."""
        return self.transform_draws if self.job.search.augment else None
