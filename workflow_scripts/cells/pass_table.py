"""A pass of a cell network as a table: its rows are operations, in the order in which they run.

A table serves any number of images: places in the arrays of numbers are those for one image, and are multiplied by
their number. What belongs to a channel has its own arrays, and so have gradients, which are numbered.
"""

from collections.abc import Sequence
from functools import cache
from itertools import accumulate
from typing import Any, NamedTuple, get_type_hints

import numpy as np
from torch import Tensor, nn

from workflow_scripts.cells import pass_kernels as kernels
from workflow_scripts.cells.operations import DilConv, FactorizedReduce, Noise, ReLUConvBN, SepConv, Zero

NAMES = ("pointwise", "separable", "max pool", "average pool", "sum")  # by the kind of a row
WINDOWS = (3, 5, 7)  # kernels that are compiled
ALIGNED = 16  # numbers; a vector that begins elsewhere may lie in two lines of the cache


class State(NamedTuple):
    """Images between operations: one node or a cell's input, or `parts` nodes one after the other."""

    place: int  # of the first
    channel: int  # the first, for its scale and shift
    gradient: int  # number of the first one's; that of a term is its sum's
    height: int
    width: int
    channels: int  # of one
    role: int  # TERM of one sum; BETWEEN, which the next row alone reads; or SHARED by several readers
    depends: int = 0  # whether it depends on the weights of terms
    parts: int = 1


class Row(NamedTuple):
    """One operation, on a state or on several of the same shape, one after the other."""

    kind: int
    x: State  # the input; of a sum the output
    y: State  # the output
    kernel: int = 1
    stride: int = 1
    dilation: int = 1
    first: int = 0  # place of the first convolution's weights in the vector of all parameters
    second: int = 0  # place of the second convolution's
    gain: int = -1  # place of BatchNorm's own scale, behind which is its shift; -1 without
    running: int = -1  # place of BatchNorm's running statistics; -1 without BatchNorm
    factor: int = 0  # which weight the output's gradient has in that of its sum
    mask: int = -1  # which drop-path mask; -1 for none; of a sum: whether any term has one
    first_term: int = 0
    last_term: int = 0


class Term(NamedTuple):
    """One summand of a row that is a sum."""

    x: State
    sums: int  # first of the channels where sums of its gradient are taken: its own for a BatchNorm's output
    factor: int  # which weight it has
    mask: int


class Edge(NamedTuple):
    """Operations on one state, each with the number of its weight."""

    source: int
    operations: list[tuple[nn.Module, int]]
    masked: bool


class CellEdges(NamedTuple):
    """What a cell consists of: the operations on its two inputs, and the edges to each of its nodes."""

    inputs: tuple[nn.Module, nn.Module]
    nodes: list[list[Edge]]
    reduction: bool


class Block(NamedTuple):
    """Modules that one row stands for: a pool, a convolution or two, and what normalises them."""

    modules: Sequence[Any]
    norm: nn.BatchNorm2d | None


def has_rows(module: nn.Module) -> bool:
    """Whether rows can stand for an operation."""
    if isinstance(module, nn.Sequential) and len(module) == 2 and isinstance(module[1], nn.BatchNorm2d):
        module = module[0]
    if isinstance(module, nn.MaxPool2d | nn.AvgPool2d):
        averages_all = isinstance(module, nn.AvgPool2d) and module.count_include_pad
        return (module.kernel_size, module.padding, module.ceil_mode) == (3, 1, False) and not averages_all
    if isinstance(module, SepConv | DilConv):
        return all(one.kernel_size[0] in (1, *WINDOWS) for one in module.modules() if isinstance(one, nn.Conv2d))
    return isinstance(module, nn.Identity | Noise | Zero | FactorizedReduce | ReLUConvBN)


class Table:
    """The rows of a network's pass, and the sizes of what it needs."""

    def __init__(
        self, cells: Sequence[CellEdges], shape: Sequence[int], stored: dict[int, int], read: Sequence[int] = (),
        keeps: bool = True, keeps_gradients: bool = False,
    ) -> None:  # fmt: skip
        """`shape` (height, width, channels) is the stem's; the last cell and those of the numbers `read` are outputs.

        `stored` are places in vectors of a network's parameters and of the running statistics of its BatchNorms, by
        their identity.
        Without `keeps` only what later cells read outlives a cell; a backward pass needs everything. With
        `keeps_gradients` that leaves behind all gradients.
        """
        self.stored, self.keeps, self.keeps_gradients = stored, keeps, keeps_gradients
        self.rooms, self.free = list[tuple[int, int]](), list[tuple[int, int]]()  # places and their sizes
        self.row_list, self.term_list = list[Row](), list[Term]()
        self.owners = dict[int, int]()  # the rows of parameters, by their identity
        self.norms = list[Any]()
        self.draws = list[list[State | int]]()  # by cell: what is drawn before it, noise or the mask of a number
        self.ends = list[int]()  # by cell, of its rows
        self.masks = self.channels = self.size = 0
        self.gradients = list[tuple[int, bool]]()  # by number: the size, and whether only what runs next reads it
        self.identities = dict[int, int]()  # by their number, the channels of images that are their numbers
        height, width, channels = shape
        self.stem = self._state(height, width, channels)
        states = [self.stem, self.stem]
        for number, cell in enumerate(cells):
            states.append(self._cell(cell, *states[-2:]))
            self.ends.append(len(self.row_list))
            live = {state.place for at, state in enumerate(states, -2) if at in read or at >= number - 1}
            self.free = [] if keeps else [room for room in self.rooms if room[0] not in live]
        self.outputs = [states[number + 2] for number in (*read, len(cells) - 1)]
        self.rows = np.array(self.row_list, _structure(Row))
        self.terms = np.array(self.term_list, _structure(Term))
        self.scratch_sizes = _scratch_sizes(self.row_list)
        sizes = [0 if passing else size for size, passing in self.gradients]
        shared = max((size for size, passing in self.gradients if passing), default=0)  # one place for all of these
        *places, self.gradient_size = accumulate(sizes, initial=shared)
        self.places = np.where(np.array(sizes) > 0, places, 0)

    def text(self) -> str:
        """The rows in words, one a line, with the terms of sums below them."""
        lines = []
        for row in self.row_list:
            size = f"{row.x.height}x{row.x.width}x{row.x.parts * row.x.channels}"
            window = f" {row.kernel}x{row.kernel}" if row.kernel > 1 else ""
            step = (f", stride {row.stride}" if row.stride > 1 else "") + (", dilated" if row.dilation > 1 else "")
            source = "" if row.kind == kernels.SUM else f" of {row.x.place} ({size})"
            lines.append(f"{row.y.place} = {NAMES[row.kind]}{window}{step}{source}, {row.y.channels} channels")
            for term in self.term_list[row.first_term : row.last_term]:
                mask = f" * mask {term.mask}" if term.mask >= 0 else ""
                lines.append(f"    + weight {term.factor}{mask} * {term.x.place}")
        return "\n".join(lines)

    def _cell(self, cell: CellEdges, s0: State, s1: State) -> State:
        self.draws.append([])
        states = [self._block(blocks_of(one)[0], state) for one, state in zip(cell.inputs, (s0, s1), strict=True)]
        height, width, channels = states[0].height, states[0].width, states[0].channels
        if cell.reduction:
            height, width = height // 2, width // 2
        output = self._state(height, width, channels, depends=1, parts=len(cell.nodes))
        for number, edges in enumerate(cell.nodes):
            place, gradient = output.place + number * height * width * channels, output.gradient + number
            states.append(output._replace(place=place, gradient=gradient, parts=1))
            self._sum(edges, states)
        return output

    def _sum(self, edges: list[Edge], states: list[State]) -> None:
        """The rows of a node, which is the last of the states: those of its operations, and their sum."""
        node, first, terms, masked = states[-1], len(self.term_list), list[Term](), -1
        for edge in edges:
            mask = self.masks if edge.masked else -1
            for operation, factor in edge.operations:
                if not isinstance(operation, Zero):
                    terms.append(self._term(operation, factor, states[edge.source], node, mask))
            if edge.masked:
                self.draws[-1].append(mask)
                self.masks, masked = self.masks + 1, 0
        self.term_list += terms
        self.row_list.append(Row(kernels.SUM, node, node, mask=masked, first_term=first, last_term=len(self.term_list)))

    def _term(self, operation: nn.Module, factor: int, state: State, node: State, mask: int) -> Term:
        """The term of an operation on a state, whose rows are added."""
        if isinstance(operation, Noise):
            state = self._state(node.height, node.width, node.channels, kernels.TERM, node.gradient)
            self.draws[-1].append(state)
        if isinstance(operation, nn.Identity | Noise):
            return Term(state, self._channel(node.channels), factor, mask)
        *before, last = blocks_of(operation)
        for block in before:
            state = self._block(block, state, kernels.BETWEEN)
        made = self._block(last, state, kernels.TERM, node.gradient, factor, mask)
        sums = made.channel if last.norm is not None else self._channel(node.channels)
        return Term(made, sums, factor, mask)

    def _block(
        self, block: Block, x: State, role: int = kernels.SHARED, gradient: int | None = None, factor: int = 0,
        mask: int = -1,
    ) -> State:  # fmt: skip
        """Add the row of a block on a state; its output, whose gradient is one that there is or a new one."""
        modules, norm = block
        kind, kernel, stride, dilation = _kind_and_shape(modules)
        height, width, channels = 1 + (x.height - 1) // stride, 1 + (x.width - 1) // stride, x.channels
        weights = [self._parameter(module.weight) for module in modules if isinstance(module, nn.Conv2d)]
        first, second = [*weights, 0, 0][:2]
        gain, running = -1, -1
        if norm is not None:
            self.norms.append(norm)
            channels, running = norm.num_features, self.stored[id(norm)]
            if norm.affine:
                gain, _ = self._parameter(norm.weight), self._parameter(norm.bias)
        y = self._state(height, width, channels, role, gradient, x.depends, normed=norm is not None)
        shape, parameters = (kernel, stride, dilation), (first, second, gain, running)
        self.row_list.append(Row(kind, x, y, *shape, *parameters, factor, mask))
        return y

    def _parameter(self, tensor: Tensor) -> int:
        """The place of a parameter of the next row."""
        self.owners[id(tensor)] = len(self.row_list)
        return self.stored[id(tensor)]

    def _state(
        self, height: int, width: int, channels: int, role: int = kernels.SHARED, gradient: int | None = None,
        depends: int = 0, parts: int = 1, normed: bool = False,
    ) -> State:  # fmt: skip
        """Room for images, with channels of their own if they are `normed`, and for gradients if none is given."""
        size = height * width * channels
        place = self._place(parts * size)
        if gradient is None:
            gradient = len(self.gradients)
            passing = role == kernels.BETWEEN and not self.keeps_gradients
            self.gradients += [(size + -size % ALIGNED, passing)] * parts
        if not normed and channels not in self.identities:
            self.identities[channels] = self._channel(channels)
        channel = self._channel(channels) if normed else self.identities[channels]
        return State(place, channel, gradient, height, width, channels, role, depends, parts)

    def _place(self, size: int) -> int:
        """Room for so many numbers of each image: the smallest that is free and fits, or new."""
        size += -size % ALIGNED
        room = min((room for room in self.free if room[1] >= size), key=lambda room: room[1], default=(self.size, size))
        if room in self.free:
            self.free.remove(room)
        else:
            self.rooms.append(room)
            self.size += size
        return room[0]

    def _channel(self, count: int) -> int:
        """The first of so many new channels."""
        self.channels += count
        return self.channels - count


def _kind_and_shape(modules: Sequence[Any]) -> tuple[int, int, int, int]:
    """The kind of the row of a block's modules, its kernel, stride and dilation."""
    first = modules[0]
    sides: list[Any] = [getattr(first, name, 1) for name in ("kernel_size", "stride", "dilation")]
    kernel, stride, dilation = sides
    if isinstance(first, nn.MaxPool2d | nn.AvgPool2d):
        return kernels.MAX_POOL if isinstance(first, nn.MaxPool2d) else kernels.AVERAGE_POOL, kernel, stride, 1
    if first.groups > 1:
        return kernels.SEPARABLE, kernel[0], stride[0], dilation[0]
    return kernels.POINTWISE, 1, len(modules), 1  # two of them are a factorized reduction


def blocks_of(operation: nn.Module) -> list[Block]:
    """The blocks of an operation, each but a pool's alone up to a BatchNorm."""
    blocks, modules = list[Block](), list[nn.Module]()
    for module in operation.modules():
        if isinstance(module, nn.BatchNorm2d):
            blocks.append(Block(modules, module))
            modules = []
        elif isinstance(module, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d):
            modules.append(module)
    return [*blocks, Block(modules, None)] if modules else blocks


def _scratch_sizes(rows: Sequence[Row]) -> list[int]:
    """The sizes of the arrays of a `Scratch`, for rows."""
    frames = chunk = taps = weights = channels = 0
    for row in rows:
        x, outputs, inputs = row.x, row.y.channels, row.x.parts * row.x.channels
        border = row.dilation * (row.kernel - 1)
        together = max(1, kernels.NUMBERS_AT_ONCE // (x.height * x.width * inputs))
        frames = max(frames, together * (x.height + border) * (x.width + border) * inputs)
        lines = x.height if row.kind in (kernels.MAX_POOL, kernels.AVERAGE_POOL) else 1  # together at least
        chunk = max(chunk, kernels.NUMBERS_AT_ONCE, lines * x.width * max(outputs, row.stride * inputs))
        taps, weights = max(taps, 2 * row.kernel**2 * outputs), max(weights, outputs * inputs)
        channels = max(channels, 5 * outputs)
    sizes = [frames, frames, chunk, chunk, chunk, taps, weights, taps, channels]
    return [size + -size % ALIGNED for size in sizes]


@cache
def _structure(kind: type[NamedTuple]) -> np.dtype[Any]:
    """The type in an array of a named tuple of whole numbers, or of such tuples."""
    kinds = get_type_hints(kind).items()
    return np.dtype([(name, np.int64 if one is int else _structure(one)) for name, one in kinds])
