"""An image depth network's pass on a processor as one function of autograd over compiled loops.

The same function as the modules of `networks.py`, where both widths are multiples of eight, in far fewer calls and
passes over memory. The head, which is small, stays in modules.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from workflow_scripts.depth.image_kernels import Array, Lanes
from workflow_scripts.depth.image_loops import POOLED, Kept, Scratch, Sizes, backward, forward
from workflow_scripts.runtime.vectors import lanes_for

NUMBERS = 4096  # that a layer reads of the images which pass through it together, about
CACHE_LINE = 64  # bytes; vectors that lie on two lines are slow


def can_pass(module: nn.Module, images: Tensor) -> bool:
    """Whether `means_of_states` can replace the modules: on a processor, in full precision.

    Its gradients are those of parameters alone, and of batch statistics.
    """
    plain = images.device.type == "cpu" and not torch.is_autocast_enabled("cpu") and not images.requires_grad
    return plain and (module.training or not torch.is_grad_enabled())


def means_of_states(input_layer: nn.Module, blocks: nn.Module, images: Tensor) -> Tensor:
    """The means over pixels (D+1, N, C) of the states at all depths, of images (N, colours, height, width).

    In training mode BatchNorms use the batch's statistics, and their running ones move; else they use those.
    """
    layers = [layer for module in (input_layer, blocks) for layer in module.modules() if hasattr(layer, "weight")]
    norms = [layer for layer in layers if isinstance(layer, nn.BatchNorm2d)]
    parameters = [parameter for layer in layers for parameter in (layer.weight, layer.bias)]
    running = [[norm.running_mean for norm in norms], [norm.running_var for norm in norms]]
    statistics, epsilon = torch.empty(2, sum(norm.num_features for norm in norms), dtype=images.dtype), 0.0
    if norms:
        epsilon = norms[0].eps
        if not blocks.training:
            statistics = torch.stack([torch.cat(tensors) for tensors in running])
    grad = torch.is_grad_enabled()
    means: Tensor = _MeansOfStates.apply(images, statistics, blocks.training, epsilon, grad, *parameters)
    if norms and blocks.training:
        widths = [norm.num_features for norm in norms]
        for tensors, values in zip(running, statistics, strict=True):
            torch._foreach_lerp_(tensors, list(values.split(widths)), norms[0].momentum)
        torch._foreach_add_([norm.num_batches_tracked for norm in norms], 1)
    return means


class _Memory(NamedTuple):
    """What passes write to; all arrays lie in `arena`."""

    arena: Array
    kept: Kept
    scratch: Scratch
    flow: Array
    of_state: Array
    gradient: Array


class _MeansOfStates(Function):
    @staticmethod
    def forward(
        ctx: Any, images: Tensor, statistics: Tensor, training: bool, epsilon: float, grad: bool, *parameters: Tensor
    ) -> Tensor:
        """See `means_of_states`; `statistics` are read, or in training written."""
        sizes = _sizes(images, parameters)
        x = images.permute(0, 2, 3, 1).reshape(-1).numpy()
        weight, bias, blocks = _lines(parameters, sizes.blocks)
        memory = _memory(sizes, x.dtype, grad)
        means = torch.empty(sizes.blocks + 1, sizes.images * sizes.outer, dtype=images.dtype)
        running = None if training else statistics.numpy()
        lanes = lanes_for(sizes.outer, sizes.inner)
        forward(
            sizes, x, weight, bias, blocks, epsilon, running, memory.kept, means.numpy(), statistics.numpy(),
            memory.scratch, lanes,
        )  # fmt: skip
        if grad:
            ctx.memory, ctx.sizes, ctx.lanes, ctx.arrays, ctx.parameters = memory, sizes, lanes, (x, blocks), parameters
        else:
            _spare[:] = [memory.arena]
        return means.view(sizes.blocks + 1, sizes.images, sizes.outer)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_means: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of the parameters."""
        memory, sizes, (x, blocks) = ctx.memory, ctx.sizes, ctx.arrays
        ctx.memory = None  # another pass may write there from now on
        line = torch.empty(sum(parameter.numel() for parameter in ctx.parameters), dtype=of_means.dtype)
        first = ctx.parameters[0].numel()
        of_weight, of_bias, of_blocks = line[:first], line[first : first + sizes.outer], line[first + sizes.outer :]
        backward(
            sizes, x, blocks, of_means.reshape(sizes.blocks + 1, -1).numpy(), memory.kept, of_weight.numpy(),
            of_bias.numpy(), of_blocks.view(sizes.blocks, -1).numpy() if sizes.blocks else blocks, memory.flow, memory.of_state, memory.gradient,
            memory.scratch, ctx.lanes,
        )  # fmt: skip
        _spare[:] = [memory.arena]
        parts = line.split([parameter.numel() for parameter in ctx.parameters])
        return None, None, None, None, None, *map(_as_parameter, parts, ctx.parameters)


def _lines(parameters: tuple[Tensor, ...], blocks: int) -> tuple[Array, Array, Array]:
    """Weight and bias of the input layer, and a row of numbers for each block."""
    weight, bias, *rest = (
        parameter.permute(0, 2, 3, 1).reshape(-1) if parameter.dim() == 4 else parameter for parameter in parameters
    )
    rows = torch.cat(rest).view(blocks, -1) if rest else bias.new_empty(0, 0)
    return weight.numpy(), bias.numpy(), rows.numpy()


def _as_parameter(line: Tensor, parameter: Tensor) -> Tensor:
    """The inverse of what `_lines` does to a parameter."""
    if parameter.dim() < 4:
        return line
    outputs, inputs, height, width = parameter.shape
    return line.view(outputs, height, width, inputs).permute(0, 3, 1, 2)


def _sizes(images: Tensor, parameters: tuple[Tensor, ...]) -> Sizes:
    count, colours, image_height, image_width = images.shape
    outer = len(parameters[1])
    blocks = (len(parameters) - 2) // 12
    inner = len(parameters[4]) if blocks else outer
    height, width = (image_height - POOLED) // 2 + 1, (image_width - POOLED) // 2 + 1
    together = max(1, min(count, NUMBERS // ((height + 2) * (width + 2) * inner)))
    return Sizes(count, image_height, image_width, colours, height, width, outer, inner, blocks, together)


_spare: list[Array] = []
"""The arena of an earlier pass: new memory costs a page fault for each of its pages."""


def _memory(sizes: Sizes, dtype: np.dtype[Any], grad: bool) -> _Memory:
    """Memory of a forward pass, and where `grad` of its backward pass."""
    outer, inner, depth = sizes.outer, sizes.inner, sizes.blocks if grad else min(1, sizes.blocks)
    pixels = sizes.images * sizes.height * sizes.width
    group = sizes.together * (sizes.height + 2) * (sizes.width + 2) * max(outer, inner)
    weights = max(POOLED * POOLED * sizes.colours * outer, 9 * inner * inner, outer * inner)
    shapes = [
        (depth + 1, pixels * outer), (depth, pixels * inner), (depth, pixels * inner),
        (4, sizes.blocks * (outer + 2 * inner)), (group,), (group,), (group,), (2, weights), (3, max(outer, inner)),
        *((pixels * width if grad else 0,) for width in (inner, outer, outer)),
    ]  # fmt: skip
    starts, end = [], 0
    for shape in shapes:
        starts.append(end)
        end += -(-math.prod(shape) * dtype.itemsize // CACHE_LINE) * CACHE_LINE
    arena = _spare.pop() if _spare else np.empty(0, np.uint8)
    if len(arena) < end:
        room = np.empty(end + CACHE_LINE, np.uint8)
        begin = -room.ctypes.data % CACHE_LINE
        arena = room[begin : begin + end]
    states, first, second, norms, frame, other, found, products, factors, flow, of_state, gradient = (
        arena[start : start + math.prod(shape) * dtype.itemsize].view(dtype).reshape(shape)
        for start, shape in zip(starts, shapes, strict=True)
    )
    places = np.empty((2, sizes.together * sizes.height * sizes.width), np.int64)
    sums = np.empty((2, max(outer, inner)))
    scratch = Scratch(frame, other, found, places, products, sums, factors)
    return _Memory(arena, Kept(states, first, second, norms), scratch, flow, of_state, gradient)
