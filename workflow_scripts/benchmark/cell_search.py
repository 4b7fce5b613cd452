"""The steps of the cell search against the plain reference, both with how they come by their batches."""

from collections.abc import Callable
from functools import cached_property
from typing import Any, NamedTuple

import torch

from workflow_scripts.benchmark.arithmetic import convolution_rate, floating_point_operations, operations_dispatched
from workflow_scripts.benchmark.made_up_images import CLASSES, image_settings, random_part
from workflow_scripts.benchmark.paired_timing import Comparison, Work, compare, timed
from workflow_scripts.cells.bilevel_step import (
    Batch,
    Randomness,
    WeightRule,
    first_order_gradient,
    momentum_buffers,
    second_order_gradient,
    weight_step,
)
from workflow_scripts.cells.curvature import dominant_eigenvalue, full_hessian, hessian_product
from workflow_scripts.cells.optimizers import weight_optimizer
from workflow_scripts.cells.random_search_with_weight_sharing import one_hot, random_architecture, random_weight_step
from workflow_scripts.cells.supernet import Supernet
from workflow_scripts.data.image_batches import ShuffledBatches
from workflow_scripts.reference import supernet as reference
from workflow_scripts.reference.loader import SearchLoaders
from workflow_scripts.study.cell_job_settings import layout_of
from workflow_scripts.study.cell_settings import Search
from workflow_scripts.study.search_spaces import load_space


class Size(NamedTuple):
    """Of a search: channels, cells, side of the images in pixels, images in a batch."""

    channels: int
    cells: int
    side: int
    batch: int = 64


LAPTOP, SMALL, PAPER = Size(8, 4, 8, 32), Size(8, 4, 16), Size(16, 8, 32)
TRAINING_IMAGES = 2000
SHORT = 10
"""How often what takes milliseconds is done for one time."""
RATE, MOMENTUM, L2, ARCH_L2, GRAD_CLIP = 0.025, 0.9, 3e-4, 1e-3, 5.0
CONFIG = {
    "learning_rate": RATE,
    "momentum": MOMENTUM,
    "weight_decay": L2,
    "grad_clip": GRAD_CLIP,
    "finite_difference_radius": 0.01,
}
QUIET = Randomness()


class Pair:
    """One supernet in both implementations, of the same weights and alphas, and made-up images for both."""

    def __init__(self, space: str, size: Size) -> None:
        channels, cells, side, self.batch_size = size
        self.setting = f"{space.upper()}, C={channels}, {cells} cells, {side}x{side}, batch {self.batch_size}"
        torch.manual_seed(0)
        self.theirs = reference.Supernet(space, channels, cells, CLASSES)
        names = load_space(space)
        layout = layout_of(channels)
        self.ours = Supernet(names["normal"], names["reduce"], channels, cells, CLASSES, layout=layout)
        self.ours.load_state_dict(self.theirs.state_dict())
        self.ours = self.ours.to(memory_format=torch.channels_last)
        self.alphas = self.ours.initial_alphas(torch.Generator().manual_seed(1))
        self.theirs.set_alphas({kind: alpha.detach() for kind, alpha in self.alphas._asdict().items()})
        self.optimizer = weight_optimizer(self.ours, Search(learning_rate=RATE, momentum=MOMENTUM), L2)
        self.buffers = {name: torch.zeros_like(weight) for name, weight in self.theirs.named_parameters()}
        self.part = random_part(image_settings(side), TRAINING_IMAGES)
        self.draws = torch.Generator().manual_seed(4)
        self.batches = ShuffledBatches(TRAINING_IMAGES // 2, self.batch_size, self.draws)

    @cached_property
    def loaders(self) -> SearchLoaders:
        """Theirs, whose processes start when they are first asked for."""
        images = self.part.images.permute(0, 2, 3, 1).contiguous().numpy()
        return SearchLoaders(images, self.part.labels.numpy(), self.batch_size)

    def train_batch(self) -> Batch:
        """Ours."""
        return self.part.batch(next(self.batches), self.draws)

    def alpha_batch(self) -> Batch:
        """Ours, from the other half."""
        order = torch.randperm(TRAINING_IMAGES // 2, generator=self.draws)[: self.batch_size]
        return self.part.batch(TRAINING_IMAGES // 2 + order, self.draws)

    def our_step(self, order: int) -> None:
        """An alpha gradient and a weight step; the alphas stay, so that every round does the same."""
        train, valid = self.train_batch(), self.alpha_batch()
        if order == 1:
            first_order_gradient(self.ours, self.alphas, valid, QUIET)
        else:
            rule, buffers = WeightRule(RATE, MOMENTUM, L2), momentum_buffers(self.ours, self.optimizer)
            second_order_gradient(self.ours, self.alphas, train, valid, rule, buffers, QUIET)
        weight_step(self.ours, self.alphas, train, self.optimizer, GRAD_CLIP, QUIET)

    def their_step(self, order: int) -> None:
        """The same in the plain reference."""
        (x, y), (x_valid, y_valid) = self.loaders.train_batch(), self.loaders.alpha_batch()
        batch = {"x_train": x, "y_train": y, "x_valid": x_valid, "y_valid": y_valid}
        if order == 1:
            reference.gradient_first_order(self.theirs, x_valid, y_valid)
        else:
            reference.gradient_second_order(self.theirs, batch, self.buffers, CONFIG)
        reference.weight_step(self.theirs, batch, self.buffers, CONFIG)

    def steps(self, times: int = 1) -> dict[int, Work]:
        """Our steps to measure, by order; of so many steps the mean."""
        names = {2: "search step, second order", 1: "search step, first order"}
        return {
            order: Work(name, self.setting, timed(_of(self.our_step, order), times)) for order, name in names.items()
        }

    def first_step(self) -> Work:
        """Our step of first order, of which the first compiles its loops."""
        return Work("first step, compiling", self.setting, timed(_of(self.our_step, 1)))


def search_steps(space: str, size: Size, rounds: int) -> tuple[list[Comparison], dict[str, Any]]:
    """Second- and first-order steps; with them what they dispatch and what their arithmetic alone would take."""
    pair = Pair(space, size)
    compared = [
        compare(step, timed(_of(pair.their_step, order)), "plain reference", rounds)
        for order, step in pair.steps().items()
    ]
    counted: dict[str, Any] = {"setting": pair.setting}
    counted["operations_ours"] = operations_dispatched(_of(pair.our_step, 2))
    counted["operations_reference"] = operations_dispatched(_of(pair.their_step, 2))
    counted["floating_point_operations"] = floating_point_operations(_of(pair.their_step, 2))
    counted["convolution_rate"] = convolution_rate()
    counted["arithmetic_seconds"] = counted["floating_point_operations"] / counted["convolution_rate"]
    return compared, counted


def random_search_work(pair: Pair, choices: torch.Generator) -> Work:
    """A weight step of RS-ws, of architectures drawn from `choices`."""
    optimizer = weight_optimizer(pair.ours, Search(learning_rate=RATE, momentum=MOMENTUM), L2, alone=True)

    def step() -> None:
        architecture = random_architecture(pair.ours, choices)
        random_weight_step(pair.ours, optimizer, pair.train_batch(), architecture, GRAD_CLIP, QUIET)

    return Work("RS-ws step", pair.setting, timed(step, SHORT))


def random_search_step(space: str, size: Size, rounds: int) -> Comparison:
    """A weight step of RS-ws; the published code runs all operations and multiplies those not chosen by 0."""
    pair = Pair(space, size)
    choices = torch.Generator().manual_seed(5)

    def theirs() -> None:
        x, y = pair.loaders.train_batch()
        weights = one_hot(pair.ours, random_architecture(pair.ours, choices))._asdict()
        reference.weight_step(pair.theirs, {"x_train": x, "y_train": y}, pair.buffers, CONFIG, weights)

    return compare(random_search_work(pair, choices), timed(theirs), "plain reference, all run", rounds)


def curvature_work(pair: Pair, batch: Batch) -> Work:
    """The dominant eigenvalue of one batch."""

    def measurement() -> None:
        product = hessian_product(pair.ours, pair.alphas, batch, QUIET)
        dominant_eigenvalue(product, pair.alphas, ARCH_L2, torch.Generator().manual_seed(6))

    return Work("dominant eigenvalue", pair.setting, timed(measurement))


def hessian_work(pair: Pair, batch: Batch) -> Work:
    """The full Hessian of one batch."""

    def measurement() -> None:
        full_hessian(hessian_product(pair.ours, pair.alphas, batch, QUIET), pair.alphas, ARCH_L2)

    return Work("full Hessian", pair.setting, timed(measurement))


def curvature(space: str, size: Size, rounds: int) -> Comparison:
    """The dominant eigenvalue of one batch; the published code computes the whole Hessian, row by row."""
    pair = Pair(space, size)
    images, labels = pair.alpha_batch()

    def theirs() -> None:
        matrix = reference.hessian_alphas(pair.theirs, images.contiguous(), labels, ARCH_L2)
        reference.dominant_eigenvalue(matrix)

    return compare(curvature_work(pair, (images, labels)), timed(theirs), "full Hessian by rows", rounds)


def data_work(pair: Pair) -> Work:
    """A batch for the alphas."""
    _, _, side, batch = PAPER
    return Work("data batch", f"{batch} images, {side}x{side}, augmented", timed(pair.alpha_batch, SHORT))


def data_batch(rounds: int) -> Comparison:
    """A batch for the alphas."""
    pair = Pair("s2", PAPER)
    return compare(data_work(pair), timed(pair.loaders.alpha_batch), "a new loader", rounds)


def _of(step: Callable[[int], None], order: int) -> Callable[[], None]:
    return lambda: step(order)
