"""One DARTS search: alternate alpha and weight steps, follow the curvature, keep the history.

RobustDARTS, section 2.1 and the public code. Divergence is an outcome: the search ends and says where.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

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
from workflow_scripts.cells.supernet import Alphas, Supernet
from workflow_scripts.data.images import Part, ordered_batches, shuffled_batches
from workflow_scripts.runtime.progress import Progress
from workflow_scripts.runtime.schedule import cosine_rate
from workflow_scripts.runtime.seeds import stream, stream_seed
from workflow_scripts.study.cells import SearchJob


@dataclass(frozen=True)
class EpochRecord:
    """What one epoch left behind; errors in percent."""

    epoch: int
    learning_rate: float
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


@dataclass
class SearchResult:
    """The history of a search and how it ended; `diverged_at` is (epoch, step), both from 0."""

    epochs: list[EpochRecord] = field(default_factory=list)
    curvature: list[CurvatureRecord] = field(default_factory=list)
    alphas: list[Alphas] = field(default_factory=list)
    diverged_at: tuple[int, int] | None = None


def run_search(job: SearchJob, train: Part, progress: Progress, device: torch.device) -> SearchResult:
    """Search on the training images: the first `weight_images` train the weights, the following train the alphas."""
    return _Search(job, train, device).run(progress)


class _Search:
    """The state of a search in progress."""

    def __init__(self, job: SearchJob, train: Part, device: torch.device) -> None:
        self.job, self.device = job, device
        self.weight_part = train.slice(0, job.weight_images)
        self.alpha_part = train.slice(job.weight_images, job.weight_images + job.alpha_images)
        with torch.random.fork_rng():
            torch.manual_seed(stream_seed(job.seed, "weights"))
            network = Supernet(
                job.normal,
                job.reduce,
                job.search.init_channels,
                job.search.layers,
                job.images.classes,
                image_channels=job.images.channels,
            )
        self.network = network.to(device).to(memory_format=torch.channels_last)
        self.alphas = self.network.initial_alphas(stream(job.seed, "alphas"))
        search = job.search
        self.weight_optimizer = torch.optim.SGD(
            self.network.parameters(), search.learning_rate, search.momentum, weight_decay=job.l2
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
        self.weight_batches: Iterator[Tensor] = shuffled_batches(
            job.weight_images, min(search.batch_size, job.weight_images), self.weight_draws
        )
        self.steps = search.steps_per_epoch or math.ceil(job.weight_images / search.batch_size)
        self.alpha_batch: tuple[Tensor, Tensor] | None = None

    def run(self, progress: Progress) -> SearchResult:
        result, epochs = SearchResult(), self.job.search.epochs
        for epoch in range(epochs):
            record, diverged_step = self._epoch(epoch)
            if diverged_step is not None:
                result.diverged_at = (epoch, diverged_step)
                progress.say(f"diverged: the loss is no number at epoch {epoch}, step {diverged_step}")
                return result
            result.epochs.append(record)
            result.alphas.append(Alphas(*(alpha.detach().cpu().clone() for alpha in self.alphas)))
            note = f"train loss {record.train_loss:.3f}, validation error {record.valid_error_percent:.1f} %"
            if self._measures(epoch):
                measured = self._curvature(epoch)
                result.curvature.append(measured)
                note += f", eigenvalue {measured.dominant_eigenvalue:.3f}"
            progress.advance(epoch + 1, epochs, note)
        return result

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
            gradient = first_order_gradient(self.network, self.alphas, valid, noise)
        else:
            gradient = second_order_gradient(
                self.network,
                self.alphas,
                train,
                valid,
                WeightRule(rate, search.momentum, self.job.l2),
                momentum_buffers(self.network, self.weight_optimizer),
                noise,
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
        for index in ordered_batches(len(self.alpha_part), max(self.job.search.batch_size, 250)):
            images, labels = self.alpha_part.batch(index, self._transform(), cutout)
            logits = self.network(images, self.alphas, 0.0, self.network_draws)
            loss += F.cross_entropy(logits, labels, reduction="sum")
            wrong += (logits.argmax(1) != labels).sum()
        self.network.train()
        return float(loss) / len(self.alpha_part), 100 * int(wrong) / len(self.alpha_part)

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
