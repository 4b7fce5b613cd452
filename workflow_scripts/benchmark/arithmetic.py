"""What a step would take if it were nothing but its convolutions, done at the speed of the machine's best ones."""

import time
from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

CHANNELS, SIDE, IMAGES = 64, 32, 32  # of a convolution large enough to run at full speed
REPEATS = 9


def operations_dispatched(call: Callable[[], object]) -> int:
    """How many operations of torch one call dispatches, backward passes included; compiled loops dispatch none."""
    counter = _Dispatched()
    with counter:
        call()
    return counter.count


def floating_point_operations(call: Callable[[], object]) -> int:
    """Additions and multiplications of the convolutions and matrix products that torch does in one call."""
    counter = FlopCounterMode(display=False)
    with counter:
        call()
    return int(counter.get_total_flops())


def convolution_rate() -> float:
    """Floating-point operations per second of a dense 3x3 convolution, forward, the best of a few."""
    images = torch.randn(IMAGES, CHANNELS, SIDE, SIDE).to(memory_format=torch.channels_last)
    kernel = torch.randn(CHANNELS, CHANNELS, 3, 3).to(memory_format=torch.channels_last)
    work = floating_point_operations(lambda: F.conv2d(images, kernel, padding=1))
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        F.conv2d(images, kernel, padding=1)
        seconds.append(time.perf_counter() - start)
    return work / min(seconds)


class _Dispatched(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += 1
        return func(*args, **(kwargs or {}))
