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
    Images,
    Run,
    Step,
    back,
    back_from_convolutions,
    identity,
    run,
)
from workflow_scripts.cells.operations import apply_operation


class Term(NamedTuple):
    """One summand: weights[weight] * mask * operation(inputs[input])."""

    input: int
    steps: list[Step]
    """of the operation; none for the input itself"""
    weight: int = 0
    mask: Tensor | None = None
    """one number for each image (n, 1, 1, 1), or None for ones"""


def node_sum(inputs: list[Tensor], terms: list[Term], weights: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """The sum of terms (n, *shape), for inputs (n, C, h, w) and a vector of weights.

    Raises RuntimeError where second derivatives are asked for while parameters require gradients.
    """
    parameters = [parameter for term in terms for step in term.steps for parameter in step.weights]
    total: Tensor = _NodeSum.apply(terms, len(inputs), shape, weights, *inputs, *parameters)
    return total


def term_of(
    operation: nn.Module,
    steps: list[Step] | None,
    source: int,
    inputs: list[Tensor],
    draws: torch.Generator | None,
    weight: int = 0,
) -> Term:
    """The term of an operation on inputs[source]; one without steps is computed here and joins the inputs."""
    if steps is None and not isinstance(operation, nn.Identity):
        inputs.append(apply_operation(operation, inputs[source], draws))
        source = len(inputs) - 1
    return Term(source, steps or [], weight)


def single_operation(steps: list[Step], x: Tensor) -> Tensor:
    """The output of one operation."""
    loops = steps[-1].loops(*x.shape[2:])
    return node_sum([x], [Term(0, steps)], x.new_ones(1), (loops.channels, loops.height, loops.width))


def may_compile(network: nn.Module, images: Tensor) -> bool:
    """Whether compiled loops can compute a pass: on a CPU, in full precision, with batch statistics for gradients."""
    derived = network.training or not torch.is_grad_enabled()
    return derived and images.device.type == "cpu" and not torch.is_autocast_enabled("cpu")


class _NodeSum(Function):
    @staticmethod
    def forward(
        ctx: Any, terms: list[Term], count: int, shape: tuple[int, int, int], weights: Tensor, *tensors: Tensor
    ) -> Tensor:
        inputs = [_as_they_are(x) for x in tensors[:count]]
        total = torch.zeros(len(tensors[0]), shape[1], shape[2], shape[0], dtype=tensors[0].dtype)
        flat = total.view(len(total), -1).numpy()
        factors, ones = weights.detach().numpy(), np.ones(len(flat), flat.dtype)
        ctx.runs = []  # by term, those of its steps
        for term in terms:
            images, (height, width) = inputs[term.input], tensors[term.input].shape[2:]
            runs = list[Run]()
            for step in term.steps:
                done = run(step, images, height, width)
                images, height, width = done.after, done.loops.height, done.loops.width
                runs.append(done)
            _add(flat, images, _mask(term, ones) * factors[term.weight], shape[2])
            ctx.runs.append(runs)
        ctx.terms, ctx.count, ctx.differentiated = terms, count, False
        ctx.save_for_backward(weights, *tensors)
        return total.permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        weights, *tensors = ctx.saved_tensors
        weights_wanted, wanted = ctx.needs_input_grad[3], ctx.needs_input_grad[4:]
        if torch.is_grad_enabled():
            if any(wanted[ctx.count :]) or any(step.norm.affine for term in ctx.terms for step in term.steps):
                raise RuntimeError("second derivatives are of states and weights only, with all parameters fixed")
            ctx.differentiated = True
            gradients = _Gradient.apply(ctx.terms, ctx.runs, wanted, grad, weights, *tensors[: ctx.count])
            return None, None, None, *gradients, *(None for _ in tensors[ctx.count :])
        of_each = ctx.runs
        if not ctx.differentiated:
            ctx.runs = None  # so that this memory goes when that of the saved tensors does
        inputs, parameters = tensors[: ctx.count], tensors[ctx.count :]
        flat, width = _flat(grad), grad.shape[3]
        factors, ones = weights.detach().numpy(), np.ones(len(flat), flat.dtype)
        of_weights = np.zeros_like(factors)
        of_inputs = _Gradients(inputs, wanted)
        of_parameters: list[Tensor | None] = [None] * len(parameters)
        first = 0
        for term, runs in zip(ctx.terms, of_each, strict=True):
            mask, factor = _mask(term, ones), factors[term.weight]
            flowing, own = flat, mask * factor
            if not runs and wanted[term.input]:
                add_product(*of_inputs.next(term.input), flat, own)
            if runs or weights_wanted:
                sums = _sums(flat, mask, runs[-1].after if runs else _as_they_are(inputs[term.input]), width)
                of_weights[term.weight] += _dot(sums, runs)
                sums = sums * factor
            at = first = first + sum(len(step.weights) for step in term.steps)
            for number in reversed(range(len(runs))):
                step, done = term.steps[number], runs[number]
                at -= len(step.weights)
                own_parameters = parameters[at : at + len(step.weights)] if wanted[ctx.count + at] else ()
                of_before, add = of_inputs.next(term.input) if number == 0 else (np.empty_like(done.before.x), False)
                sums, of_own = back(done, flowing, own, sums, of_before, add, own_parameters)
                of_parameters[at : at + len(of_own)] = of_own
                flowing, own = of_before, ones
        return None, None, None, torch.from_numpy(of_weights), *of_inputs.tensors(), *of_parameters


class _Gradient(Function):
    """The backward of a node's sum as a function of the gradient, the weights and the inputs.

    Its own backward takes the derivative along a direction of weights and inputs: the dot product of the direction with
    the gradient is the derivative, along it, of the dot product of `grad` with the sum.
    """

    @staticmethod
    def forward(
        ctx: Any,
        terms: list[Term],
        of_each: list[list[Run]],
        wanted: tuple[bool, ...],
        grad: Tensor,
        weights: Tensor,
        *inputs: Tensor,
    ) -> tuple[Tensor | None, ...]:
        flat, width = _flat(grad), grad.shape[3]
        factors, ones = weights.detach().numpy(), np.ones(len(flat), flat.dtype)
        of_weights = np.zeros_like(factors)
        of_inputs = _Gradients(inputs, wanted)
        ctx.sums, ctx.derived = [], []  # by term: the sums of the gradient, and what was derived at each step
        for term, runs in zip(terms, of_each, strict=True):
            mask, factor = _mask(term, ones), factors[term.weight]
            term_sums = _sums(flat, mask, runs[-1].after if runs else _as_they_are(inputs[term.input]), width)
            of_weights[term.weight] += _dot(term_sums, runs)
            flowing, own, sums = flat, mask * factor, term_sums * factor
            if not runs and wanted[term.input]:
                add_product(*of_inputs.next(term.input), flat, own)
            derived = list[_Derived]()
            for number in reversed(range(len(runs))):
                done = runs[number]
                means = sums / done.numbers
                derived.insert(0, _Derived(_through_norm(done, flowing, own, means), means))
                of_before, add = of_inputs.next(term.input) if number == 0 else (np.empty_like(done.before.x), False)
                sums = back_from_convolutions(done, derived[0].gradient, of_before, add)
                flowing, own = of_before, ones
            ctx.sums.append(term_sums)
            ctx.derived.append(derived)
        ctx.terms, ctx.runs = terms, of_each
        ctx.save_for_backward(grad, weights, *inputs)
        return torch.from_numpy(of_weights), *of_inputs.tensors()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, along_weights: Tensor, *along_inputs: Tensor) -> tuple[Any, ...]:
        grad, weights, *inputs = ctx.saved_tensors
        flat, width = _flat(grad), grad.shape[3]
        factors, ones = weights.detach().numpy(), np.ones(len(flat), flat.dtype)
        along_factors = along_weights.numpy()
        tangents = [_flat(torch.zeros_like(x) if v is None else v) for x, v in zip(inputs, along_inputs, strict=True)]
        of_grad, of_weights = np.zeros_like(flat), np.zeros_like(factors)
        of_inputs = _Gradients(inputs, [True] * len(inputs))
        for term, runs, term_sums, derived in zip(ctx.terms, ctx.runs, ctx.sums, ctx.derived, strict=True):
            mask, factor, along = _mask(term, ones), factors[term.weight], along_factors[term.weight]
            tangent = tangents[term.input]
            if not runs:
                images = _as_they_are(inputs[term.input])
                moved = images._replace(x=tangent)
                _add(of_grad, images, mask * along, width)
                _add(of_grad, moved, mask * factor, width)
                of_weights[term.weight] += _sums(flat, mask, moved, width)[1].sum()
                add_product(*of_inputs.next(term.input), flat, mask * along)
                continue
            moved_steps = list[_Moved]()
            for done, at in zip(runs, derived, strict=True):
                moved_steps.append(_moved(done, at, tangent))
                if done is not runs[-1]:
                    tangent = _through_norm(done, moved_steps[-1].y, ones, moved_steps[-1].means)
            last, (of_y, means) = runs[-1].after, moved_steps[-1]
            own = along - factor * last.scale * means[1]
            _add(of_grad, _images(of_y, factor * last.scale, -factor * last.scale * means[0]), mask, width)
            _add(of_grad, _images(last.x, own * last.scale, own * last.shift), mask, width)
            if factor != 0:  # else the derivative of the weight in its alpha is 0 as well
                of_weights[term.weight] += means[2].sum() * runs[-1].numbers / factor
            flowing, own, sums = flat, mask * along, term_sums * along
            for number in reversed(range(len(runs))):
                done = runs[number]
                turned = _turned(done, derived[number], moved_steps[number], flowing, own, sums / done.numbers)
                of_before, add = of_inputs.next(term.input) if number == 0 else (np.empty_like(done.before.x), False)
                sums = back_from_convolutions(done, turned, of_before, add)
                flowing, own = of_before, ones
        total = torch.from_numpy(of_grad).view(len(grad), *grad.shape[2:], grad.shape[1]).permute(0, 3, 1, 2)
        return None, None, None, total, torch.from_numpy(of_weights), *of_inputs.tensors()


class _Derived(NamedTuple):
    """The gradient at a step."""

    gradient: Array
    """of the convolutions' output"""
    means: Array
    """of the gradient of BatchNorm's output and of its product with that output, (2, C)"""


class _Moved(NamedTuple):
    """The derivative of a step along a tangent."""

    y: Array
    """of the convolutions' output"""
    means: Array
    """of it, and of its products with BatchNorm's output and with the gradient, (3, C)"""


def _moved(done: Run, derived: _Derived, tangent: Array) -> _Moved:
    y = np.empty_like(done.after.x)
    x, scale, shift, _, _ = done.before
    done.loops.forward(x, scale, shift, *done.weights, 0.0, y, tangent)
    after = done.after
    sums = tangent_sums(y, after.x, after.scale, after.shift, derived.gradient, done.loops.width)
    return _Moved(y, sums / done.numbers)


def _through_norm(done: Run, values: Array, own: Array, means: Array) -> Array:
    """BatchNorm's derivative, which is symmetric: applied to values * own (n,), forward or backward.

    scale * (values - means[0] - z * means[1]) for BatchNorm's output z = scale * y + shift.
    """
    y, scale, shift, _, _ = done.after
    factors = (-scale * (means[0] + means[1] * shift), scale, -scale * means[1] * scale, 0 * scale, 0 * scale)
    return combined(values, own, y, y, y, np.array(factors, y.dtype), done.loops.width)


def _turned(done: Run, derived: _Derived, moved: _Moved, flowing: Array, own: Array, means: Array) -> Array:
    """The derivative along a tangent of BatchNorm's backward, whose incoming gradient moves by flowing * own (n,).

    With d the derivative, z BatchNorm's output and s its scale: d s = -s^2 mean(z dy), and
    d(s (g - mean(g) - z mean(z g))) = s (dg - mean(dg) - z (mean(z dg) + mean(dz g))) - s mean(z dy) gradient
    - s mean(z g) dz, where dz = s (dy - mean(dy) - z mean(z dy)) and mean(dz g) = mean(dy gradient).
    """
    y, scale, shift, _, _ = done.after
    of_y, of_z, of_gradient = moved.means
    curve = scale.astype(np.float64) ** 2 * derived.means[1]
    tilt = scale * (means[1] + of_gradient) - curve * of_z
    factors = (curve * of_y - scale * means[0] - tilt * shift, scale, -tilt * scale, -scale * of_z, -curve)
    return combined(flowing, own, y, derived.gradient, moved.y, np.array(factors, y.dtype), done.loops.width)


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


def _add(total: Array, images: Images, own: Array, width: int) -> None:
    add_scaled(total, images.x, images.scale, images.shift, own, width)


def _sums(grad: Array, own: Array, images: Images, width: int) -> Array:
    """The sums (2, C) of grad * own (n,) and of its product with what BatchNorm made."""
    return sums_of(grad, own, images.x, images.normal_scale, images.normal_shift, width)


def _dot(sums: Array, runs: list[Run]) -> float:
    """The dot product of a gradient of those sums with the images."""
    if not runs or runs[-1].after.shift is runs[-1].after.normal_shift:
        return float(sums[1].sum())
    _, _, shift, _, normal_shift = runs[-1].after
    gain = runs[-1].gain
    return float((gain * sums[1] + (shift - gain * normal_shift) * sums[0]).sum())


def _images(x: Array, scale: Array, shift: Array) -> Images:
    scale, shift = scale.astype(x.dtype), shift.astype(x.dtype)
    return Images(x, scale, shift, scale, shift)


def _as_they_are(x: Tensor) -> Images:
    flat = _flat(x)
    ones, zeros = identity(x.shape[1], flat.dtype)
    return Images(flat, ones, zeros, ones, zeros)


def _flat(x: Tensor) -> Array:
    """Images (n, C, h, w) as (n, hwC); their own memory where it is channels last."""
    return x.detach().permute(0, 2, 3, 1).reshape(x.shape[0], -1).numpy()
