"""Learning-rate schedules in closed form, so that no scheduler object is one step ahead or behind."""

import math


def cosine_rate(epoch: int, epochs: int, highest: float, lowest: float) -> float:
    """The learning rate of an epoch, from `highest` at epoch 0 towards `lowest` at epoch `epochs`."""
    return lowest + (highest - lowest) * (1 + math.cos(math.pi * epoch / epochs)) / 2
