"""The steps that an operation of the supernet consists of, each run by compiled loops on arrays.

A step is ReLU, one or two convolutions, BatchNorm. In training BatchNorm uses the statistics of the batch, and moves
the running ones where it tracks them; in evaluation it uses the running ones.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from workflow_scripts.cells.operation_kernels import Loops, Shape, pointwise_loops, separable_loops, track
from workflow_scripts.cells.operations import DilConv, FactorizedReduce, ReLUConvBN, SepConv

Array = NDArray[Any]
COMPILED = (SepConv, DilConv, FactorizedReduce, ReLUConvBN)


class Images(NamedTuple):
    """Images that stand for scale * x + shift, both (C,); x is (n, hwC)."""

    x: Array
    scale: Array
    shift: Array
    normal_scale: Array
    """with normal_shift, what BatchNorm made before its own scale: normal_scale * x + normal_shift"""
    normal_shift: Array


class Step(NamedTuple):
    """The modules of a step, and what it reads of them."""

    convolutions: tuple[nn.Conv2d, ...]
    """depthwise and pointwise; or pointwise; or the two of a factorized reduction"""
    norm: nn.BatchNorm2d
    weights: tuple[Tensor, ...]
    """of the convolutions, and of BatchNorm where it has its own"""

    known: dict[tuple[int, int], Loops]
    """the compiled loops by the size of the input"""

    def loops(self, height: int, width: int) -> Loops:
        """The compiled loops for inputs of that size."""
        if (height, width) not in self.known:
            first = self.convolutions[0]
            stride, kernel, dilation = first.stride[0], first.kernel_size[0], first.dilation[0]
            if first.groups == 1:
                loops = pointwise_loops(height, width, len(self.convolutions) * first.out_channels, stride)
            else:
                loops = separable_loops(Shape(height, width, first.out_channels, kernel, stride, dilation))
            self.known[height, width] = loops
        return self.known[height, width]


class Run(NamedTuple):
    """A step that was run: from what images, with what weights and BatchNorm's own scale, to what images."""

    loops: Loops
    before: Images
    weights: tuple[Array, Array]
    gain: Array
    after: Images

    @property
    def numbers(self) -> int:
        """The numbers of a channel."""
        return len(self.after.x) * self.loops.height * self.loops.width


def steps_of(operation: nn.Module) -> list[Step]:
    """The steps of an operation of a type in COMPILED."""
    if isinstance(operation, FactorizedReduce):
        return [_step(operation.bn, operation.conv_1, operation.conv_2)]
    assert isinstance(operation, SepConv | DilConv | ReLUConvBN)
    modules: list[Any] = list(operation.op)
    if isinstance(operation, ReLUConvBN):
        return [_step(modules[2], modules[1])]
    return [_step(modules[at + 3], modules[at + 1], modules[at + 2]) for at in range(0, len(modules), 4)]


def _step(norm: nn.BatchNorm2d, *convolutions: nn.Conv2d) -> Step:
    weights = tuple(convolution.weight for convolution in convolutions)
    return Step(convolutions, norm, (*weights, norm.weight, norm.bias) if norm.affine else weights, {})


def run(step: Step, before: Images, height: int, width: int) -> Run:
    """Run a step on images of that size."""
    loops, norm = step.loops(height, width), step.norm
    first, second = weights = _matrices(step)
    y = np.empty((len(before.x), loops.height * loops.width * loops.channels), before.x.dtype)
    x, x_scale, x_shift, _, _ = before
    scale, shift, moments = loops.forward(x, x_scale, x_shift, first, second, norm.eps, y, y[:0])
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
        return Run(loops, before, weights, identity(loops.channels, y.dtype)[0], Images(y, scale, shift, scale, shift))
    gain, bias = norm.weight.detach().numpy(), norm.bias.detach().numpy()
    return Run(loops, before, weights, gain, Images(y, gain * scale, gain * shift + bias, scale, shift))


def back(
    done: Run,
    grad: Array,
    own: Array,
    sums: Array,
    of_before: Array,
    add: bool,
    parameters: Sequence[Tensor] = (),
) -> tuple[Array, list[Tensor]]:
    """`Loops.backward` of a step that was run: the sums of `of_before`, and the gradients of the parameters given."""
    of_weights = [np.empty_like(weight) if parameters else weight[:0] for weight in done.weights]
    y, _, _, normal_scale, normal_shift = done.after
    normal = (y, normal_scale, normal_shift)
    of_norm = (sums[1].astype(y.dtype), sums[0].astype(y.dtype)) if parameters else ()
    sums = done.loops.backward(
        grad, own, sums, done.gain, *normal, *done.before, *done.weights, of_before, add, *of_weights
    )
    arrays = (*(array for array in of_weights if len(array)), *of_norm)
    pairs = zip(parameters, arrays, strict=False)
    return sums, [torch.from_numpy(array).view(parameter.shape) for parameter, array in pairs]


def back_from_convolutions(done: Run, grad: Array, of_before: Array, add: bool) -> Array:
    """Take a gradient (n, hwC') of the convolutions' output to the images before; the sums of `of_before`."""
    channels = done.loops.channels
    ones, zeros = identity(channels, grad.dtype)
    as_it_is = done._replace(gain=ones, after=Images(done.after.x, ones, zeros, ones, zeros))
    return back(as_it_is, grad, np.ones(len(grad), grad.dtype), np.zeros((2, channels)), of_before, add)[0]


@cache
def identity(channels: int, dtype: np.dtype[Any]) -> tuple[Array, Array]:
    """Scale and shift of images that are what they are."""
    return np.ones(channels, dtype), np.zeros(channels, dtype)


def _matrices(step: Step) -> tuple[Array, Array]:
    first = step.weights[0].detach().numpy()
    first = first.reshape(len(first), -1)
    if len(step.convolutions) == 1:
        return first, first[:0]
    second = step.weights[1].detach().numpy()
    return first, second.reshape(len(second), -1)
