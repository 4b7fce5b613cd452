"""A step of training a genotype from scratch against the plain reference, and whole short trainings."""

from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from workflow_scripts.benchmark.made_up_images import CLASSES, image_settings, random_part
from workflow_scripts.benchmark.paired_timing import Call, Comparison, Work, compare, timed
from workflow_scripts.cells.genotype_network import EvaluationNetwork
from workflow_scripts.cells.genotype_training import train_genotype
from workflow_scripts.reference import evaluation_network as reference
from workflow_scripts.reference.genotype import Genotype as ReferenceGenotype
from workflow_scripts.runtime.progress import Silent
from workflow_scripts.study.cell_job_settings import EvaluationJob, layout_of
from workflow_scripts.study.cell_settings import Training
from workflow_scripts.tables.genotype import Genotype

CHANNELS, CELLS, SIDE, BATCH = 16, 8, 32, 32
NODE = (("sep_conv_3x3", 0), ("dil_conv_3x3", 1))
SKIPPING = (("sep_conv_3x3", 0), ("skip_connect", 2))
CELL = NODE + SKIPPING + NODE + SKIPPING
TESTED = 10  # images


class Size(NamedTuple):
    """Of a training: channels, cells, side of the images in pixels, images in a batch, steps."""

    channels: int
    cells: int
    side: int
    batch: int
    steps: int


TRAININGS = (Size(8, 4, 8, 64, 100), Size(8, 4, 16, 64, 40), Size(CHANNELS, CELLS, SIDE, BATCH, 10))
"""With so many steps that what is done once in a training, such as making the network, is a few percent."""


def evaluation_step(rounds: int) -> Comparison:
    """One clipped SGD step of a network without auxiliary head."""
    network, (images, labels) = _network(), _batch()
    theirs = reference.EvaluationNetwork(
        ReferenceGenotype(CELL, range(2, 6), CELL, range(2, 6)), CHANNELS, CELLS, CLASSES, auxiliary=False
    )
    theirs.load_state_dict(network.state_dict())
    return compare(_work(network), timed(_step(theirs, images, labels)), "plain reference", rounds)


def training_work(size: Size) -> Work:
    """One epoch of a training as a job does it, augmented, with a test on a few images at its end."""
    channels, cells, side, batch, steps = size
    images = image_settings(side)
    settings = Training(
        epochs=1, batch_size=batch, init_channels=channels, layers=cells, drop_path=0.0, auxiliary_weight=0.0
    )
    job = EvaluationJob(images=images, training=settings, seed=1, layout=layout_of(channels))
    train, test = random_part(images, steps * batch), random_part(images, TESTED)
    return Work(
        f"training, {steps} steps",
        f"C={channels}, {cells} cells, {side}x{side}, batch {batch}",
        timed(lambda: train_genotype(Genotype(CELL, CELL), job, train, test, Silent(), torch.device("cpu"))),
    )


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
