"""How much arithmetic a forward pass does."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook


@torch.no_grad()
def count_multiply_adds(forward: Callable[[], object]) -> int:
    """Multiplications with additions of the modules Conv2d and Linear in one call.

    torch.utils.flop_counter counts the same, but loads torch's compiler (`runtime/optimizers.py`).
    """
    counts = []

    def note(module: nn.Module, _: object, output: Tensor) -> None:
        if isinstance(module, nn.Conv2d | nn.Linear):
            counts.append(output.numel() * module.weight[0].numel())

    hook = register_module_forward_hook(note)
    try:
        forward()
    finally:
        hook.remove()
    return sum(counts)
