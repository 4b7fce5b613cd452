"""How long jobs will take on the device at hand: a short measurement of each kind of step, scaled by arithmetic.

A step is measured at its own size where that is small. Larger ones are measured at a smaller size, on torch's modules,
which are slower than the compiled loops, and scaled by the multiply-adds of a forward pass.
Numbers of steps and epochs are those of the settings; trainings that stop early take less.
"""

import math
from dataclasses import dataclass, field
from functools import cache

import torch

from workflow_scripts.benchmark.durations import seconds_added, seconds_of_one_more
from workflow_scripts.benchmark.made_up_images import random_part
from workflow_scripts.cells.genotype_network import EvaluationNetwork
from workflow_scripts.cells.genotype_training import multiply_adds, train_genotype
from workflow_scripts.cells.random_search_with_weight_sharing import run_random_search
from workflow_scripts.cells.search import run_search
from workflow_scripts.cells.supernet import Supernet
from workflow_scripts.depth.networks import ConvolutionalNetwork
from workflow_scripts.depth.run_setup import RunData, build, load
from workflow_scripts.depth.run_setup import train as train_depth
from workflow_scripts.runtime.multiply_adds import count_multiply_adds
from workflow_scripts.runtime.progress import Silent
from workflow_scripts.study.cell_job_settings import EvaluationJob, SearchJob, SupernetJob
from workflow_scripts.study.depth_settings import DepthRun, ImageRun, SpiralData
from workflow_scripts.tables.genotype import Genotype

OWN_SIZE = 600_000_000
"""Multiply-adds of a batch's forward pass up to which a step is measured at its own size."""
SMALL_CHANNELS, SMALL_CELLS, SMALL_SIDE = 8, 3, 16
FORWARDS_OF_STEP = {1: 6.0, 2: 15.0}
"""Forward passes that a search step of first and second order costs, where a backward pass counts as two."""
FORWARDS_OF_TRAINING = 3.0
PRODUCTS_OF_LANCZOS = 11.0
"""Hessian-vector products of one dominant eigenvalue, of which a full Hessian needs one for every alpha."""
DECISIONS, EDGES_OF_NODES = 17, 12
"""Of DARTS-PT: 14 edges and 3 nodes; the edges that are removed in turn from these nodes, 3, 4 and 5."""
STEPS = (1, 4)
EPOCHS = (20, 100)
SHALLOW, NARROW = 20, 50
"""Blocks and units up to which a network on spirals is measured; larger ones are scaled."""


@dataclass
class Calibration:
    """Measured times by what they depend on, each measured once. Its methods raise NotMeasured."""

    device: torch.device
    searches: dict[object, tuple[float, float]] = field(default_factory=dict)
    trainings: dict[object, float] = field(default_factory=dict)
    depths: dict[object, float] = field(default_factory=dict)

    def search(self, job: SearchJob) -> float:
        """Seconds of a search, of any kind."""
        step, curvature = self._step(job)
        steps = job.search.steps_per_epoch or math.ceil(job.weight_images / job.search.batch_size)
        validation = job.alpha_images / job.search.batch_size / FORWARDS_OF_STEP[job.search.order]
        epochs = job.search.epochs
        if job.random_ws is not None:
            scored = job.random_ws.samples * job.random_ws.batches / FORWARDS_OF_TRAINING
            return step * (epochs * steps + scored)
        return step * epochs * (steps + validation) + curvature * _measurements(job) * _curvature_work(job)

    def supernet(self, job: SupernetJob) -> float:
        """Seconds of a selection by perturbation (DARTS-PT)."""
        assert job.perturbation is not None
        search = job.search.search
        step, _ = self._step(job.search)
        tuning = (DECISIONS - 1) * job.perturbation.tuning_epochs
        steps = tuning * (search.steps_per_epoch or math.ceil(job.search.weight_images / search.batch_size))
        operations = sum(len(names) for names in (*job.search.normal, *job.search.reduce))
        removals = (operations + 2 * EDGES_OF_NODES) * job.search.alpha_images / search.batch_size
        return step * (steps + removals / FORWARDS_OF_STEP[search.order])

    def _step(self, job: SearchJob) -> tuple[float, float]:
        """Seconds of a step of a search, and of a dominant eigenvalue on one batch."""
        size = _search_size(job)
        base = job if size <= OWN_SIZE else _smaller(job)
        random = job.random_ws is not None
        step_alone = base.search.model_copy(update={"epochs": 1, "steps_per_epoch": 1})
        key: object = (base.images, step_alone, base.space, random) if base is job else (step_alone, random)
        if key not in self.searches:
            self.searches[key] = self._search(base)
        scale = size / _search_size(base)
        step, curvature = self.searches[key]
        return step * scale, curvature * scale

    def _search(self, job: SearchJob) -> tuple[float, float]:
        """Seconds of a step, and of a dominant eigenvalue on one batch."""
        few = min(64, job.search.batch_size)
        images = 4 * max(few, job.search.batch_size)
        part = random_part(job.images, 2 * images, self.device)

        def run(steps: int, kind: str) -> None:
            curvature = job.search.curvature.model_copy(update={"kind": kind, "images": None, "every": 1})
            search = job.search.model_copy(update={"epochs": 1, "steps_per_epoch": steps, "curvature": curvature})
            changed = job.model_copy(update={"search": search, "weight_images": images, "alpha_images": images})
            if job.random_ws is not None:
                samples = job.random_ws.model_copy(update={"samples": 1, "finalists": 1, "batches": 1})
                run_random_search(changed.model_copy(update={"random_ws": samples}), part, Silent(), self.device)
            else:
                run_search(changed.model_copy(update={"stop": None, "adaptive": None}), part, Silent(), self.device)

        step = seconds_of_one_more(lambda steps: run(steps, "none"), STEPS, self.device)
        if job.random_ws is not None or job.search.curvature.kind == "none":
            return step, 0.0
        run(1, "dominant")
        return step, seconds_added(lambda: run(1, "dominant"), lambda: run(1, "none"), self.device)

    def training(self, job: EvaluationJob, train_images: int, test_images: int) -> float:
        """Seconds of a training from scratch."""
        settings = job.training
        size = _training_size(job)
        small = {"init_channels": SMALL_CHANNELS, "layers": 5, "auxiliary_weight": 0.0}
        base = job
        if size > OWN_SIZE:
            images = job.images.model_copy(update={"side": SMALL_SIDE, "padding": 2, "cutout": 8})
            training = settings.model_copy(update=small)
            base = job.model_copy(update={"images": images, "training": training, "layout": "modules"})
        step_alone = base.training.model_copy(update={"epochs": 1})
        key: object = (base.images, step_alone) if base is job else step_alone
        if key not in self.trainings:
            self.trainings[key] = self._training(base)
        step = self.trainings[key] * size / _training_size(base)
        tested = test_images / settings.batch_size / FORWARDS_OF_TRAINING
        return step * settings.epochs * (math.ceil(train_images / settings.batch_size) + tested)

    def _training(self, job: EvaluationJob) -> float:
        test = random_part(job.images, 10, self.device)

        def run(steps: int) -> None:
            training = job.training.model_copy(update={"epochs": 1})
            part = random_part(job.images, steps * training.batch_size, self.device)
            changed = job.model_copy(update={"training": training})
            train_genotype(_genotype(), changed, part, test, Silent(), self.device)

        return seconds_of_one_more(run, STEPS, self.device)

    def depth(self, run: DepthRun) -> float:
        """Seconds of a depth training that does not stop early."""
        if isinstance(run.data, ImageRun):
            return self._depth_of_images(run)
        depth, width = min(run.max_depth, SHALLOW), min(run.width, NARROW)
        base = DepthRun(**{**run.model_dump(), "max_depth": depth, "width": width, "data": SpiralData()})
        key = (base.model, depth, width)
        if key not in self.depths:
            self.depths[key] = seconds_of_one_more(lambda epochs: _train_spirals(base, epochs), EPOCHS, self.device)
        return self.depths[key] * _spiral_size(run) / _spiral_size(base) * run.training.epochs

    def _depth_of_images(self, run: DepthRun) -> float:
        """Scaled from a network of few blocks by the arithmetic of a forward pass."""
        assert isinstance(run.data, ImageRun)
        key = (run.data.images, run.width, run.data.inner_width)
        few = run.model_copy(update={"max_depth": 2, "model": "ldn"})
        if key not in self.depths:
            self.depths[key] = seconds_of_one_more(
                lambda steps: _train_images(few, steps, self.device), STEPS, self.device
            )
        scale = _depth_size(run) / _depth_size(few)
        steps = math.ceil(run.data.train_images / run.training.batch_size)
        held_out = run.data.held_out_images / run.training.batch_size / FORWARDS_OF_TRAINING
        return self.depths[key] * scale * run.training.epochs * (steps + held_out)


def _measurements(job: SearchJob) -> int:
    curvature = job.search.curvature
    return 0 if curvature.kind == "none" else math.ceil(job.search.epochs / curvature.every)


def _curvature_work(job: SearchJob) -> float:
    """Of one measurement, relative to a dominant eigenvalue on one batch."""
    curvature = job.search.curvature
    images = (curvature.images or job.search.batch_size) / job.search.batch_size
    alphas = sum(len(operations) for cell in (job.normal, job.reduce) for operations in cell)
    return images * (alphas / PRODUCTS_OF_LANCZOS if curvature.kind == "full" else 1.0)


def _smaller(job: SearchJob) -> SearchJob:
    images = job.images.model_copy(update={"side": SMALL_SIDE, "padding": 2, "cutout": 8})
    search = job.search.model_copy(update={"init_channels": SMALL_CHANNELS, "layers": SMALL_CELLS})
    return job.model_copy(update={"images": images, "search": search, "layout": "modules"})


def _search_size(job: SearchJob) -> float:
    """Multiply-adds of a batch's forward pass; of random search, of one architecture among all."""
    operations = tuple(tuple(map(tuple, cell)) for cell in (job.normal, job.reduce))
    whole = _supernet_size(
        *operations, job.search.init_channels, job.search.layers, job.images.channels, job.images.side
    )
    return float(whole * job.search.batch_size)


@cache
def _supernet_size(
    normal: tuple[tuple[str, ...], ...],
    reduce: tuple[tuple[str, ...], ...],
    channels: int,
    layers: int,
    colours: int,
    side: int,
) -> int:
    candidates = ([list(each) for each in normal], [list(each) for each in reduce])
    network = Supernet(*candidates, channels, layers, 10, image_channels=colours).eval()
    alphas = network.initial_alphas(torch.Generator().manual_seed(1))
    draws = torch.Generator().manual_seed(1)
    return count_multiply_adds(lambda: network(torch.zeros(1, colours, side, side), alphas, 0.0, draws))


def _training_size(job: EvaluationJob) -> float:
    settings = job.training
    size = _network_size(settings.init_channels, settings.layers, job.images.channels, job.images.side)
    return float(size * settings.batch_size)


@cache
def _network_size(channels: int, layers: int, colours: int, side: int) -> int:
    network = EvaluationNetwork(_genotype(), channels, layers, 10, False, image_channels=colours)
    return multiply_adds(network, (colours, side, side))


def weights_bytes(job: EvaluationJob) -> int:
    """Bytes of a trained network's weights."""
    settings = job.training
    return 4 * _parameters(settings.init_channels, settings.layers, job.images.channels)


@cache
def _parameters(channels: int, layers: int, colours: int) -> int:
    network = EvaluationNetwork(_genotype(), channels, layers, 10, False, image_channels=colours)
    return network.parameter_count(False)


def _genotype() -> Genotype:
    """An architecture of separable convolutions, which cost most of what is usually found."""
    cell = 4 * (("sep_conv_3x3", 0), ("sep_conv_3x3", 1))
    return Genotype(cell, cell)


def _spiral_size(run: DepthRun) -> float:
    """Multiply-adds of the blocks in an epoch, about: each has two layers."""
    assert isinstance(run.data, SpiralData)
    return float(max(1, run.max_depth) * 2 * run.width**2 * run.data.train_size)


def _depth_size(run: DepthRun) -> float:
    """Multiply-adds of two images' forward pass, which grow by the same with every block."""
    assert isinstance(run.data, ImageRun)
    images = run.data.images
    one, two = (
        _blocks_size(run.width, run.data.inner_width, images.channels, images.side, blocks) for blocks in (1, 2)
    )
    return float(one + (run.max_depth - 1) * (two - one))


@cache
def _blocks_size(width: int, inner_width: int, colours: int, side: int, blocks: int) -> int:
    network = ConvolutionalNetwork(colours, width, inner_width, 10, blocks).eval()
    return count_multiply_adds(lambda: network(torch.zeros(2, colours, side, side)))


def _train_spirals(run: DepthRun, epochs: int) -> None:
    settings = run.training.model_copy(update={"epochs": epochs, "patience": epochs})
    changed = run.model_copy(update={"training": settings})
    train_depth(build(changed), load(changed), changed)


def _train_images(run: DepthRun, steps: int, device: torch.device) -> None:
    assert isinstance(run.data, ImageRun)
    settings = run.training.model_copy(update={"epochs": 1})
    count, side = steps * settings.batch_size, run.data.images.side
    draws = torch.Generator().manual_seed(1)
    x = torch.randn(count, run.data.images.channels, side, side, generator=draws).to(device)
    y = torch.randint(0, run.data.images.classes, (count,), generator=draws).to(device)
    few = (x[:10], y[:10])
    train_depth(build(run).to(device), RunData((x, y), few, few), run.model_copy(update={"training": settings}))
