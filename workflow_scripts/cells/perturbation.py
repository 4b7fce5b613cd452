"""Perturbation-based selection (DARTS-PT): which operations and edges a trained supernet cannot do without.

Wang et al. (ICLR 2021), section 4 and the public code. Of each cell kind the edges are decided in random order: the
operation stays without which the supernet errs most. Then, in random order, the nodes: the two edges stay without which
it errs most. Between decisions the supernet is tuned by the search's own steps, of weights and of alphas.

An operation that is removed has weight 0, and the others of its edge keep theirs; one that stays has weight 1. Errors
are those on all images of the alphas, with BatchNorm's batch statistics. All removals see the same pictures and noise.
`none` never stays, because no genotype can hold it.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from workflow_scripts.cells.bilevel_step import Batch, Randomness, WeightRule, alpha_step, weight_step
from workflow_scripts.cells.discretisation import KEPT
from workflow_scripts.cells.optimizers import alpha_optimizer, weight_optimizer
from workflow_scripts.cells.split import split
from workflow_scripts.cells.supernet import Alphas, DiscreteArchitecture, frozen_statistics, softmax
from workflow_scripts.cells.trained_supernet import TrainedSupernet
from workflow_scripts.data.image_batches import ShuffledBatches, ordered_batches
from workflow_scripts.runtime.epochs import History, Parts, Tensors, broken_step, resumed
from workflow_scripts.runtime.learning_rates import cosine_rate, set_rate
from workflow_scripts.runtime.seeds import stream
from workflow_scripts.study.cell_settings import Perturbation
from workflow_scripts.tables.genotype import Genotype


class Decisions:
    """What is decided of one cell kind.

    `decided` (edges, 1) says of which edges; `weights` (edges, operations) are theirs: 1 for the operation that stays,
    0 everywhere for an edge that does not.
    """

    def __init__(self, candidates: list[list[str]], nodes: int, like: Tensor) -> None:
        """Nothing is decided. `candidates` are the names of each edge's operations; `like` are the alphas (E, O)."""
        self.candidates, self.nodes = candidates, nodes
        self.decided = torch.zeros(len(like), 1, dtype=torch.bool, device=like.device)
        self.weights = torch.zeros_like(like, requires_grad=False)

    def apply(self, mixed: Tensor) -> Tensor:
        """The weights (edges, operations) of the supernet, with those mixed where nothing is decided."""
        return torch.where(self.decided, self.weights, mixed)

    def open_edges(self) -> list[int]:
        """The edges whose operation is not decided."""
        return (~self.decided[:, 0]).nonzero()[:, 0].tolist()

    def open_nodes(self) -> list[int]:
        """The nodes that have more edges than stay."""
        return [node for node in range(self.nodes) if len(self.edges(node)) > KEPT]

    def edges(self, node: int) -> list[int]:
        """The edges into a node that are there."""
        first = node * (node + 3) // 2
        return [edge for edge in range(first, first + node + 2) if not self.decided[edge] or self.weights[edge].any()]

    def keep_operation(self, edge: int, operation: int) -> None:
        """Decide an edge."""
        self.decided[edge], self.weights[edge, operation] = True, 1

    def keep_edges(self, node: int, edges: list[int]) -> None:
        """Decide a node."""
        for edge in set(self.edges(node)) - set(edges):
            self.weights[edge] = 0

    def chosen(self) -> tuple[tuple[tuple[int, int], ...], ...]:
        """Per node its edges: (source state, index of the operation)."""
        first = [node * (node + 3) // 2 for node in range(self.nodes)]
        return tuple(
            tuple((edge - first[node], int(self.weights[edge].argmax())) for edge in self.edges(node))
            for node in range(self.nodes)
        )


@dataclass(frozen=True)
class Step:
    """One decision of each cell kind: the number of an edge, with its operation, or of a node, with its two edges."""

    normal: list[int]
    reduce: list[int]


def perturbed_genotype(supernet: TrainedSupernet) -> Genotype | None:
    """The architecture that is left when all is decided; None where the tuning diverges."""
    return _Selection(supernet).run()


class _Selection:
    """The state of a selection in progress."""

    def __init__(self, supernet: TrainedSupernet) -> None:
        self.supernet, self.job = supernet, supernet.job.search
        self.settings = supernet.job.perturbation or Perturbation()
        self.network, self.alphas = supernet.network.train(), supernet.alphas
        job, seed = self.job, self.job.seed
        self.weight_part, self.alpha_part = split(supernet.train, job)
        self.batch_size = min(job.search.batch_size, job.weight_images)
        self.kinds = [
            Decisions(self.network.candidates[kind], self.network.nodes, alpha)
            for kind, alpha in self.alphas._asdict().items()
        ]
        self.count = len(self.kinds[0].open_edges()) + len(self.kinds[0].open_nodes())
        self.network.mixing = self._mixed
        self.weight_optimizer = weight_optimizer(self.network, job.search, job.l2)
        self.alpha_optimizer = alpha_optimizer(self.alphas, job.search)
        shuffled = stream(seed, "perturbation weight batches")
        self.weight_batches = ShuffledBatches(job.weight_images, self.batch_size, shuffled)
        self.alpha_generator = stream(seed, "perturbation alpha batches")
        self.transform_generator = stream(seed, "perturbation transforms")
        self.network_generator = stream(seed, "perturbation network", supernet.device)
        self.order_generator = stream(seed, "perturbation order")
        self.cutout = 1.0 if job.drop_path > 0 else 0.0  # as in the last epoch of the search

    def _mixed(self, alphas: Alphas) -> Alphas:
        return Alphas(*(kind.apply(mixed) for kind, mixed in zip(self.kinds, softmax(alphas), strict=True)))

    def run(self) -> Genotype | None:
        """Decide and tune in turn, from the beginning or from a checkpoint."""
        progress, steps = self.supernet.progress, History[Step](Step)
        parts: Parts = {
            "network": self.network,
            "alphas": Tensors(self.alphas),
            "decisions": Tensors([tensor for kind in self.kinds for tensor in (kind.decided, kind.weights)]),
            "weight optimizer": self.weight_optimizer,
            "alpha optimizer": self.alpha_optimizer,
            "weight batches": self.weight_batches,
            "alpha batches": self.alpha_generator,
            "transforms": self.transform_generator,
            "network draws": self.network_generator,
            "order": self.order_generator,
        }
        for number in resumed(steps, self.count, parts, self.supernet.checkpoint, progress):
            if number > 0 and not self._tune(number - 1):
                progress.say(f"the tuning before decision {number + 1} of {self.count} diverged")
                return None
            normal, reduce = (self._decide(kind) for kind in range(len(self.kinds)))
            steps.append(Step(normal, reduce))
            progress.advance(number + 1, self.count, f"normal cell {normal}, reduction cell {reduce}")
        return self.network.genotype_of(DiscreteArchitecture(*(kind.chosen() for kind in self.kinds)))

    # deciding ------------------------------------------------------------------------------------------------------

    def _decide(self, kind: int) -> list[int]:
        """Decide one edge or node of a cell kind, drawn at random; returns it and what stays."""
        decisions = self.kinds[kind]
        edges = decisions.open_edges()
        which = self._drawn(edges or decisions.open_nodes())
        if edges:
            names = decisions.candidates[which]
            options = [index for index, name in enumerate(names) if name != "none"]
            stays = max(options, key=lambda option: self._wrong_without(kind, which, option))  # of equal ones the first
            decisions.keep_operation(which, stays)
            return [which, stays]
        wrong = {edge: self._wrong_without(kind, edge) for edge in decisions.edges(which)}
        stay = sorted(sorted(wrong, key=lambda edge: -wrong[edge])[:KEPT])
        decisions.keep_edges(which, stay)
        return [which, *stay]

    def _drawn(self, options: list[int]) -> int:
        return options[int(torch.randint(len(options), (), generator=self.order_generator))]

    @torch.no_grad()
    def _wrong_without(self, kind: int, edge: int, operation: int | None = None) -> int:
        """How many images the supernet gets wrong without an operation of an edge, or without the edge."""
        seed, wrong = self.job.seed, torch.zeros((), dtype=torch.long, device=self.supernet.device)
        transform = stream(seed, "perturbation pictures") if self.job.search.augment else None
        generator = stream(seed, "perturbation noise", self.supernet.device)
        weights = self._mixed(self.alphas)
        weights[kind][edge, slice(None) if operation is None else operation] = 0
        with frozen_statistics(self.network.norms):
            for index in ordered_batches(len(self.alpha_part), self.batch_size):
                images, labels = self.alpha_part.batch(index, transform, self.cutout)
                wrong += (self.network.mix(images, weights, 0.0, generator).argmax(1) != labels).sum()
        return int(wrong)

    # tuning --------------------------------------------------------------------------------------------------------

    def _tune(self, block: int) -> bool:
        """The epochs after a decision, numbered from 0; returns whether all losses are finite."""
        settings, search, epochs = self.settings, self.job.search, self.settings.tuning_epochs
        total = epochs * (self.count - 1) + 1
        steps, losses = search.steps_per_epoch or math.ceil(self.job.weight_images / search.batch_size), []
        optimizers, published = (self.weight_optimizer, self.alpha_optimizer), self.job.fidelity == "published"
        randomness = Randomness(self.job.drop_path, self.network_generator)
        for epoch in range(block * epochs, (block + 1) * epochs):
            rate = cosine_rate(epoch, total, settings.learning_rate, settings.learning_rate_min)
            set_rate(self.weight_optimizer, rate)
            rule = WeightRule(rate, search.momentum, self.job.l2)
            for _ in range(steps):
                train = self.weight_part.batch(next(self.weight_batches), self._transform(), self.cutout)
                valid = self._alpha_batch()
                alpha_step(
                    *(self.network, self.alphas, train, valid, rule, optimizers, randomness),
                    *(search.order, published),
                )
                clip = search.grad_clip
                losses.append(
                    weight_step(self.network, self.alphas, train, self.weight_optimizer, clip, randomness).loss
                )
        return not losses or broken_step(torch.stack(losses).cpu()) is None

    def _alpha_batch(self) -> Batch:
        order = torch.randperm(len(self.alpha_part), generator=self.alpha_generator)
        return self.alpha_part.batch(order[: self.job.search.batch_size], self._transform(), self.cutout)

    def _transform(self) -> torch.Generator | None:
        return self.transform_generator if self.job.search.augment else None
