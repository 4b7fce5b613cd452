"""Timing of computations that a device may still be working on when the call returns."""

import time
from collections.abc import Callable

import torch


@torch.no_grad()
def milliseconds(compute: Callable[[], object], device: torch.device) -> float:
    """How long one call takes, until the device has finished it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    compute()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return 1000 * (time.perf_counter() - start)
