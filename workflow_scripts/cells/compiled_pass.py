"""The cells of a network on a CPU as one function of autograd: a pass is one compiled call over a table of rows.

The same function as the modules of `operations.py`, in fewer passes over memory and without Python between operations.
"""

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from workflow_scripts.cells import pass_kernels as kernels
from workflow_scripts.cells.operations import drop_path_mask
from workflow_scripts.cells.pass_kernels import Array, Gradients, Scratch, Tangents
from workflow_scripts.cells.pass_table import WINDOWS, CellEdges, Places, State, Table
from workflow_scripts.runtime.vectors import lanes_for


class Mode(NamedTuple):
    """How a pass runs."""

    training: bool
    tracks: bool
    """whether it moves the running statistics"""
    drop_path: float
    generator: torch.Generator | None


class Plan:
    """A table with what its calls need, for one type of numbers."""

    def __init__(self, table: Table, dtype: np.dtype[Any]) -> None:
        self.table, self.dtype, self.scratch_sizes = table, dtype, _scratch_sizes(table)
        self.norms = np.zeros(4 * table.channels, dtype)
        for count, channel in table.identities.items():
            self.norms[4 * channel : 4 * channel + 4 * count].reshape(4, count)[::2] = 1


def lanes_of(cells: nn.ModuleList) -> tuple[int, ...]:
    """Zeros, as many as the vectors of the cells have lanes."""
    convolutions = [module for module in cells.modules() if isinstance(module, nn.Conv2d)]
    return lanes_for(*(count for one in convolutions for count in (one.in_channels, one.out_channels)))


def windows_of(cells: nn.ModuleList) -> tuple[tuple[int, ...] | None, ...]:
    """Zeros for each tap of the cells' kernels, by kernel, and for pools; None for what they lack."""
    modules = list(cells.modules())
    sides = {module.kernel_size[0] for module in modules if isinstance(module, nn.Conv2d)}
    pools = any(isinstance(module, nn.MaxPool2d | nn.AvgPool2d) for module in modules)
    return (*((0,) * kernel**2 if kernel in sides else None for kernel in WINDOWS), (0,) if pools else None)


class Workspace:
    """Memory that passes of a network share, so that the system need not provide it anew each time."""

    def __init__(self) -> None:
        self.free = list[Array]()
        self.small = dict[Any, Scratch]()

    def take(self, size: int, dtype: np.dtype[Any]) -> Array:
        """An array of at least that size."""
        for at, array in enumerate(self.free):
            if array.dtype == dtype and len(array) >= size:
                return self.free.pop(at)
        del self.free[:1]  # too small
        return aligned(size, dtype)

    def give(self, array: Array) -> None:
        """Hand an array back."""
        self.free = sorted([*self.free, array], key=len)

    def scratch(self, sizes: list[int], dtype: np.dtype[Any]) -> Scratch:
        """Arrays that stay in the cache, of at least those sizes."""
        kept = self.small.get(dtype)
        if kept is None or any(len(array) < size for array, size in zip(kept, sizes, strict=True)):
            self.small[dtype] = Scratch(*(aligned(size, dtype) for size in sizes))
        return self.small[dtype]


def _scratch_sizes(table: Table) -> list[int]:
    """The sizes of the arrays of a `Scratch`, for a table's rows."""
    frames = chunk = taps = weights = channels = 0
    for row in table.row_list:
        border, inputs = row.dilation * (row.kernel - 1), row.parts * row.inputs
        together = max(1, kernels.NUMBERS_AT_ONCE // (row.height * row.width * inputs))
        frames = max(frames, together * (row.height + border) * (row.width + border) * inputs)
        # rows that go through together at least
        rows = row.height if row.kind in (kernels.MAX_POOL, kernels.AVERAGE_POOL) else 1
        chunk = max(chunk, kernels.NUMBERS_AT_ONCE, rows * row.width * max(row.outputs, row.stride * inputs))
        taps = max(taps, 2 * row.kernel**2 * row.outputs)
        weights, channels = max(weights, taps + row.outputs * inputs), max(channels, 5 * row.outputs)
    return [frames, frames, chunk, chunk, chunk, taps, weights, weights, channels]


def aligned(size: int, dtype: np.dtype[Any]) -> Array:
    """An array whose numbers begin at a line of the cache, of 64 bytes."""
    memory = np.empty(size * dtype.itemsize + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + size * dtype.itemsize].view(dtype)


class ForwardPass:
    """A forward pass, all its draws included; it keeps what a backward pass needs."""

    def __init__(self, cells: "CompiledCells", plan: Plan, mode: Mode, stem: Tensor, factors: Tensor) -> None:
        self.cells, self.plan, self.images = cells, plan, len(stem)
        table, dtype, norm, moves = plan.table, plan.dtype, cells.norms[0], mode.training and mode.tracks
        self.values = cells.workspace.take(table.size * self.images, dtype)
        sums = np.zeros(3 * table.channels)
        self.kept = kernels.Pass(
            self.images, mode.training, (norm.momentum or 0.0) if moves else 0.0, norm.eps, self.values,
            plan.norms.copy(), cells.vector.detach().numpy(), factors.detach().numpy(),
            np.empty(table.masks * self.images, dtype), cells.running.numpy(), sums,
            cells.workspace.scratch(plan.scratch_sizes, dtype), cells.lanes, self.values, sums,
        )  # fmt: skip
        self.at(table.stem).copy_(stem.detach().permute(0, 2, 3, 1))
        first = 0
        for draws, end in zip(table.draws, table.ends, strict=True):
            self._draw(draws, mode)
            if end == len(table.rows) or not table.keeps:
                kernels.forward(table.rows, first, end, table.terms, self.kept, None, *cells.windows)
                first = end
        if moves:
            cells.count(table.norms)

    def _draw(self, draws: list[State | int], mode: Mode) -> None:
        """Draw a cell's noise and masks, in the order of its operations."""
        n = self.images
        for draw in draws:
            if isinstance(draw, State):
                place = self.at(draw)
                torch.randn(place.shape, generator=mode.generator, dtype=place.dtype, out=place)
            else:
                mask = drop_path_mask(torch.from_numpy(self.values[:n]), mode.drop_path, mode.generator)
                self.kept.masks[draw * n : (draw + 1) * n] = mask.reshape(-1).numpy()

    def at(self, state: State, array: Array | None = None, place: int | None = None) -> Tensor:
        """A state's images (n, height, width, channels) in an array, by default in the values, at a place there."""
        size = state.height * state.width * state.channels * self.images
        start = (state.x if place is None else place) * self.images
        found = (self.values if array is None else array)[start : start + size]
        return torch.from_numpy(found).view(self.images, state.height, state.width, state.channels)

    def outputs(self, array: Array) -> tuple[Tensor, ...]:
        """The outputs (n, C, h, w), found in the values or in their tangents."""
        found = []
        for state in self.plan.table.outputs:
            size = state.height * state.width * state.channels
            parts = [self.at(state, array, state.x + part * size) for part in range(state.parts)]
            found.append(torch.cat(parts, 3).permute(0, 3, 1, 2))
        return tuple(found)

    def gradients(self, values: Array, parameters: int) -> Gradients:
        """Where a backward pass writes, with so many gradients of parameters."""
        places, factors = self.plan.table.places, np.zeros(len(self.kept.factors))
        written = np.zeros(len(places), np.int64)
        return Gradients(values, values, places, written, factors, np.zeros(parameters, self.plan.dtype))

    def backward(
        self, gradients: Gradients, grads: Sequence[Tensor | None], with_factors: bool, with_all: bool,
        tangents: Tangents | None = None,
    ) -> Array:  # fmt: skip
        """Fill the gradients, or their tangents, for those of the outputs; returns which rows ran."""
        table, kept, ran = self.plan.table, self.kept, np.zeros(len(self.plan.table.rows), np.bool_)
        if tangents is not None:
            kept, gradients = _along(kept, tangents), gradients._replace(out=tangents.gradients)
        gradients.written[:], gradients.factors[:] = 0, 0
        for state, grad in zip(table.outputs, grads, strict=True):
            if grad is None:
                continue
            for number, part in enumerate(grad.detach().split(state.channels, 1), state.gradient):
                place = self.at(state, gradients.out, int(table.places[number]))
                place.copy_(part.permute(0, 2, 3, 1))
                gradients.written[number] = 1
        kernels.backward(
            table.rows, ran, table.terms, kept, gradients, tangents, with_factors, with_all, *self.cells.windows
        )
        return ran

    def of_factors(self, gradients: Gradients) -> Tensor:
        """The gradients of the factors, in the precision of these."""
        return torch.from_numpy(gradients.factors.astype(self.plan.dtype))


def _along(kept: kernels.Pass, tangents: Tangents) -> kernels.Pass:
    """A pass that computes tangents."""
    return kept._replace(out=tangents.values, out_sums=tangents.sums)


class CompiledCells:
    """The compiled passes of one network: where its parameters and statistics lie, and the memory that passes share.

    The parameters of all cells are parts of one vector, the running statistics of another, and so are the counters.
    """

    def __init__(self, cells: nn.ModuleList) -> None:
        self.workspace, self.plans = Workspace(), dict[Any, Plan]()
        self.parameters = list(cells.parameters())
        self.norms = [module for module in cells.modules() if isinstance(module, nn.BatchNorm2d)]
        self.vector = torch.cat([parameter.detach().reshape(-1) for parameter in self.parameters]).requires_grad_()
        norms: list[Any] = self.norms  # whose statistics may be None elsewhere
        statistics: list[Tensor] = [one for norm in norms for one in (norm.running_mean, norm.running_var)]
        self.running = torch.cat(statistics)
        self.counts = torch.stack([norm.num_batches_tracked for norm in norms])
        parts = self.vector.detach().split([parameter.numel() for parameter in self.parameters])
        for parameter, part in zip(self.parameters, parts, strict=True):
            parameter.data = part.view(parameter.shape)
        views = iter(self.running.split([len(one) for one in statistics]))
        for norm, count in zip(norms, self.counts, strict=True):
            norm.running_mean, norm.running_var, norm.num_batches_tracked = next(views), next(views), count
        self.windows, self.lanes = windows_of(cells), lanes_of(cells)
        parameters = _starts(self.parameters, [parameter.numel() for parameter in self.parameters])
        norms_at = _starts(norms, [2 * norm.num_features for norm in norms])
        self.places = Places(parameters | {id(self.vector): 0}, norms_at)

    def __call__(
        self,
        edges: Callable[[], list[CellEdges]],
        stem: Tensor,
        factors: Tensor,
        mode: Mode,
        alone: bool = False,
        read: Sequence[int] = (),
    ) -> tuple[Tensor, ...]:
        """The outputs (n, C, h, w) of the cells whose numbers are `read` and of the last, for the stem's output.

        `edges` gives the cells, the same each time but for masks, and gradients are those of the vector of parameters;
        or, `alone`, some of the operations, and gradients are those of the parameters of the operations that ran. The
        first of the factors, which are the weights of terms, is 1.
        """
        key = (stem.shape[1:], stem.dtype, torch.is_grad_enabled(), mode.drop_path > 0, tuple(read))
        plan = None if alone else self.plans.get(key)
        if plan is None:
            plan = self._plan(edges, stem, read, torch.is_grad_enabled())
        weights: list[Tensor] = [self.vector]
        if alone:
            weights = [parameter for parameter in self.parameters if id(parameter) in plan.table.owners]
        else:
            self.plans[key] = plan
        outputs: tuple[Tensor, ...] = _Cells.apply(self, plan, mode, stem, factors, *weights)
        return outputs

    def _plan(
        self, edges: Callable[[], list[CellEdges]], stem: Tensor, read: Sequence[int] = (), keeps: bool = True,
        keeps_gradients: bool = False,
    ) -> Plan:  # fmt: skip
        shape = (*stem.shape[2:], stem.shape[1])
        return Plan(Table(edges(), shape, self.places, read, keeps, keeps_gradients), stem.detach().numpy().dtype)

    def count(self, norms: list[Any]) -> None:
        """Count a batch in those BatchNorms."""
        if len(norms) == len(self.norms):
            self.counts += 1
        else:
            torch._foreach_add_([norm.num_batches_tracked for norm in norms], 1)

    def linearised(
        self, edges: Callable[[], list[CellEdges]], stem: Tensor, factors: Tensor, mode: Mode
    ) -> "LinearisedPass":
        """A pass and its derivatives along directions of the factors, all parameters fixed."""
        return LinearisedPass(ForwardPass(self, self._plan(edges, stem, keeps_gradients=True), mode, stem, factors))


def _starts(things: Sequence[Any], sizes: list[int]) -> dict[int, int]:
    """Where things of those sizes begin that lie one after the other, by their identity."""
    return dict(zip(map(id, things), accumulate(sizes, initial=0), strict=False))


class _Cells(Function):
    @staticmethod
    def forward(
        ctx: Any, cells: CompiledCells, plan: Plan, mode: Mode, stem: Tensor, factors: Tensor, *weights: Tensor
    ) -> tuple[Tensor, ...]:
        done = ForwardPass(cells, plan, mode, stem, factors)
        outputs = done.outputs(done.values)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*weights)  # so that a change before the backward pass is noticed
        ctx.done = done
        if not plan.table.keeps:
            ctx.done = None
            cells.workspace.give(done.values)
        return outputs

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Any, ...]:
        done, weights = ctx.done, ctx.saved_tensors
        if done is None:
            raise RuntimeError("the gradients of a compiled pass can be taken once; run the pass again")
        ctx.done, table, cells = None, done.plan.table, done.cells
        with_stem, with_factors, *with_each = ctx.needs_input_grad[3:]
        with_weights = any(with_each)
        space = cells.workspace.take(table.gradient_size * done.images, done.plan.dtype)
        gradients = done.gradients(space, len(cells.vector) if with_weights else 0)
        ran = done.backward(gradients, grads, with_factors, with_stem or with_weights)
        of_stem = None
        if with_stem and gradients.written[table.stem.gradient]:
            place = int(table.places[table.stem.gradient])
            of_stem = done.at(table.stem, space, place).permute(0, 3, 1, 2).clone()
        cells.workspace.give(done.values)
        cells.workspace.give(space)
        vector, of_weights = torch.from_numpy(gradients.parameters), list[Tensor | None]()
        for weight in weights if with_weights else ():
            at, owner = cells.places.parameters[id(weight)], table.owners.get(id(weight))
            reached = owner is None or ran[owner]  # the vector of all has no owner
            of_weights.append(vector[at : at + weight.numel()].view(weight.shape) if reached else None)
        of_weights += [None] * (len(weights) - len(of_weights))
        return None, None, None, of_stem, done.of_factors(gradients) if with_factors else None, *of_weights


class LinearisedPass:
    """A training pass with the gradients of its factors, and the derivatives of both along directions of the factors.

    The derivatives are those of BatchNorm with batch statistics and without a scale of its own. The memory is not
    handed back: it goes with the object.
    """

    def __init__(self, done: ForwardPass) -> None:
        self.done, table, n, dtype = done, done.plan.table, done.images, done.plan.dtype
        (self.output,) = done.outputs(done.values)
        self.gradients = done.gradients(done.cells.workspace.take(table.gradient_size * n, dtype), 0)
        self.tangents = Tangents(
            aligned(table.size * n, dtype), np.zeros(table.channels), np.zeros(len(done.kept.factors), dtype),
            np.zeros(3 * table.channels), aligned(table.gradient_size * n, dtype),
        )  # fmt: skip

    def gradient(self, grad: Tensor) -> Tensor:
        """The gradient of the factors for that of the output; it is taken first, and once."""
        self.done.backward(self.gradients, [grad], True, False)
        return self.done.of_factors(self.gradients)

    def tangent(self, direction: Tensor) -> Tensor:
        """The derivative of the output along a direction of the factors."""
        done, table, tangents = self.done, self.done.plan.table, self.tangents
        tangents.factors[:] = direction.numpy()
        kernels.forward(
            table.rows, 0, len(table.rows), table.terms, _along(done.kept, tangents), tangents, *done.cells.windows
        )
        return done.outputs(tangents.values)[0]

    def gradient_tangent(self, grad_tangent: Tensor) -> Tensor:
        """The derivative of the factors' gradient along the last direction, for that of the output's gradient."""
        self.done.backward(self.gradients, [grad_tangent], True, False, self.tangents)
        return self.done.of_factors(self.gradients)
