"""The cells of a network on a CPU as one function of autograd: a pass is one compiled call over a table of rows.

The same function as the modules of `operations.py`, in fewer passes over memory and without Python between operations.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numba.core.registry import cpu_target
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from workflow_scripts.cells.operations import drop_path_mask
from workflow_scripts.cells.pass_kernels import (
    Array,
    Gradients,
    Numbers,
    Scratch,
    Tangents,
    backward,
    forward,
)
from workflow_scripts.cells.pass_table import SEPARABLE, CellEdges, State, Table, has_rows

EIGHT = (0,) * 8
NO_TANGENTS = Tangents(None, None, None, None, None)


def lanes_of(table: Table) -> tuple[int, ...]:
    """Zeros, as many as a vector has lanes: 16 where registers hold so many and all channels allow it, else 8."""
    features = cpu_target.target_context.codegen().magic_tuple()[2]
    widths = {table.stem.channels, *(width // row.stride for row in table.row_list for width in (row.inputs * row.stride, row.outputs))}
    wide = "+avx512f" in features and all(width % 16 == 0 for width in widths)
    return (0,) * (16 if wide else 8)


class Plan:
    """A table with what its calls need, for images of one type of numbers."""

    def __init__(self, table: Table, dtype: np.dtype[Any]) -> None:
        self.table, self.dtype = table, dtype
        kernels = {row.kernel for row in table.row_list if row.kind == SEPARABLE}
        windows = [(0,) * kernel**2 if kernel in kernels else None for kernel in (3, 5, 7)]
        pools = any(row.kernel == 3 and row.kind != SEPARABLE for row in table.row_list)
        self.compiled_for = (*windows, (0,) * 9 if pools else None, EIGHT, lanes_of(table))
        self.norms = np.zeros(4 * table.channels, dtype)
        for count, channel in table.identities.items():
            self.norms[4 * channel : 4 * channel + count] = 1
            self.norms[4 * channel + 2 * count : 4 * channel + 3 * count] = 1


class Workspace:
    """Memory that passes of a network share, so that the system need not provide it anew each time."""

    def __init__(self) -> None:
        self.free = list[Array]()
        self.small = dict[Any, Scratch]()

    def take(self, size: int, dtype: np.dtype[Any]) -> Array:
        """An array of at least that size, which begins at a line of the cache."""
        for at, array in enumerate(self.free):
            if array.dtype == dtype and len(array) >= size:
                return self.free.pop(at)
        del self.free[:1]  # too small
        return aligned(size, dtype)

    def give(self, array: Array) -> None:
        """Hand an array back."""
        self.free.append(array)
        self.free.sort(key=len)

    def scratch(self, table: Table, dtype: np.dtype[Any]) -> Scratch:
        """Arrays that stay in the cache, large enough for a table's rows."""
        needed = _scratch_sizes(table)
        if dtype not in self.small or any(len(a) < n for a, n in zip(self.small[dtype], needed, strict=True)):
            self.small[dtype] = Scratch(*(aligned(size, dtype) for size in needed))
        return self.small[dtype]


def aligned(size: int, dtype: np.dtype[Any]) -> Array:
    """An array whose numbers begin at a line of the cache, of 64 bytes."""
    raw = np.empty(size * dtype.itemsize + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + size * dtype.itemsize].view(dtype)


def _scratch_sizes(table: Table) -> Scratch:
    frame = around = chunk = taps = weights = channels = 0
    for row in table.row_list:
        padding = row.dilation * (row.kernel - 1) // 2
        wide = row.parts * row.inputs
        frame = max(frame, (row.height + 2 * padding) * (row.width + 2 * padding) * wide)
        chunk = max(chunk, 4096, row.width * max(row.outputs, row.stride * wide))
        taps = max(taps, 2 * row.kernel**2 * row.outputs)
        weights = max(weights, row.kernel**2 * row.outputs + row.outputs * wide)
        channels = max(channels, 5 * row.outputs)
    return Scratch(frame, frame, chunk, chunk, chunk, taps, weights, weights, channels)


class Pass:
    """A forward pass: its numbers, for the backward pass."""

    def __init__(self, plan: Plan, workspace: Workspace, images: int, parameters: Array, factors: Array, running: Array) -> None:
        self.plan, self.workspace, self.images = plan, workspace, images
        table, dtype = plan.table, plan.dtype
        self.values = workspace.take(table.size * images, dtype)
        masks = np.empty(table.masks * images, dtype)
        sums = np.zeros(2 * table.channels)
        self.numbers = Numbers(self.values, plan.norms.copy(), parameters, factors, masks, running, sums, table.norms[0].eps)
        self.scratch = workspace.scratch(table, dtype)

    def draw(self, cell: int, generator: torch.Generator | None, drop_path: float) -> None:
        """Draw a cell's noise and masks, in the order of its operations."""
        n, dtype = self.images, torch.from_numpy(self.values[:0]).dtype
        for draw in self.plan.table.draws[cell]:
            if draw.shape is None:
                mask = drop_path_mask(torch.empty(n, dtype=dtype), drop_path, generator)
                self.numbers.masks[draw.number * n : (draw.number + 1) * n] = mask.reshape(-1).numpy()
            else:
                place = self.at(draw.number, draw.shape)
                torch.randn(place.shape, generator=generator, dtype=dtype, out=place)

    def at(self, place: int, shape: tuple[int, int, int], array: Array | None = None) -> Tensor:
        """The images (n, height, width, channels) that lie at a place of an array; by default of the values."""
        height, width, channels = shape
        size = height * width * channels * self.images
        start = place * self.images
        found = (self.values if array is None else array)[start : start + size]
        return torch.from_numpy(found).view(self.images, height, width, channels)

    def release(self) -> None:
        """Hand the memory back."""
        self.workspace.give(self.values)


class Mode(NamedTuple):
    """How a pass runs."""

    training: bool
    tracks: bool
    """whether it moves the running statistics"""
    drop_path: float
    generator: torch.Generator | None


class CompiledCells:
    """The compiled passes of one network, and the memory that they share."""

    def __init__(self, operations: Iterable[nn.Module]) -> None:
        """`operations` are those of all edges."""
        self.known = all(has_rows(operation) for operation in operations)
        self.workspace = Workspace()
        self.plans = dict[Any, Plan]()

    def can_run(self, images: Tensor) -> bool:
        """Whether passes over images can be compiled: on a CPU, in full precision, all operations known here."""
        return self.known and images.device.type == "cpu" and not torch.is_autocast_enabled("cpu")

    def __call__(
        self,
        edges: Callable[[], list[CellEdges]],
        stem: Tensor,
        factors: Tensor,
        mode: Mode,
        reused: bool = True,
        read: Sequence[int] = (),
    ) -> tuple[Tensor, ...]:
        """The outputs (n, C, h, w) of the cells whose numbers are `read` and of the last, for the stem's output.

        `edges` gives the cells; where they are `reused`, the same each time but for masks. The first of the factors,
        which are the weights of terms, is 1.
        """
        keeps = torch.is_grad_enabled()
        key = (stem.shape[1:], stem.dtype, keeps, mode.drop_path > 0, tuple(read))
        plan = self.plans.get(key) if reused else None
        if plan is None:
            shape = (*stem.shape[2:], stem.shape[1])
            plan = Plan(Table(edges(), shape, read, keeps), stem.detach().numpy().dtype)
            if reused:
                self.plans[key] = plan
        parameters = [tensor for _, tensor in plan.table.parameters]
        outputs: tuple[Tensor, ...] = _Cells.apply(self.workspace, plan, mode, stem, factors, *parameters)
        return outputs


    def linearised(
        self, edges: Callable[[], list[CellEdges]], stem: Tensor, factors: Tensor, mode: Mode
    ) -> "LinearisedPass":
        """A pass and its derivatives along directions of the factors, all parameters fixed."""
        shape = (*stem.shape[2:], stem.shape[1])
        plan = Plan(Table(edges(), shape, keeps_gradients=True), stem.detach().numpy().dtype)
        parameters = [tensor for _, tensor in plan.table.parameters]
        return LinearisedPass(_run(Workspace(), plan, mode, stem, factors, parameters))


def _run(workspace: Workspace, plan: Plan, mode: Mode, stem: Tensor, factors: Tensor, parameters: Sequence[Tensor]) -> Pass:
    """A forward pass, all its draws included."""
    table = plan.table
    vector = torch.cat([parameter.detach().reshape(-1) for parameter in parameters]).numpy()
    statistics = [one for norm in table.norms for one in (norm.running_mean, norm.running_var)]
    if mode.tracks or not mode.training:
        running = torch.cat(statistics)
    else:
        running = torch.empty(table.running_count, dtype=stem.dtype)
    done = Pass(plan, workspace, len(stem), vector, factors.detach().numpy(), running.numpy())
    done.at(table.stem.x, stem.shape[2:] + stem.shape[1:2]).copy_(stem.detach().permute(0, 2, 3, 1))
    momentum = table.norms[0].momentum if mode.training and mode.tracks else 0.0
    first = 0
    for cell, end in enumerate(table.ends):
        done.draw(cell, mode.generator, mode.drop_path)
        if end == len(table.rows) or not table.keeps:
            forward(
                table.rows, first, end, table.terms, done.images, done.numbers, done.scratch, mode.training,
                momentum, done.values, NO_TANGENTS, *plan.compiled_for,
            )  # fmt: skip
            first = end
    if momentum > 0:
        torch._foreach_copy_(statistics, running.split([len(one) for one in statistics]))
        torch._foreach_add_([norm.num_batches_tracked for norm in table.norms], 1)
    return done


def _images(done: Pass, state: State, places: Sequence[int], array: Array | None = None) -> list[Tensor]:
    return [done.at(place, (state.height, state.width, state.channels), array) for place in places]


def _outputs(done: Pass, array: Array) -> tuple[Tensor, ...]:
    """The outputs (n, C, h, w) of a pass, found in its values or in their tangents."""
    found = []
    for state in done.plan.table.outputs:
        size = state.height * state.width * state.channels
        parts = _images(done, state, [state.x + part * size for part in range(state.parts)], array)
        found.append(torch.cat(parts, 3).permute(0, 3, 1, 2))
    return tuple(found)


def _put_gradients(done: Pass, gradients: Gradients, grads: Sequence[Tensor | None]) -> None:
    """Write the gradients of the outputs, from where a backward pass begins."""
    gradients.written[:] = 0
    for state, grad in zip(done.plan.table.outputs, grads, strict=True):
        if grad is None:
            continue
        numbers = range(state.gradient, state.gradient + state.parts)
        targets = _images(done, state, [int(gradients.places[number]) for number in numbers], gradients.values)
        for number, target, part in zip(numbers, targets, grad.detach().split(state.channels, 1), strict=True):
            if gradients.written[number]:
                target += part.permute(0, 2, 3, 1)
            else:
                target.copy_(part.permute(0, 2, 3, 1))
            gradients.written[number] = 1


class _Cells(Function):
    @staticmethod
    def forward(
        ctx: Any, workspace: Workspace, plan: Plan, mode: Mode, stem: Tensor, factors: Tensor, *parameters: Tensor
    ) -> tuple[Tensor, ...]:
        done = _run(workspace, plan, mode, stem, factors, parameters)
        outputs = _outputs(done, done.values)
        ctx.set_materialize_grads(False)
        if plan.table.keeps:
            ctx.done, ctx.training, ctx.shapes = done, mode.training, [tensor.shape for tensor in parameters]
        else:
            done.release()
        return outputs

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Any, ...]:
        done: Pass = ctx.done
        if done is None:
            raise RuntimeError("the gradients of a compiled pass can be taken once; run the pass again")
        ctx.done, plan, n = None, done.plan, done.images
        table = plan.table
        with_stem, with_factors, with_weights = *ctx.needs_input_grad[3:5], any(ctx.needs_input_grad[5:])
        space = done.workspace.take(table.gradient_size * n, plan.dtype)
        factors = np.zeros(len(done.numbers.factors))
        of_parameters = np.zeros(len(done.numbers.parameters) if with_weights else 0, plan.dtype)
        written, ran = np.zeros(len(table.places), np.int64), np.zeros(len(table.rows), np.bool_)
        gradients = Gradients(space, table.places, written, factors, of_parameters)
        _put_gradients(done, gradients, grads)
        backward(
            table.rows, ran, table.terms, n, done.numbers, gradients, done.scratch, ctx.training, with_factors,
            with_stem or with_weights, space, NO_TANGENTS, *plan.compiled_for,
        )  # fmt: skip
        of_stem = None
        if with_stem and gradients.written[table.stem.gradient]:
            state = table.stem
            (grad,) = _images(done, state, [int(table.places[state.gradient])], space)
            of_stem = grad.permute(0, 3, 1, 2).clone()
        done.release()
        done.workspace.give(space)
        found: Sequence[Tensor | None] = [None] * len(ctx.shapes)
        if with_weights:
            parts = torch.from_numpy(of_parameters).split([shape.numel() for shape in ctx.shapes])
            found = [
                part.view(shape) if ran[row] else None
                for part, shape, (row, _) in zip(parts, ctx.shapes, table.parameters, strict=True)
            ]
        of_factors = torch.from_numpy(factors.astype(plan.dtype)) if with_factors else None
        return None, None, None, of_stem, of_factors, *found


class LinearisedPass:
    """A training pass with the gradients of its factors, and the derivatives of both along directions of the factors.

    The derivatives are those of BatchNorm with batch statistics and without a scale of its own.
    """

    def __init__(self, done: Pass) -> None:
        self.done, table, n = done, done.plan.table, done.images
        dtype = done.plan.dtype
        (self.output,) = _outputs(done, done.values)
        self.factors = np.zeros(len(done.numbers.factors))
        written, nothing = np.zeros(len(table.places), np.int64), np.zeros(0, dtype)
        space = aligned(table.gradient_size * n, dtype)
        self.gradients = Gradients(space, table.places, written, self.factors, nothing)
        self.tangents = Tangents(
            aligned(table.size * n, dtype), np.zeros(table.channels), np.zeros(len(self.factors), dtype),
            np.zeros(3 * table.channels), aligned(table.gradient_size * n, dtype),
        )  # fmt: skip

    def gradient(self, grad: Tensor) -> Tensor:
        """The gradient of the factors for that of the output; it is taken first, and once."""
        _put_gradients(self.done, self.gradients, [grad])
        return self._backward(self.gradients.values, NO_TANGENTS)

    def tangent(self, direction: Tensor) -> Tensor:
        """The derivative of the output along a direction of the factors."""
        done, table = self.done, self.done.plan.table
        self.tangents.factors[:] = direction.numpy()
        forward(
            table.rows, 0, len(table.rows), table.terms, done.images, done.numbers, done.scratch, True, 0.0,
            self.tangents.values, self.tangents, *done.plan.compiled_for,
        )  # fmt: skip
        return _outputs(done, self.tangents.values)[0]

    def gradient_tangent(self, grad_tangent: Tensor) -> Tensor:
        """The derivative of the factors' gradient along the last direction, for that of the output's gradient."""
        moved = self.gradients._replace(values=self.tangents.gradients)
        _put_gradients(self.done, moved, [grad_tangent])
        return self._backward(self.tangents.gradients, self.tangents)

    def _backward(self, target: Array, tangents: Tangents) -> Tensor:
        done, table = self.done, self.done.plan.table
        self.factors[:] = 0
        backward(
            table.rows, np.zeros(len(table.rows), np.bool_), table.terms, done.images, done.numbers, self.gradients,
            done.scratch, True, True, False, target, tangents, *done.plan.compiled_for,
        )  # fmt: skip
        return torch.from_numpy(self.factors.astype(done.plan.dtype))
