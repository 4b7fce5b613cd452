"""Random search with weight sharing (RS-ws): train a supernet, one random architecture a step; choose among samples.

Li and Talwalkar (2019), as in the RobustDARTS code. As many weight steps as a search has; each runs the edges and
operations of one random architecture alone, each with weight 1. Networks scored afterwards are in evaluation mode.
"""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workflow_scripts.cells.supernet import Alphas, Choice, Chosen, Supernet
from workflow_scripts.data.images import Part, ShuffledBatches, ordered_batches
from workflow_scripts.runtime.progress import Progress
from workflow_scripts.runtime.schedule import cosine_rate
from workflow_scripts.runtime.seeds import stream, stream_seed
from workflow_scripts.study.cell_jobs import SearchJob

PUBLISHED_IMAGES = 25000  # the published code computes its budget with these whatever the data set


@dataclass(frozen=True)
class TrainingEpoch:
    """What one epoch of weight steps left behind; the error in percent."""

    epoch: int
    learning_rate: float
    train_loss: float
    train_error_percent: float


@dataclass
class Sample:
    """A scored architecture; errors in percent. `all_error_percent` is of the finalists only."""

    choice: Choice
    genotype: str
    error_percent: float
    all_error_percent: float | None = None


@dataclass
class RandomSearchResult:
    """The training, the samples in the order drawn, and the best; `diverged_at` is (epoch, step), both from 0."""

    epochs: list[TrainingEpoch] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    best: Sample | None = None
    best_loss: float | None = None
    diverged_at: tuple[int, int] | None = None


def run_random_search(job: SearchJob, train: Part, progress: Progress, device: torch.device) -> RandomSearchResult:
    """Train on the first `weight_images`, choose on the `alpha_images` that follow."""
    return _RandomSearch(job, train, device).run(progress)


def random_choice(network: Supernet, draws: torch.Generator) -> Choice:
    """An architecture drawn uniformly: for each node two distinct predecessors, for each edge one of its candidates."""
    return Choice(*(_random_cell(network.candidates[kind], network.nodes, draws) for kind in ("normal", "reduce")))


def _random_cell(candidates: list[list[str]], nodes: int, draws: torch.Generator) -> Chosen:
    cell, first = [], 0
    for node in range(nodes):
        sources = torch.randperm(node + 2, generator=draws)[:2].sort().values.tolist()
        sizes = [len(candidates[first + source]) for source in sources]
        cell.append(
            tuple(
                (source, int(torch.randint(size, (), generator=draws)))
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
        self.weight_part = train.first(job.weight_images)
        self.alpha_part = train.first(job.alpha_images, after=job.weight_images)
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
        self.optimizer = torch.optim.SGD(
            self.network.parameters(), job.search.learning_rate, job.search.momentum, weight_decay=job.l2
        )
        self.transform = stream(job.seed, "transforms") if job.search.augment else None
        self.network_draws = stream(job.seed, "network", device)
        self.choice_draws = stream(job.seed, "architectures")
        self.batch_size = min(job.search.batch_size, job.weight_images)
        self.batches = ShuffledBatches(job.weight_images, self.batch_size, stream(job.seed, "weight batches"))

    def run(self, progress: Progress) -> RandomSearchResult:
        result, epochs = RandomSearchResult(), self.job.search.epochs
        budget = self._budget()
        for epoch in range(epochs):
            steps = budget * (epoch + 1) // epochs - budget * epoch // epochs
            record, broken = self._epoch(epoch, steps)
            if broken is not None:
                result.diverged_at = (epoch, broken)
                progress.say(f"diverged: the loss is no number at epoch {epoch}, step {broken}")
                return result
            result.epochs.append(record)
            progress.advance(epoch + 1, epochs, f"train loss {record.train_loss:.3f}")
        self._choose(result, progress)
        return result

    def _budget(self) -> int:
        """Weight steps in all."""
        search = self.job.search
        if self.published:
            return search.epochs * PUBLISHED_IMAGES // search.batch_size
        return search.epochs * (search.steps_per_epoch or math.ceil(self.job.weight_images / search.batch_size))

    def _epoch(self, epoch: int, steps: int) -> tuple[TrainingEpoch, int | None]:
        search = self.job.search
        rate = cosine_rate(epoch, search.epochs, search.learning_rate, search.learning_rate_min)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.network.train()
        losses, wrong, seen = [], torch.zeros((), dtype=torch.long, device=self.device), 0
        for _ in range(steps):
            images, labels = self.weight_part.batch(next(self.batches), self.transform, 0.0)
            logits = self._logits(images, random_choice(self.network, self.choice_draws))
            loss = F.cross_entropy(logits, labels)
            # Without a gradient an operation that was not chosen is left alone by the step, its momentum too.
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(self.network.parameters(), search.grad_clip)
            self.optimizer.step()
            losses.append(loss.detach())
            wrong += (logits.detach().argmax(1) != labels).sum()
            seen += len(labels)
        values = torch.stack(losses).double().cpu()
        broken = (~torch.isfinite(values)).nonzero().flatten().tolist()
        record = TrainingEpoch(epoch, rate, float(values.mean()), 100 * int(wrong) / seen)
        return record, broken[0] if broken else None

    def _logits(self, images: Tensor, choice: Choice) -> Tensor:
        """Of one architecture. As published, the other operations run too, with weight 0: they get zero gradients, and
        so feel weight decay and momentum."""
        if not self.published:
            return self.network.chosen(images, choice, self.network_draws)
        return self.network.mix(images, one_hot(self.network, choice), 0.0, self.network_draws)

    def _choose(self, result: RandomSearchResult, progress: Progress) -> None:
        """Score samples on the same few validation batches, the best of them on all validation images."""
        settings = self.job.random_ws
        assert settings is not None
        draws = stream(self.job.seed, "samples")
        score_draws = stream(self.job.seed, "validation batches")
        size = min(settings.batches * self.batch_size, len(self.alpha_part))
        chosen = torch.randperm(len(self.alpha_part), generator=score_draws)[:size]
        for number in range(settings.samples):
            if self.published:  # which scores each candidate on other batches
                chosen = torch.randperm(len(self.alpha_part), generator=score_draws)[:size]
            choice = random_choice(self.network, draws)
            genotype = self.network.genotype_of(choice).text()
            result.samples.append(Sample(choice, genotype, self._score(choice, chosen)[1]))
            if (number + 1) % max(1, settings.samples // 20) == 0:
                progress.say(f"{number + 1} of {settings.samples} samples scored")
        finalists = sorted(result.samples, key=lambda sample: sample.error_percent)[: settings.finalists]
        everything = torch.arange(len(self.alpha_part))
        losses = {}
        for sample in finalists:
            losses[id(sample)], sample.all_error_percent = self._score(sample.choice, everything)
        result.best = min(finalists, key=lambda sample: sample.all_error_percent or 0.0)
        result.best_loss = losses[id(result.best)]
        progress.say(f"the best sample has a validation error of {result.best.all_error_percent:.1f} %")

    @torch.no_grad()
    def _score(self, choice: Choice, index: Tensor) -> tuple[float, float]:
        """Mean loss and error in percent of an architecture on some alpha images, without augmentation."""
        self.network.eval()
        draws = stream(self.job.seed, "scoring noise", self.device)  # the same for every architecture
        loss, wrong = 0.0, 0
        for batch in ordered_batches(len(index), 250):
            images, labels = self.alpha_part.batch(index[batch])
            logits = self.network.chosen(images, choice, draws)
            loss += float(F.cross_entropy(logits, labels, reduction="sum"))
            wrong += int((logits.argmax(1) != labels).sum())
        self.network.train()
        return loss / len(index), 100 * wrong / len(index)


def one_hot(network: Supernet, choice: Choice) -> Alphas:
    """The weights (edges, operations) of every mixed operation that stand for a choice: 1 where chosen, else 0."""
    reference = next(network.parameters())
    found = []
    for kind, chosen in zip(("normal", "reduce"), choice, strict=True):
        candidates = network.candidates[kind]
        weights = torch.zeros(len(candidates), len(candidates[0]), device=reference.device, dtype=reference.dtype)
        first = 0
        for node, pairs in enumerate(chosen):
            for source, index in pairs:
                weights[first + source, index] = 1.0
            first += node + 2
        found.append(weights)
    return Alphas(*found)
