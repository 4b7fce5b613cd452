"""How large the checkpoint of a job becomes, counted from the sizes of its tensors.

They are the network, its optimiser's momentum, the order of the images and, of depth runs, the best weights and the
history; what is left out, random generators' states and the alphas of every epoch, takes tens of kilobytes.
"""

from collections.abc import Iterable
from functools import cache
from typing import Any

import torch
from torch import Tensor

from workflow_scripts.cells.early_stopping import reach
from workflow_scripts.cells.genotype_network import EvaluationNetwork
from workflow_scripts.cells.supernet import Supernet
from workflow_scripts.depth.run_setup import build
from workflow_scripts.study.cell_job_settings import EvaluationJob, SearchJob
from workflow_scripts.study.depth_settings import DepthRun, DepthTraining
from workflow_scripts.study.settings_model import canonical
from workflow_scripts.tables.genotype import Genotype

INDEX_BYTES = 8
"""Of an image's place in the order of a pass."""
TENSOR_BYTES = 350
"""That torch adds to the numbers of each tensor it saves."""
EPOCH_BYTES = 85
"""Of an epoch in the history of a depth run."""
SEPARABLE = 4 * (("sep_conv_3x3", 0), ("sep_conv_3x3", 1))
"""A cell of separable convolutions, which have the most weights of what is usually found."""


def search_checkpoint(job: SearchJob) -> int:
    """Bytes of a search's checkpoint, with the epochs that DARTS-ADA may go back to."""
    search = job.search
    candidates = tuple(tuple(map(tuple, cell)) for cell in (job.normal, job.reduce))
    images = job.images
    network = _supernet(*candidates, search.init_channels, search.layers, images.classes, images.channels)
    state = network + INDEX_BYTES * job.weight_images
    if job.adaptive is None or job.stop is None:
        return state
    published = job.fidelity == "published"
    snapshots = search.epochs if published else min(search.epochs, reach(job.stop) + 1)
    return state * (1 + snapshots)


def training_checkpoint(job: EvaluationJob, train_images: int) -> int:
    """Bytes of the checkpoint of a training from scratch."""
    training, images = job.training, job.images
    network = _trained(training.init_channels, training.layers, images.classes, images.channels)
    return network + INDEX_BYTES * train_images


def depth_checkpoint(runs: list[DepthRun]) -> int:
    """Bytes of the checkpoint of a job of the depth search, in its last run."""
    largest = max(runs, key=lambda run: (run.max_depth, run.width))
    seeds_aside = largest.model_copy(update={"data_seed": 1, "weight_seed": 1, "training": DepthTraining()})
    return _depth(canonical(seeds_aside)) + EPOCH_BYTES * sum(run.training.epochs for run in runs)


@cache
def _supernet(normal: Any, reduce: Any, channels: int, layers: int, classes: int, colours: int) -> int:
    with torch.device("meta"):
        network = Supernet(normal, reduce, channels, layers, classes, image_channels=colours)
    return _bytes(network.state_dict().values()) + _bytes(network.parameters())


@cache
def _trained(channels: int, layers: int, classes: int, colours: int) -> int:
    genotype = Genotype(SEPARABLE, SEPARABLE)
    with torch.device("meta"):
        network = EvaluationNetwork(genotype, channels, layers, classes, False, image_channels=colours)
    return _bytes(network.state_dict().values()) + _bytes(network.parameters())


@cache
def _depth(run: str) -> int:
    """`run` is its canonical JSON."""
    with torch.device("meta"):
        model = build(DepthRun.model_validate_json(run))
    return 2 * _bytes(model.state_dict().values()) + _bytes(model.parameters())


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() + TENSOR_BYTES for tensor in tensors)
