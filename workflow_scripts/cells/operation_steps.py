"""The steps that an operation of the supernet consists of, each run by compiled loops on arrays.

A step is ReLU, one or two convolutions, BatchNorm without a scale of its own. In training BatchNorm uses the statistics
of the batch, and moves the running ones where it tracks them; in evaluation it uses the running ones.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from workflow_scripts.cells.compiled_operations import Loops, Shape, pointwise_loops, separable_loops, track
from workflow_scripts.cells.operations import DilConv, FactorizedReduce, ReLUConvBN, SepConv

Array = NDArray[Any]
COMPILED = (SepConv, DilConv, FactorizedReduce, ReLUConvBN)


class Images(NamedTuple):
    """Images that stand for scale * x + shift, both (C,); x is (n, hwC)."""

    x: Array
    scale: Array
    shift: Array


class Step(NamedTuple):
    """The modules of a step."""

    convolutions: tuple[nn.Conv2d, ...]
    """depthwise and pointwise; or pointwise; or the two of a factorized reduction"""
    norm: nn.BatchNorm2d

    def loops(self, height: int, width: int) -> Loops:
        """The compiled loops for inputs of that size."""
        first = self.convolutions[0]
        stride, kernel, dilation = first.stride[0], first.kernel_size[0], first.dilation[0]
        if first.groups == 1:
            return pointwise_loops(height, width, len(self.convolutions) * first.out_channels, stride)
        return separable_loops(Shape(height, width, first.out_channels, kernel, stride, dilation))


class Run(NamedTuple):
    """A step that was run: from what images, with what weights, to what images."""

    loops: Loops
    before: Images
    weights: tuple[Array, Array]
    after: Images

    @property
    def numbers(self) -> int:
        """The numbers of a channel."""
        return len(self.after.x) * self.loops.height * self.loops.width


def steps_of(operation: nn.Module) -> list[Step]:
    """The steps of an operation of a type in COMPILED."""
    if isinstance(operation, FactorizedReduce):
        return [Step((operation.conv_1, operation.conv_2), operation.bn)]
    assert isinstance(operation, SepConv | DilConv | ReLUConvBN)
    modules: list[Any] = list(operation.op)
    if isinstance(operation, ReLUConvBN):
        return [Step((modules[1],), modules[2])]
    return [Step((modules[at + 1], modules[at + 2]), modules[at + 3]) for at in range(0, len(modules), 4)]


def run(step: Step, before: Images, height: int, width: int, parameters: Sequence[Tensor]) -> Run:
    """Run a step on images of that size; `parameters` are the weights of its convolutions."""
    loops, norm = step.loops(height, width), step.norm
    first, second = weights = _matrices(parameters)
    y = torch.empty(len(before.x), loops.height * loops.width * loops.channels, dtype=parameters[0].dtype).numpy()
    scale, shift, moments = loops.forward(*before, first, second, norm.eps, y, y[:0])
    done = Run(loops, before, weights, Images(y, scale, shift))
    if norm.track_running_stats:
        assert norm.running_mean is not None and norm.running_var is not None and norm.num_batches_tracked is not None
        mean, variance = norm.running_mean.numpy(), norm.running_var.numpy()
        if norm.training:
            assert norm.momentum is not None
            track(mean, variance, moments, done.numbers, norm.momentum)
            norm.num_batches_tracked.add_(1)
        else:
            scale = (1 / np.sqrt(variance + norm.eps)).astype(y.dtype)
            return done._replace(after=Images(y, scale, -mean * scale))
    return done


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
    sums = done.loops.backward(grad, own, sums, *done.after, *done.before, *done.weights, of_before, add, *of_weights)
    pairs = zip(parameters, of_weights, strict=False)
    return sums, [torch.from_numpy(array).view(parameter.shape) for parameter, array in pairs]


def back_from_convolutions(done: Run, grad: Array, of_before: Array, add: bool) -> Array:
    """Take a gradient (n, hwC') of the convolutions' output to the images before; the sums of `of_before`."""
    channels = done.loops.channels
    as_it_is = done.after._replace(scale=np.ones(channels, grad.dtype), shift=np.zeros(channels, grad.dtype))
    ones, no_sums = np.ones(len(grad), grad.dtype), np.zeros((2, channels))
    return back(done._replace(after=as_it_is), grad, ones, no_sums, of_before, add)[0]


def _matrices(parameters: Sequence[Tensor]) -> tuple[Array, Array]:
    arrays = [np.ascontiguousarray(parameter.detach().numpy().reshape(len(parameter), -1)) for parameter in parameters]
    return arrays[0], arrays[1] if len(arrays) > 1 else arrays[0][:0]
