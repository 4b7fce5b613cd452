"""The blocks that an operation of the supernet consists of, each run by compiled loops on arrays.

A block is ReLU, one or two convolutions, BatchNorm. In training BatchNorm uses the statistics of the batch, and moves
the running ones where it tracks them; in evaluation it uses the running ones.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from workflow_scripts.cells.operation_kernels import BlockShape, Loops, pointwise_loops, separable_loops, track
from workflow_scripts.cells.operations import DilConv, FactorizedReduce, ReLUConvBN, SepConv

Array = NDArray[Any]
COMPILED = (SepConv, DilConv, FactorizedReduce, ReLUConvBN)


class ScaledImages(NamedTuple):
    """The images scale * x + shift, both (C,); x is (n, hwC)."""

    x: Array
    scale: Array
    shift: Array
    normal_scale: Array
    """with normal_shift, what BatchNorm made before its own scale: normal_scale * x + normal_shift"""
    normal_shift: Array


class Block(NamedTuple):
    """The modules of a block, and the weights that it reads from them."""

    convolutions: tuple[nn.Conv2d, ...]
    """depthwise and pointwise; or pointwise; or the two of a factorized reduction"""
    norm: nn.BatchNorm2d
    weights: tuple[Tensor, ...]
    """of the convolutions, and of BatchNorm where it has its own"""

    known_loops: dict[tuple[int, int], Loops]
    """the compiled loops by the size of the input"""

    def loops(self, height: int, width: int) -> Loops:
        """The compiled loops for inputs of that size."""
        if (height, width) not in self.known_loops:
            convolution = self.convolutions[0]
            stride, kernel, dilation = convolution.stride[0], convolution.kernel_size[0], convolution.dilation[0]
            if convolution.groups == 1:
                loops = pointwise_loops(height, width, len(self.convolutions) * convolution.out_channels, stride)
            else:
                loops = separable_loops(BlockShape(height, width, convolution.out_channels, kernel, stride, dilation))
            self.known_loops[height, width] = loops
        return self.known_loops[height, width]


class BlockPass(NamedTuple):
    """A forward pass of a block: from which images, with which weights and scale of BatchNorm, to which images."""

    loops: Loops
    input: ScaledImages
    weights: tuple[Array, Array]
    gain: Array
    output: ScaledImages

    @property
    def values_per_channel(self) -> int:
        """Images times pixels of the output."""
        return len(self.output.x) * self.loops.height * self.loops.width


def blocks_of(operation: nn.Module) -> list[Block]:
    """The blocks of an operation of a type in COMPILED."""
    if isinstance(operation, FactorizedReduce):
        return [_block(operation.bn, operation.conv_1, operation.conv_2)]
    assert isinstance(operation, SepConv | DilConv | ReLUConvBN)
    modules: list[Any] = list(operation.op)
    if isinstance(operation, ReLUConvBN):
        return [_block(modules[2], modules[1])]
    return [_block(modules[at + 3], modules[at + 1], modules[at + 2]) for at in range(0, len(modules), 4)]


def _block(norm: nn.BatchNorm2d, *convolutions: nn.Conv2d) -> Block:
    weights = tuple(convolution.weight for convolution in convolutions)
    return Block(convolutions, norm, (*weights, norm.weight, norm.bias) if norm.affine else weights, {})


def forward(block: Block, images: ScaledImages, height: int, width: int) -> BlockPass:
    """Run a block on images of that size."""
    loops, norm = block.loops(height, width), block.norm
    weights = _matrices(block)
    y = np.empty((len(images.x), loops.height * loops.width * loops.channels), images.x.dtype)
    x, x_scale, x_shift, _, _ = images
    scale, shift, moments = loops.forward(x, x_scale, x_shift, *weights, norm.eps, y, y[:0])
    if norm.track_running_stats:
        assert norm.running_mean is not None and norm.running_var is not None and norm.num_batches_tracked is not None
        mean, variance = norm.running_mean.numpy(), norm.running_var.numpy()
        if norm.training:
            assert norm.momentum is not None
            track(mean, variance, moments, len(y) * loops.height * loops.width, norm.momentum)
            norm.num_batches_tracked.add_(1)
        else:
            scale = (1 / np.sqrt(variance + norm.eps)).astype(y.dtype)
            shift = -mean * scale
    if not norm.affine:
        output = ScaledImages(y, scale, shift, scale, shift)
        return BlockPass(loops, images, weights, identity(loops.channels, y.dtype)[0], output)
    gain, bias = norm.weight.detach().numpy(), norm.bias.detach().numpy()
    output = ScaledImages(y, gain * scale, gain * shift + bias, scale, shift)
    return BlockPass(loops, images, weights, gain, output)


def backward(
    block_pass: BlockPass,
    grad: Array,
    mask: Array,
    sums: Array,
    grad_input: Array,
    add: bool,
    parameters: Sequence[Tensor] = (),
) -> tuple[Array, list[Tensor]]:
    """`Loops.backward` of a pass: the sums of `grad_input`, and the gradients of the parameters given."""
    grad_weights = [np.empty_like(weight) if parameters else weight[:0] for weight in block_pass.weights]
    y, _, _, normal_scale, normal_shift = block_pass.output
    normal = (y, normal_scale, normal_shift)
    grad_norm = (sums[1].astype(y.dtype), sums[0].astype(y.dtype)) if parameters else ()
    sums = block_pass.loops.backward(
        grad,
        mask,
        sums,
        block_pass.gain,
        *normal,
        *block_pass.input,
        *block_pass.weights,
        grad_input,
        add,
        *grad_weights,
    )
    arrays = (*(array for array in grad_weights if len(array)), *grad_norm)
    pairs = zip(parameters, arrays, strict=False)
    return sums, [torch.from_numpy(array).view(parameter.shape) for parameter, array in pairs]


def convolution_backward(block_pass: BlockPass, grad: Array, grad_input: Array, add: bool) -> Array:
    """Take a gradient (n, hwC') of the convolutions' output to the input images; the sums of `grad_input`."""
    channels = block_pass.loops.channels
    ones, zeros = identity(channels, grad.dtype)
    without_norm = block_pass._replace(gain=ones, output=ScaledImages(block_pass.output.x, ones, zeros, ones, zeros))
    no_mask, no_sums = np.ones(len(grad), grad.dtype), np.zeros((2, channels))
    return backward(without_norm, grad, no_mask, no_sums, grad_input, add)[0]


@cache
def identity(channels: int, dtype: np.dtype[Any]) -> tuple[Array, Array]:
    """The scale and shift that change nothing."""
    return np.ones(channels, dtype), np.zeros(channels, dtype)


def _matrices(block: Block) -> tuple[Array, Array]:
    first = block.weights[0].detach().numpy()
    first = first.reshape(len(first), -1)
    if len(block.convolutions) == 1:
        return first, first[:0]
    second = block.weights[1].detach().numpy()
    return first, second.reshape(len(second), -1)
