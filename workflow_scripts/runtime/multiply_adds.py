"""How much arithmetic a forward pass does."""

from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode


@torch.no_grad()
def count_multiply_adds(forward: Callable[[], object]) -> int:
    """Multiplications with additions of the convolutions and matrix products in one call."""
    counter = FlopCounterMode(display=False)  # counts an addition and a multiplication as two
    with counter:
        forward()
    return int(counter.get_total_flops()) // 2
