"""Learning-rate schedules in closed form, so that no scheduler object is one step ahead or behind."""

import math

from workflow_scripts.runtime.optimizers import Optimizer


def cosine_rate(epoch: int, epochs: int, highest: float, lowest: float) -> float:
    """The learning rate of an epoch, from `highest` at epoch 0 towards `lowest` at epoch `epochs`."""
    return lowest + (highest - lowest) * (1 + math.cos(math.pi * epoch / epochs)) / 2


def cut_rate(epoch: int, rate: float, cut: int | None) -> float:
    """The learning rate of an epoch: constant, and a tenth from epoch `cut` on, where there is a cut."""
    return rate / 10 if cut is not None and epoch >= cut else rate


def set_rate(optimizer: Optimizer, rate: float) -> None:
    """Give an optimizer the learning rate of its next steps."""
    for group in optimizer.param_groups:
        group["lr"] = rate
