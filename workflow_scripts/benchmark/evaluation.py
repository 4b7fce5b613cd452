"""A step of training a genotype from scratch against the plain reference."""

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from tests.reference import evaluation_network as reference
from tests.reference.genotype import Genotype as ReferenceGenotype
from workflow_scripts.benchmark.compare import Call, Comparison, compare
from workflow_scripts.cells.evaluation_network import EvaluationNetwork
from workflow_scripts.study.cell_jobs import layout_of
from workflow_scripts.tables.genotype import Genotype

CHANNELS, CELLS, SIDE, BATCH, CLASSES = 16, 8, 32, 32, 10
NODE = (("sep_conv_3x3", 0), ("dil_conv_3x3", 1))
SKIPPING = (("sep_conv_3x3", 0), ("skip_connect", 2))


def evaluation_step(rounds: int) -> Comparison:
    """One clipped SGD step of a network without auxiliary head."""
    torch.manual_seed(0)
    cell = NODE + SKIPPING + NODE + SKIPPING
    layout = layout_of(CHANNELS)
    ours = EvaluationNetwork(Genotype(cell, cell), CHANNELS, CELLS, CLASSES, auxiliary=False, layout=layout)
    theirs = reference.EvaluationNetwork(
        ReferenceGenotype(cell, range(2, 6), cell, range(2, 6)), CHANNELS, CELLS, CLASSES, auxiliary=False
    )
    theirs.load_state_dict(ours.state_dict())
    images, labels = torch.randn(BATCH, 3, SIDE, SIDE), torch.randint(0, CLASSES, (BATCH,))
    last = images.contiguous(memory_format=torch.channels_last)
    setting = f"C={CHANNELS}, {CELLS} cells, {BATCH} images, {SIDE}x{SIDE}"
    return compare(
        "evaluation step",
        setting,
        _step(ours.to(memory_format=torch.channels_last), last, labels, foreach=True),
        _step(theirs, images, labels),
        "plain reference",
        rounds,
    )


def _step(network: nn.Module, images: torch.Tensor, labels: torch.Tensor, **options: Any) -> Call:
    optimizer = torch.optim.SGD(network.parameters(), 0.025, 0.9, weight_decay=3e-4, **options)

    def step() -> None:
        logits, _ = network(images)
        optimizer.zero_grad()
        F.cross_entropy(logits, labels).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()

    return step
