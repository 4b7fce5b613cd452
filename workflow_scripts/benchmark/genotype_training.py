"""A step of training a genotype from scratch against the plain reference."""

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from workflow_scripts.benchmark.paired_timing import Call, Comparison, Work, compare, timed
from workflow_scripts.cells.genotype_network import EvaluationNetwork
from workflow_scripts.reference import evaluation_network as reference
from workflow_scripts.reference.genotype import Genotype as ReferenceGenotype
from workflow_scripts.study.cell_job_settings import layout_of
from workflow_scripts.tables.genotype import Genotype

CHANNELS, CELLS, SIDE, BATCH, CLASSES = 16, 8, 32, 32, 10
NODE = (("sep_conv_3x3", 0), ("dil_conv_3x3", 1))
SKIPPING = (("sep_conv_3x3", 0), ("skip_connect", 2))
CELL = NODE + SKIPPING + NODE + SKIPPING


def evaluation_step(rounds: int) -> Comparison:
    """One clipped SGD step of a network without auxiliary head."""
    network, (images, labels) = _network(), _batch()
    theirs = reference.EvaluationNetwork(
        ReferenceGenotype(CELL, range(2, 6), CELL, range(2, 6)), CHANNELS, CELLS, CLASSES, auxiliary=False
    )
    theirs.load_state_dict(network.state_dict())
    return compare(_work(network), timed(_step(theirs, images, labels)), "plain reference", rounds)


def evaluation_work() -> Work:
    """Our step of the same."""
    return _work(_network())


def _work(network: EvaluationNetwork) -> Work:
    images, labels = _batch()
    images = images.contiguous(memory_format=torch.channels_last)
    step = _step(network.to(memory_format=torch.channels_last), images, labels, foreach=True)
    return Work("evaluation step", f"C={CHANNELS}, {CELLS} cells, {BATCH} images, {SIDE}x{SIDE}", timed(step))


def _network() -> EvaluationNetwork:
    torch.manual_seed(0)
    layout = layout_of(CHANNELS)
    return EvaluationNetwork(Genotype(CELL, CELL), CHANNELS, CELLS, CLASSES, auxiliary=False, layout=layout)


def _batch() -> tuple[torch.Tensor, torch.Tensor]:
    draws = torch.Generator().manual_seed(1)
    images = torch.randn(BATCH, 3, SIDE, SIDE, generator=draws)
    return images, torch.randint(0, CLASSES, (BATCH,), generator=draws)


def _step(network: nn.Module, images: torch.Tensor, labels: torch.Tensor, **options: Any) -> Call:
    weights = network.weights if isinstance(network, EvaluationNetwork) else list(network.parameters())
    optimizer = torch.optim.SGD(weights, 0.025, 0.9, weight_decay=3e-4, **options)

    def step() -> None:
        logits, _ = network(images)
        optimizer.zero_grad()
        F.cross_entropy(logits, labels).backward()
        nn.utils.clip_grad_norm_(weights, 5.0)
        optimizer.step()

    return step
