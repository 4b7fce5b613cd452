"""Weighted sums of operations in training on a CPU, as one function of autograd over compiled loops.

The same function as the modules of `operations.py` with batch statistics, in fewer passes over memory: an operation's
output is added to the sum as it is computed, with its weight and its drop-path mask, BatchNorm's output is never
stored, and what a backward pass needs of a convolution's input is computed again.

Second derivatives are those of states and weights, for fixed parameters: the Hessian of the alphas asks for no others.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from workflow_scripts.cells.compiled_operations import (
    Loops,
    Shape,
    add_product,
    add_scaled,
    combined,
    pointwise_loops,
    separable_loops,
    sums_of,
    tangent_sums,
)
from workflow_scripts.cells.operations import DilConv, FactorizedReduce, ReLUConvBN, SepConv

Array = NDArray[Any]
COMPILED = (SepConv, DilConv, FactorizedReduce, ReLUConvBN)


class Term(NamedTuple):
    """One summand: weights[weight] * mask * operation(inputs[input])."""

    input: int
    operation: nn.Module | None
    """of a type in COMPILED, or None for the input itself"""
    weight: int = 0
    mask: Tensor | None = None
    """one number for each image (n, 1, 1, 1), or None for ones"""


def node_sum(inputs: list[Tensor], terms: list[Term], weights: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """The sum of terms (n, *shape), for inputs (n, C, h, w) and a vector of weights.

    BatchNorms use batch statistics and have no scale of their own; running statistics are updated where tracked.
    """
    steps = [[] if term.operation is None else _steps(term.operation) for term in terms]
    parameters = [convolution.weight for of_term in steps for step in of_term for convolution in step.convolutions]
    total: Tensor = _NodeSum.apply(terms, steps, len(inputs), shape, weights, *inputs, *parameters)
    return total


def single_operation(operation: nn.Module, x: Tensor) -> Tensor:
    """The output of one operation of a type in COMPILED."""
    loops = _steps(operation)[-1].loops(*x.shape[2:])
    return node_sum([x], [Term(0, operation)], x.new_ones(1), (loops.channels, loops.height, loops.width))


class _Step(NamedTuple):
    """ReLU, convolutions, BatchNorm: an operation or half of one."""

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

    def packed(self, weights: Sequence[Tensor]) -> Array:
        """The convolutions' weights as the one matrix that the loops take."""
        parts = [weight.detach().numpy().reshape(len(weight), -1).T for weight in weights]
        if not self.side_by_side:
            return np.ascontiguousarray(np.concatenate(parts))
        (rows, columns), dtype = parts[0].shape, parts[0].dtype
        matrix = np.zeros((2 * rows, 2 * columns), dtype)
        matrix[:rows, :columns], matrix[rows:, columns:] = parts
        return matrix

    def unpacked(self, matrix: Array, weights: Sequence[Tensor]) -> list[Tensor]:
        """The gradients of the convolutions' weights from that of the matrix."""
        rows = [weight[0].numel() for weight in weights]
        parts = [matrix[: rows[0]], matrix[rows[0] :]][: len(rows)]
        if self.side_by_side:
            half = matrix.shape[1] // 2
            parts = [parts[0][:, :half], parts[1][:, half:]]
        return [
            torch.from_numpy(np.ascontiguousarray(part.T)).view(weight.shape)
            for part, weight in zip(parts, weights, strict=True)
        ]

    @property
    def side_by_side(self) -> bool:
        """Whether there are two pointwise convolutions, of other pixels each."""
        return len(self.convolutions) == 2 and self.convolutions[0].groups == 1


class _Images(NamedTuple):
    """Images that stand for scale * x + shift, both (C,); x is (n, hwC)."""

    x: Array
    scale: Array
    shift: Array


class _Pass(NamedTuple):
    """What a step computed, and from what."""

    step: _Step
    loops: Loops
    before: _Images
    weights: Array
    after: _Images


class _NodeSum(Function):
    @staticmethod
    def forward(
        ctx: Any,
        terms: list[Term],
        steps: list[list[_Step]],
        count: int,
        shape: tuple[int, int, int],
        weights: Tensor,
        *tensors: Tensor,
    ) -> Tensor:
        inputs, parameters = [_channels_last(x) for x in tensors[:count]], tensors[count:]
        total = torch.zeros(len(inputs[0]), shape[1], shape[2], shape[0], dtype=inputs[0].dtype)
        flat = total.view(len(total), -1).numpy()
        plain = [_as_they_are(x) for x in inputs]
        factors, ones = weights.numpy(force=True), np.ones(len(total), flat.dtype)
        ctx.kept = []  # by term, its passes
        first = 0
        for term, of_term in zip(terms, steps, strict=True):
            images, (height, width) = plain[term.input], inputs[term.input].shape[2:]
            passes = list[_Pass]()
            for step in of_term:
                own = parameters[first : first + len(step.convolutions)]
                first += len(own)
                passes.append(_forward(step, height, width, images, own))
                images, height, width = passes[-1].after, passes[-1].loops.height, passes[-1].loops.width
            mask = ones if term.mask is None else _numbers(term.mask, flat)
            add_scaled(flat, *images, mask * factors[term.weight], shape[2])
            ctx.kept.append(passes)
        ctx.terms, ctx.count, ctx.differentiated = terms, count, False
        ctx.save_for_backward(weights, *tensors)
        return total.permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        weights, *tensors = ctx.saved_tensors
        wanted = ctx.needs_input_grad[5:]
        if torch.is_grad_enabled():
            if any(wanted[ctx.count :]):
                raise RuntimeError("second derivatives are of states and weights only: fix the parameters")
            ctx.differentiated = True
            gradients = _Gradient.apply(ctx.terms, ctx.kept, wanted, grad, weights, *tensors[: ctx.count])
            return None, None, None, None, *gradients, *(None for _ in tensors[ctx.count :])
        kept = ctx.kept
        if not ctx.differentiated:
            ctx.kept = None  # so that this memory goes when that of the saved tensors does
        inputs, parameters = [_channels_last(x) for x in tensors[: ctx.count]], tensors[ctx.count :]
        grad = _channels_last(grad)
        flat, width = _flat(grad), grad.shape[3]
        factors, ones = weights.numpy(force=True), np.ones(len(flat), flat.dtype)
        of_weights = np.zeros_like(factors)
        of_inputs: list[Tensor | None] = [None] * ctx.count
        of_parameters: list[Tensor | None] = [None] * len(parameters)
        first = 0
        for term, passes in zip(ctx.terms, kept, strict=True):
            x = inputs[term.input]
            mask = ones if term.mask is None else _numbers(term.mask, flat)
            images = passes[-1].after if passes else _as_they_are(x)
            sums = sums_of(flat, mask, images.x, images.scale, images.shift, width)
            of_weights[term.weight] += sums[1].sum()
            flowing, own, sums = flat, mask * factors[term.weight], sums * factors[term.weight]
            of_x, add = of_inputs[term.input], True
            if of_x is None and wanted[term.input]:
                of_inputs[term.input] = of_x = torch.empty_like(x)
                add = False
            target = np.empty((0, 0), flat.dtype) if of_x is None else _flat(of_x)
            if not passes and of_x is not None:
                add_product(target, flat, own, add)
            last = first + sum(len(done.step.convolutions) for done in passes)
            at = last
            for number in reversed(range(len(passes))):
                done = passes[number]
                at -= len(done.step.convolutions)
                of_before = np.empty_like(done.before.x) if number > 0 else target
                of_step = np.empty(done.weights.shape if wanted[ctx.count + at] else (0, 0), flat.dtype)
                sums = done.loops.backward(
                    flowing, own, sums, *done.after, *done.before, done.weights, of_before, add and number == 0, of_step
                )
                if len(of_step):
                    own_parameters = parameters[at : at + len(done.step.convolutions)]
                    of_parameters[at : at + len(own_parameters)] = done.step.unpacked(of_step, own_parameters)
                flowing, own = of_before, ones
            first = last
        return None, None, None, None, torch.from_numpy(of_weights), *of_inputs, *of_parameters


class _Derived(NamedTuple):
    """The gradient at a step: of its convolutions' output, and the means (2, C) that BatchNorm's backward took."""

    gradient: Array
    means: Array


class _Gradient(Function):
    """The backward of a node's sum as a function of the gradient, the weights and the inputs."""

    @staticmethod
    def forward(
        ctx: Any,
        terms: list[Term],
        kept: list[list[_Pass]],
        wanted: tuple[bool, ...],
        grad: Tensor,
        weights: Tensor,
        *inputs: Tensor,
    ) -> tuple[Tensor | None, ...]:
        flat, width = _flat(_channels_last(grad)), grad.shape[3]
        factors, ones = weights.numpy(force=True), np.ones(len(flat), flat.dtype)
        of_weights = np.zeros_like(factors)
        of_inputs = [
            torch.zeros_like(_channels_last(x)) if want else None for x, want in zip(inputs, wanted, strict=False)
        ]
        ctx.derived = []  # by term: the sums of the gradient, and what was derived at each step
        for term, passes in zip(terms, kept, strict=True):
            mask = ones if term.mask is None else _numbers(term.mask, flat)
            images = passes[-1].after if passes else _as_they_are(_channels_last(inputs[term.input]))
            term_sums = sums_of(flat, mask, images.x, images.scale, images.shift, width)
            of_weights[term.weight] += term_sums[1].sum()
            flowing, own, sums = flat, mask * factors[term.weight], term_sums * factors[term.weight]
            of_x = of_inputs[term.input]
            target = np.empty((0, 0), flat.dtype) if of_x is None else _flat(of_x)
            if not passes and of_x is not None:
                add_product(target, flat, own, True)
            derived = list[_Derived]()
            for number in reversed(range(len(passes))):
                done, y = passes[number], passes[number].after
                means = sums / (len(flat) * done.loops.height * done.loops.width)
                slope = y.scale.astype(np.float64)
                level, tilt = -slope * (means[0] + means[1] * y.shift), -slope * means[1] * y.scale
                of_y = combined(flowing, own, y.x, y.x, y.x, _factors(flat, level, slope, tilt), done.loops.width)
                derived.insert(0, _Derived(of_y, means))
                flowing = np.empty_like(done.before.x) if number > 0 else target
                sums, own = _through(done, of_y, flowing, number == 0), ones
            ctx.derived.append((term_sums, derived))
        ctx.terms, ctx.kept = terms, kept
        ctx.save_for_backward(grad, weights, *inputs)
        return torch.from_numpy(of_weights), *of_inputs

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, along_weights: Tensor, *along_inputs: Tensor) -> tuple[Any, ...]:
        """The derivative, along a direction of weights and inputs, of the sum's output and of its backward.

        The dot product of direction and gradient is the derivative along the direction of the dot product of `grad` and
        the sum; its own gradient holds both.
        """
        grad, weights, *inputs = ctx.saved_tensors
        inputs = [_channels_last(x) for x in inputs]
        flat, width = _flat(_channels_last(grad)), grad.shape[3]
        factors, ones = weights.numpy(force=True), np.ones(len(flat), flat.dtype)
        along_factors = along_weights.numpy(force=True)
        along = [x.new_zeros(x.shape) if v is None else v for x, v in zip(inputs, along_inputs, strict=True)]
        tangents = [_flat(_channels_last(v)) for v in along]
        of_grad = torch.zeros_like(_channels_last(grad))
        of_weights = np.zeros_like(factors)
        of_inputs = [torch.zeros_like(x) for x in inputs]
        for term, passes, (term_sums, derived) in zip(ctx.terms, ctx.kept, ctx.derived, strict=True):
            mask = ones if term.mask is None else _numbers(term.mask, flat)
            factor, along_factor = factors[term.weight], along_factors[term.weight]
            tangent, of_x = tangents[term.input], _flat(of_inputs[term.input])
            if not passes:
                x = _as_they_are(inputs[term.input])
                _add(of_grad, x, mask * along_factor)
                _add(of_grad, x._replace(x=tangent), mask * factor)
                of_weights[term.weight] += sums_of(flat, mask, tangent, x.scale, x.shift, width)[1].sum()
                add_product(of_x, flat, mask * along_factor, True)
                continue
            found = list[tuple[Array, Array]]()  # of each step: the tangent of its convolutions' output, and its means
            for done, at in zip(passes, derived, strict=True):
                of_y, y = np.empty_like(done.after.x), done.after
                done.loops.forward(*done.before, done.weights, of_y, tangent)
                count = len(flat) * done.loops.height * done.loops.width
                means = tangent_sums(of_y, y.x, y.scale, y.shift, at.gradient, done.loops.width) / count
                found.append((of_y, means))
                if done is not passes[-1]:
                    slope = y.scale.astype(np.float64)
                    level, tilt = -slope * (means[0] + means[1] * y.shift), -slope * means[1] * y.scale
                    tangent = combined(of_y, ones, y.x, y.x, y.x, _factors(flat, level, slope, tilt), done.loops.width)
            last, (of_y, means) = passes[-1].after, found[-1]
            slope = last.scale.astype(np.float64)
            _add(of_grad, _Images(of_y, *_as(flat, factor * slope, -factor * slope * means[0])), mask)
            own = along_factor - factor * slope * means[1]
            _add(of_grad, _Images(last.x, *_as(flat, own * last.scale, own * last.shift)), mask)
            if factor != 0:  # the weight of an operation that far behind is 0, and so is its derivative in an alpha
                of_weights[term.weight] += (means[2] * count).sum() / factor
            flowing, own, sums = flat, mask * along_factor, term_sums * along_factor
            for number in reversed(range(len(passes))):
                done, y = passes[number], passes[number].after
                of_y, (plain, with_y, with_gradient) = found[number]
                count = len(flat) * done.loops.height * done.loops.width
                slope, curve = y.scale.astype(np.float64), y.scale.astype(np.float64) ** 2 * derived[number].means[1]
                tilt = slope * (sums[1] / count + with_gradient) - curve * with_y
                rows = _factors(
                    flat,
                    curve * plain - slope * sums[0] / count - tilt * y.shift,
                    slope,
                    -tilt * y.scale,
                    -slope * with_y,
                    -curve,
                )
                turned = combined(flowing, own, y.x, derived[number].gradient, of_y, rows, done.loops.width)
                flowing = np.empty_like(done.before.x) if number > 0 else of_x
                sums, own = _through(done, turned, flowing, number == 0), ones
        return None, None, None, of_grad, torch.from_numpy(of_weights), *of_inputs


def _through(done: _Pass, gradient: Array, of_before: Array, add: bool) -> Array:
    """Take a gradient of a step's convolutions' output to the images before it; the sums of `Loops.backward`."""
    channels = gradient.shape[1] // (done.loops.height * done.loops.width)
    nothing, one = np.zeros(channels, gradient.dtype), np.ones(channels, gradient.dtype)
    own, sums, no_weights = (
        np.ones(len(gradient), gradient.dtype),
        np.zeros((2, channels)),
        np.empty((0, 0), gradient.dtype),
    )
    return done.loops.backward(
        gradient, own, sums, done.after.x, one, nothing, *done.before, done.weights, of_before, add, no_weights
    )


def _add(total: Tensor, images: _Images, own: Array) -> None:
    """Add images * own (n,) to a channels-last tensor."""
    add_scaled(_flat(total), images.x, images.scale, images.shift, own, total.shape[3])


def _factors(like: Array, *rows: Array) -> Array:
    """The factors of `combined` (5, C), those not given 0."""
    factors = np.zeros((5, len(rows[0])), like.dtype)
    factors[: len(rows)] = rows
    return factors


def _as(like: Array, *arrays: Array) -> list[Array]:
    return [array.astype(like.dtype) for array in arrays]


def _forward(step: _Step, height: int, width: int, before: _Images, parameters: Sequence[Tensor]) -> _Pass:
    """Run a step, and move its running statistics where they are tracked."""
    loops, weights = step.loops(height, width), step.packed(parameters)
    positions = loops.height * loops.width
    y = torch.empty(len(before.x), positions * loops.channels, dtype=parameters[0].dtype).numpy()
    mean, variance = loops.forward(*before, weights, y, y[:0])
    if step.norm.track_running_stats:
        _track(step.norm, mean, variance, len(y) * positions)
    scale = 1 / np.sqrt(variance + step.norm.eps)
    return _Pass(step, loops, before, weights, _Images(y, scale.astype(y.dtype), (-mean * scale).astype(y.dtype)))


def _track(norm: nn.BatchNorm2d, mean: Array, variance: Array, count: int) -> None:
    """Move a norm's running statistics as torch does, for statistics of `count` numbers."""
    assert norm.running_mean is not None and norm.running_var is not None and norm.num_batches_tracked is not None
    assert norm.momentum is not None
    unbiased = variance * (count / max(1, count - 1))
    for running, value in ((norm.running_mean.numpy(), mean), (norm.running_var.numpy(), unbiased)):
        running += norm.momentum * (value - running)
    norm.num_batches_tracked += 1


def _steps(operation: nn.Module) -> list[_Step]:
    """The steps of an operation of a type in COMPILED."""
    if isinstance(operation, FactorizedReduce):
        return [_Step((operation.conv_1, operation.conv_2), operation.bn)]
    modules = list(operation.op)  # type: ignore[arg-type]
    if isinstance(operation, ReLUConvBN):
        return [_Step((modules[1],), modules[2])]
    return [_Step((modules[at + 1], modules[at + 2]), modules[at + 3]) for at in range(0, len(modules), 4)]


def _numbers(mask: Tensor, like: Array) -> Array:
    return mask.reshape(-1).numpy().astype(like.dtype)


def _as_they_are(x: Tensor) -> _Images:
    flat = _flat(x)
    return _Images(flat, np.ones(x.shape[1], flat.dtype), np.zeros(x.shape[1], flat.dtype))


def _channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


def _flat(x: Tensor) -> Array:
    """The memory of channels-last images (n, C, h, w) as (n, hwC)."""
    return x.detach().permute(0, 2, 3, 1).reshape(len(x), -1).numpy()
