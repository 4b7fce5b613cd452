"""An image depth network's pass on a processor as one function of autograd over compiled loops.

The same function as the modules of `networks.py`, where both widths are multiples of eight, in far fewer calls and
passes over memory. The head, which is small, stays in modules.
"""

import math
from collections.abc import Sequence
from functools import cache
from itertools import accumulate
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional

from workflow_scripts.depth.image_kernels import Array
from workflow_scripts.depth.image_loops import INPUTS, OUTPUTS, SIDE, Memory, Sizes, backward, forward
from workflow_scripts.runtime.vectors import lanes_for

POOLED = 6  # side of the first convolution's windows together with the pooling after it
PARAMETERS_OF_BLOCK = 12
NUMBERS = 4096  # that a layer reads of the images which pass through it together, about
CACHE_LINE = 64  # bytes; vectors that lie on two lines are slow


def can_pass(module: nn.Module, images: Tensor) -> bool:
    """Whether `means_of_states` can replace the modules: on a processor, in full precision.

    Its gradients are those of parameters alone, and of batch statistics.
    """
    full = images.dtype == next(module.parameters()).dtype and images.dtype in (torch.float32, torch.float64)
    on_processor = images.device.type == "cpu" and not torch.is_autocast_enabled("cpu")
    return full and on_processor and not images.requires_grad and (module.training or not torch.is_grad_enabled())


def means_of_states(convolution: nn.Conv2d, blocks: Sequence[nn.Sequential], images: Tensor, training: bool) -> Tensor:
    """The means over pixels (D+1, N, C) of the states at all depths, of images (N, colours, height, width).

    The states are that of convolution and pooling of 2 x 2, and those after each residual branch in `blocks`, which is
    three times BatchNorm, ReLU, convolution. In training BatchNorms use the batch's statistics, and their running ones
    move; else they use the running ones.
    """
    layers: Any = [layer for block in blocks for layer in block if not isinstance(layer, nn.ReLU)]
    norms = layers[::2]
    parameters = [parameter for layer in layers for parameter in (layer.weight, layer.bias)]
    running = [norm.running_mean for norm in norms] + [norm.running_var for norm in norms]
    widths = [norm.num_features for norm in norms]
    epsilon = norms[0].eps if norms else 0.0
    statistics = torch.empty(2 * sum(widths), dtype=images.dtype)
    if norms and not training:
        torch.cat(running, out=statistics)
    means: Tensor = _MeansOfStates.apply(
        images, statistics, training, epsilon, torch.is_grad_enabled(), _pooled(convolution.weight),
        convolution.bias, *parameters,
    )  # fmt: skip
    if norms and training:
        torch._foreach_lerp_(running, list(statistics.split(2 * widths)), norms[0].momentum)
        torch._foreach_add_([norm.num_batches_tracked for norm in norms], 1)
    return means


def _pooled(weight: Tensor) -> Tensor:
    """The weight (C, colours, 6, 6) of one convolution of stride 2 that is the input layer's, and pooling of 2 x 2."""
    shifted = [functional.pad(weight, (left, 1 - left, top, 1 - top)) for left in (0, 1) for top in (0, 1)]
    return torch.stack(shifted).mean(0)


class _MeansOfStates(Function):
    @staticmethod
    def forward(
        ctx: Any, images: Tensor, statistics: Tensor, training: bool, epsilon: float, grad: bool, *parameters: Tensor
    ) -> Tensor:
        """See `means_of_states`; `statistics` are read, or in training written."""
        count, colours, image_height, image_width = images.shape
        height, width = (side // 2 - 2 for side in (image_height, image_width))
        outer, blocks = len(parameters[1]), (len(parameters) - 2) // PARAMETERS_OF_BLOCK
        inner = len(parameters[4]) if blocks else outer
        together = max(1, min(count, NUMBERS // ((height + 2) * (width + 2) * inner)))
        sizes = Sizes(count, image_width, height, width, together)
        table, layers = _table(colours, outer, inner, blocks, count * height * width, grad)
        memory, arena = _memory(sizes, table, layers, images.dtype, grad)
        means, lanes = torch.empty(blocks + 1, count, outer, dtype=images.dtype), lanes_for(outer, inner)
        x, line = images.permute(0, 2, 3, 1).reshape(-1), torch.cat([_line(parameter) for parameter in parameters])
        passed = table, sizes, x.numpy(), line.numpy()
        forward(*passed, statistics.numpy(), training, epsilon, means.view(-1).numpy(), memory, lanes)
        if grad:
            ctx.passed, ctx.memory, ctx.arena, ctx.lanes = passed, memory, arena, lanes
            ctx.shapes = [parameter.shape for parameter in parameters]
        else:
            _spare[:] = [arena]
        return means

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_means: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of the parameters."""
        if ctx.memory is None:
            raise RuntimeError("a pass has one backward pass, and this one had it; pass the images again")
        lengths = [math.prod(shape) for shape in ctx.shapes]
        line = torch.zeros(sum(lengths), dtype=of_means.dtype)
        table, sizes, images, parameters = ctx.passed
        passed = of_means.reshape(-1).numpy(), line.numpy(), ctx.memory, ctx.lanes
        backward(table, sizes, images, parameters, *passed)
        _spare[:] = [ctx.arena]
        ctx.memory = None  # another pass may write there from now on
        return None, None, None, None, None, *map(_unline, line.split(lengths), ctx.shapes)


def _line(parameter: Tensor) -> Tensor:
    """A parameter as one line of numbers, weights as (outputs, height, width, inputs)."""
    return parameter.permute(0, 2, 3, 1).reshape(-1) if parameter.dim() == 4 else parameter


def _unline(line: Tensor, shape: torch.Size) -> Tensor:
    """The inverse of `_line`."""
    if len(shape) < 4:
        return line
    outputs, inputs, height, width = shape
    return line.view(outputs, height, width, inputs).permute(0, 3, 1, 2)


@cache
def _table(colours: int, outer: int, inner: int, blocks: int, pixels: int, keeps: bool) -> tuple[Array, int]:
    """The rows of the layers, and how many numbers `layers` holds; without `keeps` all blocks use the same ones."""
    state, inside = pixels * outer, pixels * inner

    def place(depth: int) -> int:
        return depth * (state + 2 * inside) if keeps else depth % 2 * state

    rows = [(colours, outer, POOLED, -1, -1, 0, -1, 0, -1, -1, 0)]
    parameter, norm = POOLED * POOLED * colours * outer + outer, 0
    for depth in range(blocks):
        x, y = place(depth), place(depth + 1)
        first = x + state if keeps else 2 * state
        second = first + inside
        for inputs, outputs, side, source, to, before, after in (
            (outer, inner, 1, x, first, -1, -1),
            (inner, inner, 3, first, second, -1, -1),
            (inner, outer, 1, second, y, x, depth + 1),
        ):
            bias, weight = -1 if source == x else parameter - inputs, parameter + 2 * inputs
            rows.append((inputs, outputs, side, source, bias, to, before, after, norm, parameter, weight))
            parameter, norm = weight + side * side * inputs * outputs + outputs, norm + inputs
    return np.array(rows), place(blocks) + state if keeps else 2 * (state + inside)


_spare: list[Array] = []
"""The memory of an earlier pass: new memory costs a page fault for each of its pages."""


def _memory(sizes: Sizes, table: Array, layers: int, dtype: torch.dtype, keeps: bool) -> tuple[Memory, Array]:
    """Memory of a forward pass, with `keeps` of its backward pass, too; and the bytes that it lies in."""
    precision = torch.empty(0, dtype=dtype).numpy().dtype
    widest, outer = int(table[:, [INPUTS, OUTPUTS]].max()), int(table[0, OUTPUTS])
    pixels = sizes.images * sizes.height * sizes.width
    frame = sizes.together * (sizes.height + 2) * (sizes.width + 2) * widest
    weights = int((table[:, INPUTS] * table[:, OUTPUTS] * table[:, SIDE] ** 2).max())
    lengths = (
        layers, 4 * int(table[1:, INPUTS].sum()), frame, keeps * frame, keeps * frame, weights, keeps * weights,
        3 * widest, keeps * 2 * pixels * widest, keeps * pixels * outer,
    )  # fmt: skip
    ends = list(accumulate(-(-length * precision.itemsize // CACHE_LINE) * CACHE_LINE for length in lengths))
    arena = _spare.pop() if _spare else np.empty(0, np.uint8)
    if len(arena) < ends[-1]:
        room = np.empty(ends[-1] + CACHE_LINE, np.uint8)
        arena = room[-room.ctypes.data % CACHE_LINE :]
    lines = [
        arena[start : start + length * precision.itemsize].view(precision)
        for start, length in zip([0, *ends], lengths, strict=False)
    ]
    lines.append(np.empty(2 * widest))
    lines += [np.empty(sizes.together * sizes.height * sizes.width, np.int64) for _ in range(2)]
    return Memory(*lines), arena
