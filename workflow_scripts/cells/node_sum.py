"""Weighted sums of operations on a CPU, as one function of autograd over compiled loops.

The same function as the modules of `operations.py`, in fewer passes over memory: an operation's output is added to the
sum as it is computed, with its weight and its drop-path mask, BatchNorm's output is never stored, and what a backward
pass needs of a convolution's input is computed again. Derivatives are those of BatchNorm with batch statistics.

Second derivatives are those of states and weights, for fixed parameters and BatchNorms without a scale of their own:
the Hessian of the alphas asks for no others.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from workflow_scripts.cells.operation_kernels import add_product, add_scaled, combined, sums_of, tangent_sums
from workflow_scripts.cells.operation_passes import (
    Array,
    Block,
    BlockPass,
    ScaledImages,
    backward,
    convolution_backward,
    forward,
    identity,
)
from workflow_scripts.cells.operations import apply_operation


class Term(NamedTuple):
    """One summand: weights[weight] * mask * operation(inputs[input])."""

    input: int
    blocks: list[Block]
    """of the operation; none for the input itself"""
    weight: int = 0
    mask: Tensor | None = None
    """one number for each image (n, 1, 1, 1), or None for ones"""


def node_sum(inputs: list[Tensor], terms: list[Term], weights: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """The sum of terms (n, *shape), for inputs (n, C, h, w) and a vector of weights.

    Raises RuntimeError where second derivatives are asked for while parameters require gradients.
    """
    parameters = [parameter for term in terms for block in term.blocks for parameter in block.weights]
    total: Tensor = _NodeSum.apply(terms, len(inputs), shape, weights, *inputs, *parameters)
    return total


def term_of(
    operation: nn.Module,
    blocks: list[Block] | None,
    source: int,
    inputs: list[Tensor],
    generator: torch.Generator | None,
    weight: int = 0,
) -> Term:
    """The term of an operation on inputs[source]; one without blocks is computed here and joins the inputs."""
    if blocks is None and not isinstance(operation, nn.Identity):
        inputs.append(apply_operation(operation, inputs[source], generator))
        source = len(inputs) - 1
    return Term(source, blocks or [], weight)


def single_operation(blocks: list[Block], x: Tensor) -> Tensor:
    """The output of one operation."""
    loops = blocks[-1].loops(*x.shape[2:])
    return node_sum([x], [Term(0, blocks)], x.new_ones(1), (loops.channels, loops.height, loops.width))


def may_compile(network: nn.Module, images: Tensor) -> bool:
    """Whether compiled loops can compute a pass: on a CPU, in full precision, with batch statistics for gradients."""
    batch_statistics_or_no_gradient = network.training or not torch.is_grad_enabled()
    return batch_statistics_or_no_gradient and images.device.type == "cpu" and not torch.is_autocast_enabled("cpu")


class _NodeSum(Function):
    @staticmethod
    def forward(
        ctx: Any, terms: list[Term], count: int, shape: tuple[int, int, int], weights: Tensor, *tensors: Tensor
    ) -> Tensor:
        inputs = [_unscaled(x) for x in tensors[:count]]
        total = torch.zeros(len(tensors[0]), shape[1], shape[2], shape[0], dtype=tensors[0].dtype)
        flat = total.view(len(total), -1).numpy()
        factors, ones = weights.detach().numpy(), np.ones(len(flat), flat.dtype)
        ctx.passes = []  # by term, those of its blocks
        for term in terms:
            images, (height, width) = inputs[term.input], tensors[term.input].shape[2:]
            passes = list[BlockPass]()
            for block in term.blocks:
                block_pass = forward(block, images, height, width)
                images, height, width = block_pass.output, block_pass.loops.height, block_pass.loops.width
                passes.append(block_pass)
            _add(flat, images, _mask(term, ones) * factors[term.weight], shape[2])
            ctx.passes.append(passes)
        ctx.terms, ctx.count, ctx.differentiated = terms, count, False
        ctx.save_for_backward(weights, *tensors)
        return total.permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        weights, *tensors = ctx.saved_tensors
        weights_wanted, wanted = ctx.needs_input_grad[3], ctx.needs_input_grad[4:]
        if torch.is_grad_enabled():
            if any(wanted[ctx.count :]) or any(block.norm.affine for term in ctx.terms for block in term.blocks):
                raise RuntimeError("second derivatives are of states and weights only, with all parameters fixed")
            ctx.differentiated = True
            gradients = _Gradient.apply(ctx.terms, ctx.passes, wanted, grad, weights, *tensors[: ctx.count])
            return None, None, None, *gradients, *(None for _ in tensors[ctx.count :])
        passes_by_term = ctx.passes
        if not ctx.differentiated:
            ctx.passes = None  # so that this memory goes when that of the saved tensors does
        inputs, parameters = tensors[: ctx.count], tensors[ctx.count :]
        flat, width = _flat(grad), grad.shape[3]
        factors, ones = weights.detach().numpy(), np.ones(len(flat), flat.dtype)
        grad_weights = np.zeros_like(factors)
        grad_inputs = _Gradients(inputs, wanted)
        grad_parameters: list[Tensor | None] = [None] * len(parameters)
        first = 0
        for term, passes in zip(ctx.terms, passes_by_term, strict=True):
            mask, factor = _mask(term, ones), factors[term.weight]
            upstream, mask_factor = flat, mask * factor
            if not passes and wanted[term.input]:
                add_product(*grad_inputs.next(term.input), flat, mask_factor)
            if passes or weights_wanted:
                sums = _sums(flat, mask, passes[-1].output if passes else _unscaled(inputs[term.input]), width)
                grad_weights[term.weight] += _dot(sums, passes)
                sums = sums * factor
            at = first = first + sum(len(block.weights) for block in term.blocks)
            for number in reversed(range(len(passes))):
                block = term.blocks[number]
                at -= len(block.weights)
                block_parameters = parameters[at : at + len(block.weights)] if wanted[ctx.count + at] else ()
                grad_input, add = (
                    grad_inputs.next(term.input) if number == 0 else (np.empty_like(passes[number].input.x), False)
                )
                sums, found = backward(passes[number], upstream, mask_factor, sums, grad_input, add, block_parameters)
                grad_parameters[at : at + len(found)] = found
                upstream, mask_factor = grad_input, ones
        return None, None, None, torch.from_numpy(grad_weights), *grad_inputs.tensors(), *grad_parameters


class _Gradient(Function):
    """The backward of a node's sum as a function of the gradient, the weights and the inputs.

    Its own backward takes the derivative along a direction of weights and inputs: the dot product of the direction with
    the gradient is the derivative, along it, of the dot product of `grad` with the sum.
    """

    @staticmethod
    def forward(
        ctx: Any,
        terms: list[Term],
        passes_by_term: list[list[BlockPass]],
        wanted: tuple[bool, ...],
        grad: Tensor,
        weights: Tensor,
        *inputs: Tensor,
    ) -> tuple[Tensor | None, ...]:
        flat, width = _flat(grad), grad.shape[3]
        factors, ones = weights.detach().numpy(), np.ones(len(flat), flat.dtype)
        grad_weights = np.zeros_like(factors)
        grad_inputs = _Gradients(inputs, wanted)
        ctx.sums, ctx.gradients = [], []  # by term: the sums of the gradient, and the gradients of its blocks
        for term, passes in zip(terms, passes_by_term, strict=True):
            mask, factor = _mask(term, ones), factors[term.weight]
            term_sums = _sums(flat, mask, passes[-1].output if passes else _unscaled(inputs[term.input]), width)
            grad_weights[term.weight] += _dot(term_sums, passes)
            upstream, mask_factor, sums = flat, mask * factor, term_sums * factor
            if not passes and wanted[term.input]:
                add_product(*grad_inputs.next(term.input), flat, mask_factor)
            gradients = list[_BlockGradient]()
            for number in reversed(range(len(passes))):
                block_pass = passes[number]
                means = sums / block_pass.values_per_channel
                gradients.insert(0, _BlockGradient(_norm_derivative(block_pass, upstream, mask_factor, means), means))
                grad_input, add = (
                    grad_inputs.next(term.input) if number == 0 else (np.empty_like(block_pass.input.x), False)
                )
                sums = convolution_backward(block_pass, gradients[0].conv, grad_input, add)
                upstream, mask_factor = grad_input, ones
            ctx.sums.append(term_sums)
            ctx.gradients.append(gradients)
        ctx.terms, ctx.passes = terms, passes_by_term
        ctx.save_for_backward(grad, weights, *inputs)
        return torch.from_numpy(grad_weights), *grad_inputs.tensors()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, along_weights: Tensor, *along_inputs: Tensor) -> tuple[Any, ...]:
        grad, weights, *inputs = ctx.saved_tensors
        flat, width = _flat(grad), grad.shape[3]
        factors, ones = weights.detach().numpy(), np.ones(len(flat), flat.dtype)
        along_factors = along_weights.numpy()
        tangents = [_flat(torch.zeros_like(x) if v is None else v) for x, v in zip(inputs, along_inputs, strict=True)]
        grad_grad, grad_weights = np.zeros_like(flat), np.zeros_like(factors)
        grad_inputs = _Gradients(inputs, [True] * len(inputs))
        for term, passes, term_sums, gradients in zip(ctx.terms, ctx.passes, ctx.sums, ctx.gradients, strict=True):
            mask, factor, along = _mask(term, ones), factors[term.weight], along_factors[term.weight]
            tangent = tangents[term.input]
            if not passes:
                images = _unscaled(inputs[term.input])
                moved_images = images._replace(x=tangent)
                _add(grad_grad, images, mask * along, width)
                _add(grad_grad, moved_images, mask * factor, width)
                grad_weights[term.weight] += _sums(flat, mask, moved_images, width)[1].sum()
                add_product(*grad_inputs.next(term.input), flat, mask * along)
                continue
            block_tangents = list[_BlockTangent]()
            for block_pass, gradient in zip(passes, gradients, strict=True):
                block_tangents.append(_block_tangent(block_pass, gradient, tangent))
                if block_pass is not passes[-1]:
                    tangent = _norm_derivative(block_pass, block_tangents[-1].y, ones, block_tangents[-1].means)
            last, (y_tangent, means) = passes[-1].output, block_tangents[-1]
            normal_factor = along - factor * last.scale * means[1]
            _add(grad_grad, _scaled(y_tangent, factor * last.scale, -factor * last.scale * means[0]), mask, width)
            _add(grad_grad, _scaled(last.x, normal_factor * last.scale, normal_factor * last.shift), mask, width)
            if factor != 0:  # else the derivative of the weight in its alpha is 0 as well
                grad_weights[term.weight] += means[2].sum() * passes[-1].values_per_channel / factor
            upstream, mask_factor, sums = flat, mask * along, term_sums * along
            for number in reversed(range(len(passes))):
                block_pass = passes[number]
                grad_conv = _norm_backward_tangent(
                    block_pass,
                    gradients[number],
                    block_tangents[number],
                    upstream,
                    mask_factor,
                    sums / block_pass.values_per_channel,
                )
                grad_input, add = (
                    grad_inputs.next(term.input) if number == 0 else (np.empty_like(block_pass.input.x), False)
                )
                sums = convolution_backward(block_pass, grad_conv, grad_input, add)
                upstream, mask_factor = grad_input, ones
        total = torch.from_numpy(grad_grad).view(len(grad), *grad.shape[2:], grad.shape[1]).permute(0, 3, 1, 2)
        return None, None, None, total, torch.from_numpy(grad_weights), *grad_inputs.tensors()


class _BlockGradient(NamedTuple):
    """The gradient at a block."""

    conv: Array
    """of the convolutions' output"""
    means: Array
    """of the gradient of BatchNorm's output and of its product with that output, (2, C)"""


class _BlockTangent(NamedTuple):
    """The derivative of a block along a tangent."""

    y: Array
    """of the convolutions' output"""
    means: Array
    """of it, and of its products with BatchNorm's output and with the gradient, (3, C)"""


def _block_tangent(block_pass: BlockPass, gradient: _BlockGradient, tangent: Array) -> _BlockTangent:
    y, output = np.empty_like(block_pass.output.x), block_pass.output
    x, scale, shift, _, _ = block_pass.input
    block_pass.loops.forward(x, scale, shift, *block_pass.weights, 0.0, y, tangent)
    sums = tangent_sums(y, output.x, output.scale, output.shift, gradient.conv, block_pass.loops.width)
    return _BlockTangent(y, sums / block_pass.values_per_channel)


def _norm_derivative(block_pass: BlockPass, values: Array, mask: Array, means: Array) -> Array:
    """BatchNorm's derivative, which is symmetric: applied to values * mask (n,), forward or backward.

    scale * (values - means[0] - z * means[1]) for BatchNorm's output z = scale * y + shift.
    """
    y, scale, shift, _, _ = block_pass.output
    factors = (-scale * (means[0] + means[1] * shift), scale, -scale * means[1] * scale, 0 * scale, 0 * scale)
    return combined(values, mask, y, y, y, np.array(factors, y.dtype), block_pass.loops.width)


def _norm_backward_tangent(
    block_pass: BlockPass, gradient: _BlockGradient, tangent: _BlockTangent, upstream: Array, mask: Array, means: Array
) -> Array:
    """The derivative along a tangent of BatchNorm's backward, whose incoming gradient moves by upstream * mask (n,).

    With d the derivative, z BatchNorm's output and s its scale: d s = -s^2 mean(z dy), and
    d(s (g - mean(g) - z mean(z g))) = s (dg - mean(dg) - z (mean(z dg) + mean(dz g))) - s mean(z dy) gradient
    - s mean(z g) dz, where dz = s (dy - mean(dy) - z mean(z dy)) and mean(dz g) = mean(dy gradient).
    """
    y, scale, shift, _, _ = block_pass.output
    mean_dy, mean_z_dy, mean_dy_gradient = tangent.means
    curve = scale.astype(np.float64) ** 2 * gradient.means[1]
    tilt = scale * (means[1] + mean_dy_gradient) - curve * mean_z_dy
    factors = (curve * mean_dy - scale * means[0] - tilt * shift, scale, -tilt * scale, -scale * mean_z_dy, -curve)
    return combined(upstream, mask, y, gradient.conv, tangent.y, np.array(factors, y.dtype), block_pass.loops.width)


class _Gradients:
    """The gradients of a sum's inputs, each made when the first term writes to it."""

    def __init__(self, inputs: Sequence[Tensor], wanted: Sequence[bool]) -> None:
        self.inputs, self.wanted = inputs, wanted
        self.found: list[Tensor | None] = [None] * len(inputs)

    def next(self, number: int) -> tuple[Array, bool]:
        """Where a term writes, or adds if the second is true; empty if the gradient is not wanted."""
        found, x = self.found[number], self.inputs[number]
        if not self.wanted[number]:
            return np.empty((0, 0), x.numpy(force=True).dtype), False
        if found is None:
            found = self.found[number] = x.new_empty(len(x), *x.shape[2:], x.shape[1])
            return found.view(len(x), -1).numpy(), False
        return found.view(len(x), -1).numpy(), True

    def tensors(self) -> list[Tensor | None]:
        """The gradients, of the inputs' shapes."""
        return [None if gradient is None else gradient.permute(0, 3, 1, 2) for gradient in self.found]


def _mask(term: Term, ones: Array) -> Array:
    return ones if term.mask is None else term.mask.reshape(-1).numpy().astype(ones.dtype)


def _add(total: Array, images: ScaledImages, mask: Array, width: int) -> None:
    add_scaled(total, images.x, images.scale, images.shift, mask, width)


def _sums(grad: Array, mask: Array, images: ScaledImages, width: int) -> Array:
    """The sums (2, C) of grad * mask (n,) and of its product with what BatchNorm made."""
    return sums_of(grad, mask, images.x, images.normal_scale, images.normal_shift, width)


def _dot(sums: Array, passes: list[BlockPass]) -> float:
    """The dot product of a gradient of those sums with the images."""
    if not passes or passes[-1].output.shift is passes[-1].output.normal_shift:
        return float(sums[1].sum())
    _, _, shift, _, normal_shift = passes[-1].output
    gain = passes[-1].gain
    return float((gain * sums[1] + (shift - gain * normal_shift) * sums[0]).sum())


def _scaled(x: Array, scale: Array, shift: Array) -> ScaledImages:
    scale, shift = scale.astype(x.dtype), shift.astype(x.dtype)
    return ScaledImages(x, scale, shift, scale, shift)


def _unscaled(x: Tensor) -> ScaledImages:
    flat = _flat(x)
    ones, zeros = identity(x.shape[1], flat.dtype)
    return ScaledImages(flat, ones, zeros, ones, zeros)


def _flat(x: Tensor) -> Array:
    """Images (n, C, h, w) as (n, hwC); their own memory where it is channels last."""
    return x.detach().permute(0, 2, 3, 1).reshape(x.shape[0], -1).numpy()
