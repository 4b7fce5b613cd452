"""Random search with weight sharing (RS-ws): train a supernet, one random architecture a step; choose among samples.

Li and Talwalkar (2019), as in the RobustDARTS code. As many weight steps as a search has; each runs the edges and
operations of one random architecture alone, each with weight 1. Then samples are scored with these weights, in
evaluation mode (BatchNorm's running statistics, which all architectures share) and, like the validation images of a
search, under its training transform.

`published` reproduces: a budget that assumes 25000 weight images; all operations run, those not chosen with weight 0,
and so get weight decay and momentum; neither drop path nor cutout, whatever the setting; candidates are scored on
the next batches of the validation half, whichever they are, also when "all" of it is meant.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from workflow_scripts.cells.bilevel_step import Batch, Randomness, clipped_step
from workflow_scripts.cells.optimizers import weight_optimizer, weight_rate
from workflow_scripts.cells.split import split
from workflow_scripts.cells.supernet import Alphas, Chosen, DiscreteArchitecture, Supernet, supernet_of
from workflow_scripts.data.image_batches import Part, ShuffledBatches
from workflow_scripts.runtime.checkpoint import NO_CHECKPOINT, Checkpoint
from workflow_scripts.runtime.epochs import History, Parts, broken_step, diverged, resumed
from workflow_scripts.runtime.learning_rates import set_rate
from workflow_scripts.runtime.optimizers import Optimizer
from workflow_scripts.runtime.progress import Progress
from workflow_scripts.runtime.seeds import stream
from workflow_scripts.study.cell_job_settings import SearchJob

PUBLISHED_IMAGES = 25000  # the published code computes its budget with these whatever the data set


@dataclass(frozen=True)
class TrainingEpoch:
    """The measurements of one epoch of weight steps; the error in percent."""

    epoch: int
    learning_rate: float
    train_loss: float
    train_error_percent: float


@dataclass
class Sample:
    """A scored architecture: its error in percent on the few validation batches."""

    architecture: DiscreteArchitecture
    genotype: str
    error_percent: float


@dataclass
class Finalist:
    """One of the best samples, by its number: loss and error in percent on all validation images."""

    sample: int
    loss: float
    error_percent: float


@dataclass
class RandomSearchResult:
    """The training, the samples in the order drawn, and the finalists, the best first: that is the result.

    `diverged_at` is (epoch, step), both from 0; such a search has neither samples nor finalists.
    """

    epochs: History[TrainingEpoch] = field(default_factory=lambda: History(TrainingEpoch))
    samples: list[Sample] = field(default_factory=list)
    finalists: list[Finalist] = field(default_factory=list)
    diverged_at: tuple[int, int] | None = None


def run_random_search(
    job: SearchJob, train: Part, progress: Progress, device: torch.device, checkpoint: Checkpoint = NO_CHECKPOINT
) -> RandomSearchResult:
    """Train on the images that `split` gives to the weights, choose on those that it gives to the alphas.

    After a kill the training goes on from the last epoch that `checkpoint` holds.
    """
    return _RandomSearch(job, train, device).run(progress, checkpoint)


def random_architecture(network: Supernet, generator: torch.Generator) -> DiscreteArchitecture:
    """An architecture drawn uniformly: for each node two distinct predecessors, for each edge one of its candidates.

    `none` and `noise` are candidates like any other, here and in the published code, whose results hold them.
    """
    return DiscreteArchitecture(
        *(_random_cell(network.candidates[kind], network.nodes, generator) for kind in ("normal", "reduce"))
    )


def _random_cell(candidates: list[list[str]], nodes: int, generator: torch.Generator) -> Chosen:
    cell, first = [], 0
    for node in range(nodes):
        sources = torch.randperm(node + 2, generator=generator)[:2].sort().values.tolist()
        sizes = [len(candidates[first + source]) for source in sources]
        cell.append(
            tuple(
                (source, int(torch.randint(size, (), generator=generator)))
                for source, size in zip(sources, sizes, strict=True)
            )
        )
        first += node + 2
    return tuple(cell)


class _RandomSearch:
    """The state of a random search in progress."""

    def __init__(self, job: SearchJob, train: Part, device: torch.device) -> None:
        self.job, self.device = job, device
        self.published = job.fidelity == "published"
        self.weight_part, self.alpha_part = split(train, job)
        self.network = supernet_of(job, device)
        self.optimizer = weight_optimizer(self.network, job.search, job.l2, alone=not self.published)
        self.batch_size = min(job.search.batch_size, job.weight_images)
        weight_generator = stream(job.seed, "weight batches")
        self.weight_batches = ShuffledBatches(job.weight_images, self.batch_size, weight_generator)
        self.architecture_generator = stream(job.seed, "architectures")
        self.transform_generator = stream(job.seed, "transforms")
        self.network_generator = stream(job.seed, "network", device)
        self.sample_generator = stream(job.seed, "samples")
        self._restart_validation()

    def run(self, progress: Progress, checkpoint: Checkpoint = NO_CHECKPOINT) -> RandomSearchResult:
        """Train, from the beginning or from a checkpoint, and choose."""
        epochs, result = self.job.search.epochs, RandomSearchResult()
        parts: Parts = {
            "network": self.network,
            "optimizer": self.optimizer,
            "weight batches": self.weight_batches,
            "architectures": self.architecture_generator,
            "transforms": self.transform_generator,
            "network draws": self.network_generator,
        }
        for epoch in resumed(result.epochs, epochs, parts, checkpoint, progress):
            record, diverged_step = self._epoch(epoch)
            if diverged_step is not None:
                result.diverged_at = diverged(epoch, diverged_step, progress)
                return result
            result.epochs.append(record)
            note = f"train loss {record.train_loss:.3f}, error {record.train_error_percent:.1f} %"
            progress.advance(epoch + 1, epochs, note)
        self._choose(result, progress)
        best = result.finalists[0]
        if not math.isfinite(best.loss):  # the last step diverged where neither its loss nor the weights show it
            result.epochs.pop()
            return RandomSearchResult(
                epochs=result.epochs, diverged_at=diverged(epochs - 1, self._steps(epochs - 1) - 1, progress)
            )
        progress.say(f"the best of {len(result.samples)} samples has a validation error of {best.error_percent:.1f} %")
        return result

    def _budget(self) -> int:
        """Weight steps in all."""
        search = self.job.search
        if search.steps_per_epoch is not None:
            return search.epochs * search.steps_per_epoch
        if self.published:
            return search.epochs * PUBLISHED_IMAGES // search.batch_size
        return search.epochs * math.ceil(self.job.weight_images / self.batch_size)

    def _steps(self, epoch: int) -> int:
        """Weight steps of one epoch."""
        budget, epochs = self._budget(), self.job.search.epochs
        return budget * (epoch + 1) // epochs - budget * epoch // epochs

    # the training --------------------------------------------------------------------------------------------------

    def _epoch(self, epoch: int) -> tuple[TrainingEpoch, int | None]:
        """One pass of weight steps; returns its record, and the step at which it diverged."""
        rate = weight_rate(self.job.search, epoch)
        set_rate(self.optimizer, rate)
        self.network.train()
        losses, wrong, seen = [], torch.zeros((), dtype=torch.long, device=self.device), 0
        for _ in range(self._steps(epoch)):
            index = next(self.weight_batches)
            images, labels = self.weight_part.batch(index, self._transform(self.transform_generator), self._ramp(epoch))
            architecture = random_architecture(self.network, self.architecture_generator)
            loss, logits = self._weight_step(images, labels, architecture, self.job.drop_path * self._ramp(epoch))
            losses.append(loss)
            wrong += (logits.argmax(1) != labels).sum()
            seen += len(labels)
        values = torch.stack(losses).double().cpu()
        weights_are_finite = all(bool(torch.isfinite(parameter).all()) for parameter in self.network.parameters())
        record = TrainingEpoch(epoch, rate, float(values.mean()), 100 * int(wrong) / seen)
        return record, broken_step(values, weights_are_finite)

    def _weight_step(
        self, images: Tensor, labels: Tensor, architecture: DiscreteArchitecture, drop_path: float
    ) -> tuple[Tensor, Tensor]:
        """One clipped SGD step with one architecture; returns its loss and logits."""
        clip, generator = self.job.search.grad_clip, self.network_generator
        if self.published:
            logits = self.network.mix(images, one_hot(self.network, architecture), 0.0, generator)
            return _step(self.network, self.optimizer, logits, labels, clip)
        randomness = Randomness(drop_path, generator)
        return random_weight_step(self.network, self.optimizer, (images, labels), architecture, clip, randomness)

    def _ramp(self, epoch: int) -> float:
        """The share of the full drop-path and cutout probability at an epoch, as in a search; as published none."""
        if self.published or self.job.drop_path == 0:
            return 0.0
        return epoch / max(1, self.job.search.epochs - 1)

    def _transform(self, generator: torch.Generator) -> torch.Generator | None:
        """The generator of the training transform, or None where the study does without it."""
        return generator if self.job.search.augment else None

    # the selection -------------------------------------------------------------------------------------------------

    def _choose(self, result: RandomSearchResult, progress: Progress) -> None:
        """Score samples on a few validation batches, the best of them on all validation images."""
        settings = self.job.random_ws
        assert settings is not None
        self.network.eval()
        batches = math.ceil(len(self.alpha_part) / self.batch_size)  # of one pass
        few = settings.batches if self.published else min(settings.batches, batches)
        prepared = None if self.published else list(self._validation(few))  # the same for all
        for number in range(settings.samples):
            architecture = random_architecture(self.network, self.sample_generator)
            _, error = self._score(architecture, self._validation(few) if prepared is None else prepared)
            result.samples.append(Sample(architecture, self.network.genotype_of(architecture).text(), error))
            if (number + 1) % max(1, settings.samples // 20) == 0:
                progress.say(f"{number + 1} of {settings.samples} samples scored")
        ranking = sorted(range(settings.samples), key=lambda number: result.samples[number].error_percent)
        for number in ranking[: settings.finalists]:
            scores = self._score(result.samples[number].architecture, self._validation(batches))
            result.finalists.append(Finalist(number, *scores))
        result.finalists.sort(key=lambda finalist: finalist.error_percent)  # equal ones stay in their order
        self.network.train()

    def _restart_validation(self) -> None:
        seed = self.job.seed
        size = min(self.batch_size, len(self.alpha_part))
        self.alpha_batches = ShuffledBatches(len(self.alpha_part), size, stream(seed, "validation batches"))
        self.alpha_transform_generator = stream(seed, "validation transforms")
        self.scoring_generator = stream(seed, "validation network", self.device)

    def _validation(self, count: int) -> Iterator[Batch]:
        """The first `count` batches of the validation images, the same every time; as published, those that follow."""
        if not self.published:
            self._restart_validation()
        cutout = self._ramp(self.job.search.epochs - 1)
        for _ in range(count):
            transform = self._transform(self.alpha_transform_generator)
            yield self.alpha_part.batch(next(self.alpha_batches), transform, cutout)

    @torch.no_grad()
    def _score(self, architecture: DiscreteArchitecture, batches: Iterable[Batch]) -> tuple[float, float]:
        """Mean loss and error in percent of an architecture; its noise is the same for every architecture."""
        generator = (
            self.scoring_generator if self.published else stream(self.job.seed, "validation network", self.device)
        )
        loss, wrong = torch.zeros((), device=self.device), torch.zeros((), dtype=torch.long, device=self.device)
        seen = 0
        for images, labels in batches:
            logits = self.network.chosen(images, architecture, generator)
            loss += F.cross_entropy(logits, labels, reduction="sum")
            wrong += (logits.argmax(1) != labels).sum()
            seen += len(labels)
        return float(loss) / seen, 100 * int(wrong) / seen


def random_weight_step(
    network: Supernet,
    optimizer: Optimizer,
    batch: Batch,
    architecture: DiscreteArchitecture,
    grad_clip: float,
    randomness: Randomness,
) -> tuple[Tensor, Tensor]:
    """One clipped SGD step with one architecture; returns its loss and logits.

    An operation that was not chosen has no gradient, and so the step leaves it alone, its momentum too. As published it
    runs with weight 0, has a gradient of zeros, and gets weight decay and momentum.
    """
    images, labels = batch
    logits = network.chosen(images, architecture, randomness.generator, randomness.drop_path)
    return _step(network, optimizer, logits, labels, grad_clip)


def _step(
    network: Supernet, optimizer: Optimizer, logits: Tensor, labels: Tensor, grad_clip: float
) -> tuple[Tensor, Tensor]:
    loss = F.cross_entropy(logits, labels)
    clipped_step(network, optimizer, loss, grad_clip)
    return loss.detach(), logits.detach()


def one_hot(network: Supernet, architecture: DiscreteArchitecture) -> Alphas:
    """The weights (edges, operations) of every mixed operation of an architecture: 1 where chosen, else 0."""
    reference = next(network.parameters())
    found = []
    for kind, chosen in zip(("normal", "reduce"), architecture, strict=True):
        candidates = network.candidates[kind]
        weights = torch.zeros(len(candidates), len(candidates[0]), device=reference.device, dtype=reference.dtype)
        first = 0
        for node, pairs in enumerate(chosen):
            for source, index in pairs:
                weights[first + source, index] = 1.0
            first += node + 2
        found.append(weights)
    return Alphas(*found)
