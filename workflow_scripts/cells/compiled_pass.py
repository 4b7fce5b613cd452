"""The cells of a network on a CPU as one function of autograd: a pass is one compiled call over a table of rows.

The same function as the modules of `operations.py`, in fewer passes over memory and without Python between operations.
"""

import math
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
from workflow_scripts.cells.pass_table import WINDOWS, CellEdges, State, Table
from workflow_scripts.runtime.vectors import lanes_for


class Mode(NamedTuple):
    """How a pass runs."""

    training: bool
    tracks: bool  # whether it moves the running statistics
    drop_path: float
    generator: torch.Generator | None


def windows_of(cells: nn.ModuleList) -> tuple[tuple[int, ...] | None, ...]:
    """Zeros for each tap of the cells' kernels, by kernel, and for max pools; None for what they lack."""
    modules = list(cells.modules())
    sides: set[Any] = {module.kernel_size[0] for module in modules if isinstance(module, nn.Conv2d)}
    sides |= {module.kernel_size for module in modules if isinstance(module, nn.AvgPool2d)}
    pools = any(isinstance(module, nn.MaxPool2d) for module in modules)
    return (*((0,) * kernel**2 if kernel in sides else None for kernel in WINDOWS), (0,) if pools else None)


class Workspace:
    """Memory that passes of a network share, so that the system need not provide it anew each time."""

    def __init__(self) -> None:
        self.free = list[Array]()

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


def aligned(size: int, dtype: np.dtype[Any]) -> Array:
    """An array whose numbers begin at a line of the cache, of 64 bytes."""
    memory = np.empty(size * dtype.itemsize + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + size * dtype.itemsize].view(dtype)


class ForwardPass:
    """A forward pass, all its draws included; it keeps what a backward pass needs."""

    def __init__(self, cells: "CompiledCells", table: Table, mode: Mode, stem: Tensor, factors: Tensor) -> None:
        self.cells, self.table, self.images, self.dtype = cells, table, len(stem), factors.detach().numpy().dtype
        norm, moves = cells.norms[0], mode.training and mode.tracks
        sums, norms = np.zeros(3 * table.channels), np.zeros(4 * table.channels, self.dtype)
        for count, channel in table.identities.items():
            norms[4 * channel : 4 * (channel + count)].reshape(4, count)[::2] = 1
        sizes = [table.size * self.images, *table.scratch_sizes]
        self.space, ends = cells.workspace.take(sum(sizes), self.dtype), accumulate(sizes)
        self.values, *scratch = (self.space[end - size : end] for size, end in zip(sizes, ends, strict=True))
        self.kept = kernels.Pass(
            self.images, mode.training, (norm.momentum or 0.0) if moves else 0.0, norm.eps, self.values, norms,
            cells.vector.detach().numpy(), factors.detach().numpy(), np.empty(table.masks * self.images, self.dtype),
            cells.running.numpy(), sums, Scratch(*scratch), cells.lanes, self.values, sums,
        )  # fmt: skip
        self.at(table.stem).copy_(stem.detach().permute(0, 2, 3, 1))
        first = 0
        for draws, end in zip(table.draws, table.ends, strict=True):
            self._draw(draws, mode)
            if end == len(table.rows) or not table.keeps:
                self.forward(first, end)
                first = end
        if moves and len(table.norms) == len(cells.norms):
            cells.counts += 1
        elif moves:
            torch._foreach_add_([norm.num_batches_tracked for norm in table.norms], 1)

    def forward(self, first: int, last: int, tangents: Tangents | None = None) -> None:
        """Run the rows from first to last - 1, or compute their tangents."""
        kept, table = self._kept(tangents), self.table
        kernels.forward(table.rows, first, last, table.terms, kept, tangents, self.cells.windows)

    def _kept(self, tangents: Tangents | None) -> kernels.Pass:
        return self.kept._replace(out=tangents.values, out_sums=tangents.sums) if tangents is not None else self.kept

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
        shape, start = (self.images, *state[3:6]), (state.place if place is None else place) * self.images
        return torch.from_numpy((self.values if array is None else array)[start : start + math.prod(shape)]).view(shape)

    def outputs(self, array: Array) -> tuple[Tensor, ...]:
        """The outputs (n, C, h, w), found in the values or in their tangents."""
        found = []
        for state in self.table.outputs:
            size = state.height * state.width * state.channels
            parts = [self.at(state, array, state.place + part * size) for part in range(state.parts)]
            found.append(torch.cat(parts, 3).permute(0, 3, 1, 2))
        return tuple(found)

    def gradients(self, values: Array, parameters: int) -> Gradients:
        """Where a backward pass writes, with so many gradients of parameters."""
        places, factors = self.table.places, np.zeros(len(self.kept.factors))
        return Gradients(values, values, places, np.zeros_like(places), factors, np.zeros(parameters, self.dtype))

    def backward(
        self, gradients: Gradients, grads: Sequence[Tensor | None], with_factors: bool, with_all: bool,
        tangents: Tangents | None = None,
    ) -> tuple[Tensor, Array]:  # fmt: skip
        """Fill the gradients, or their tangents, for those of the outputs; those of the factors, and which rows ran."""
        table, kept, ran = self.table, self._kept(tangents), np.zeros(len(self.table.rows), np.bool_)
        if tangents is not None:
            gradients = gradients._replace(out=tangents.gradients)
        gradients.written[:], gradients.factors[:] = 0, 0
        for state, grad in zip(table.outputs, grads, strict=True):
            parts = grad.detach().split(state.channels, 1) if grad is not None else ()
            for number, part in enumerate(parts, state.gradient):
                self.at(state, gradients.out, int(table.places[number])).copy_(part.permute(0, 2, 3, 1))
                gradients.written[number] = 1
        windows = self.cells.windows
        kernels.backward(table.rows, ran, table.terms, kept, gradients, tangents, with_factors, with_all, windows)
        return torch.from_numpy(gradients.factors.astype(self.dtype)), ran


class LinearisedPass(ForwardPass):
    """A training pass with the gradients of its factors, and the derivatives of both along directions of the factors.

    The derivatives are those of BatchNorm with batch statistics and without a scale of its own. The memory is not
    handed back: it goes with the object.
    """

    def __init__(self, cells: "CompiledCells", table: Table, mode: Mode, stem: Tensor, factors: Tensor) -> None:
        super().__init__(cells, table, mode, stem, factors)
        (self.output,) = self.outputs(self.values)
        values, gradients = table.size * self.images, table.gradient_size * self.images
        self.found = self.gradients(cells.workspace.take(gradients, self.dtype), 0)
        self.tangents = Tangents(
            aligned(values, self.dtype), np.zeros(table.channels), np.zeros(len(factors), self.dtype),
            np.zeros(3 * table.channels), aligned(gradients, self.dtype),
        )  # fmt: skip

    def gradient(self, grad: Tensor) -> Tensor:
        """The gradient of the factors for that of the output; it is taken first, and once."""
        return self.backward(self.found, [grad], True, False)[0]

    def tangent(self, direction: Tensor) -> Tensor:
        """The derivative of the output along a direction of the factors."""
        self.tangents.factors[:] = direction.numpy()
        self.forward(0, len(self.table.rows), self.tangents)
        return self.outputs(self.tangents.values)[0]

    def gradient_tangent(self, grad_tangent: Tensor) -> Tensor:
        """The derivative of the factors' gradient along the last direction, for that of the output's gradient."""
        return self.backward(self.found, [grad_tangent], True, False, self.tangents)[0]


class CompiledCells:
    """The compiled passes of one network: where its parameters and statistics lie, and the memory that passes share.

    The parameters of all cells are parts of one vector, the running statistics of another, and so are the counters.
    """

    def __init__(self, cells: nn.ModuleList) -> None:
        self.workspace, self.tables = Workspace(), dict[Any, Table]()
        self.parameters = list(cells.parameters())
        self.norms = [module for module in cells.modules() if isinstance(module, nn.BatchNorm2d)]
        self.vector = nn.utils.parameters_to_vector(self.parameters).detach().requires_grad_()
        nn.utils.vector_to_parameters(self.vector.detach(), self.parameters)
        norms: list[Any] = self.norms  # whose statistics may be None elsewhere
        statistics: list[Tensor] = [one for norm in norms for one in (norm.running_mean, norm.running_var)]
        self.running = torch.cat(statistics)
        self.counts = torch.stack([norm.num_batches_tracked for norm in norms])
        views = iter(self.running.split([len(one) for one in statistics]))
        for norm, count in zip(norms, self.counts, strict=True):
            norm.running_mean, norm.running_var, norm.num_batches_tracked = next(views), next(views), count
        convolutions = [module for module in cells.modules() if isinstance(module, nn.Conv2d)]
        self.lanes = lanes_for(*(count for one in convolutions for count in (one.in_channels, one.out_channels)))
        self.windows = windows_of(cells)
        parameters = _starts(self.parameters, [parameter.numel() for parameter in self.parameters])
        norms_at = _starts(norms, [2 * norm.num_features for norm in norms])
        self.places = parameters | norms_at | {id(self.vector): 0}

    def __call__(
        self, edges: Callable[[], list[CellEdges]], stem: Tensor, factors: Tensor, mode: Mode, alone: bool = False,
        read: Sequence[int] = (),
    ) -> tuple[Tensor, ...]:  # fmt: skip
        """The outputs (n, C, h, w) of the cells whose numbers are `read` and of the last, for the stem's output.

        `edges` gives the cells, the same each time but for masks, and gradients are those of the vector of parameters;
        or, `alone`, some of the operations, and gradients are those of the parameters of the operations that ran. The
        first of the factors, which are the weights of terms, is 1.
        """
        key = (stem.shape[1:], torch.is_grad_enabled(), mode.drop_path > 0, tuple(read))
        table = None if alone else self.tables.get(key)
        if table is None:
            table = Table(edges(), stem[0].permute(1, 2, 0).shape, self.places, read, torch.is_grad_enabled())
        weights: list[Tensor] = [self.vector]
        if alone:
            weights = [parameter for parameter in self.parameters if id(parameter) in table.owners]
        else:
            self.tables[key] = table
        outputs: tuple[Tensor, ...] = _Cells.apply(self, table, mode, stem, factors, *weights)
        return outputs

    def linearised(
        self, edges: Callable[[], list[CellEdges]], stem: Tensor, factors: Tensor, mode: Mode
    ) -> LinearisedPass:
        """A pass and its derivatives along directions of the factors, all parameters fixed."""
        table = Table(edges(), stem[0].permute(1, 2, 0).shape, self.places, keeps_gradients=True)
        return LinearisedPass(self, table, mode, stem, factors)


def _starts(things: Sequence[Any], sizes: list[int]) -> dict[int, int]:
    """Where things of those sizes begin that lie one after the other, by their identity."""
    return dict(zip(map(id, things), accumulate(sizes, initial=0), strict=False))


class _Cells(Function):
    @staticmethod
    def forward(
        ctx: Any, cells: CompiledCells, table: Table, mode: Mode, stem: Tensor, factors: Tensor, *weights: Tensor
    ) -> tuple[Tensor, ...]:
        done = ForwardPass(cells, table, mode, stem, factors)
        outputs = done.outputs(done.values)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*weights)  # so that a change before the backward pass is noticed
        ctx.done = done if table.keeps else None
        if not table.keeps:
            cells.workspace.give(done.space)
        return outputs

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Any, ...]:
        done, weights = ctx.done, ctx.saved_tensors
        if done is None:
            raise RuntimeError("the gradients of a compiled pass can be taken once; run the pass again")
        ctx.done, table, cells = None, done.table, done.cells
        with_stem, with_factors, *with_each = ctx.needs_input_grad[3:]
        with_weights = any(with_each)
        space = cells.workspace.take(table.gradient_size * done.images, done.dtype)
        gradients = done.gradients(space, len(cells.vector) if with_weights else 0)
        of_factors, ran = done.backward(gradients, grads, with_factors, with_stem or with_weights)
        of_stem = None
        if with_stem and gradients.written[table.stem.gradient]:
            of_stem = done.at(table.stem, space, int(table.places[table.stem.gradient])).permute(0, 3, 1, 2).clone()
        cells.workspace.give(done.space)
        cells.workspace.give(space)
        vector, of_weights = torch.from_numpy(gradients.parameters), list[Tensor | None]()
        for weight in weights if with_weights else ():
            at, owner = cells.places[id(weight)], table.owners.get(id(weight))
            reached = owner is None or ran[owner]  # the vector of all has no owner
            of_weights.append(vector[at : at + weight.numel()].view(weight.shape) if reached else None)
        of_weights += [None] * (len(weights) - len(of_weights))
        return None, None, None, of_stem, of_factors if with_factors else None, *of_weights
