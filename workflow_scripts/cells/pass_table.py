"""A pass of a cell network as a table: its rows are operations, in the order in which they run.

A table serves any number of images: places in the arrays of numbers are those for one image, and are multiplied by
their number. What belongs to a channel has its own arrays, and so have gradients, which are numbered.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor, nn

from workflow_scripts.cells.operations import DilConv, FactorizedReduce, Noise, ReLUConvBN, SepConv, Zero
from workflow_scripts.cells.pass_kernels import AVERAGE_POOL, MAX_POOL, POINTWISE, SEPARABLE, SUM, Array

NAMES = {POINTWISE: "pointwise", SEPARABLE: "separable", MAX_POOL: "max pool", AVERAGE_POOL: "average pool", SUM: "sum"}
WINDOWS = (3, 5, 7)  # kernels that are compiled
ALIGNED = 16  # numbers; a vector that begins elsewhere may lie in two lines of the cache


class State(NamedTuple):
    """Images that operations read: one node or a cell's input, or `parts` nodes one after the other."""

    x: int  # place of the first
    channel: int  # the first, for its scale and shift
    gradient: int  # number of the first one's
    height: int
    width: int
    channels: int  # of one
    depends: int = 0  # whether it depends on the weights of terms
    parts: int = 1


class Row(NamedTuple):
    """One operation, on a state or on several of the same shape, one after the other."""

    kind: int
    x: int  # the input, as the fields of its `State` say
    x_channel: int
    x_gradient: int
    height: int
    width: int
    inputs: int
    depends: int
    parts: int
    y: int  # the output
    channel: int
    y_gradient: int  # for a term that of its sum
    out_height: int
    out_width: int
    outputs: int
    kernel: int = 1
    stride: int = 1
    dilation: int = 1
    x_summed: int = 0  # whether the sums of its gradient are taken when that is written: nothing else reads it
    state: int = 0  # whether several others read the output
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

    y: int  # place of its images
    channel: int  # first of their channels
    sums: int  # first of the channels where sums of its gradient are taken
    x_gradient: int  # number of its own gradient where the term is a state; else -1
    factor: int  # which weight it has
    mask: int
    normed: int  # whether it is a BatchNorm's output
    depends: int  # whether its images depend on the weights of terms


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


class Places(NamedTuple):
    """Where the parameters and the running statistics of a network lie in vectors, by the identity of their owners."""

    parameters: dict[int, int]
    norms: dict[int, int]


def has_rows(module: nn.Module) -> bool:
    """Whether rows can stand for an operation."""
    if isinstance(module, nn.Sequential) and len(module) == 2 and isinstance(module[1], nn.BatchNorm2d):
        module = module[0]
    if isinstance(module, nn.MaxPool2d | nn.AvgPool2d):
        averages_all = isinstance(module, nn.AvgPool2d) and module.count_include_pad
        return (module.kernel_size, module.padding, module.ceil_mode) == (3, 1, False) and not averages_all
    if isinstance(module, SepConv | DilConv):
        return all(block.kernel in WINDOWS for block in blocks_of(module, 0))
    return isinstance(module, nn.Identity | Noise | Zero | FactorizedReduce | ReLUConvBN)


class Table:
    """The rows of a network's pass, and the sizes of what it needs."""

    def __init__(
        self,
        cells: Sequence[CellEdges],
        shape: tuple[int, int, int],
        stored: Places,
        read: Sequence[int] = (),
        keeps: bool = True,
        keeps_gradients: bool = False,
    ) -> None:
        """`shape` (height, width, channels) is the stem's; the last cell and those of the numbers `read` are outputs.

        Without `keeps` only what later cells read outlives a cell; a backward pass needs everything. With
        `keeps_gradients` that leaves behind all gradients.
        """
        self.stored, self.keeps, self.keeps_gradients = stored, keeps, keeps_gradients
        self.row_list, self.term_list = list[Row](), list[Term]()
        self.owners = dict[int, int]()
        """the rows of parameters, by their identity"""
        self.norms = list[Any]()
        self.draws, self.ends = list[list[State | int]](), list[int]()
        """by cell: what is drawn before it, noise or the mask of a number; and the end of its rows"""
        self.masks = self.channels = self.size = 0
        self.gradients = list[tuple[int, bool]]()
        """sizes by number, and whether it is read by what runs next and by nothing else"""
        self.identities = dict[int, int]()
        self.free, self.temporary = list[tuple[int, int]](), list[tuple[int, int]]()
        height, width, channels = shape
        place, gradient = self._place(height * width * channels), self._gradient(height * width * channels)
        states = [State(place, self._identity(channels), gradient, height, width, channels)]
        self.stem, self.temporary = states[0], []
        for number, cell in enumerate(cells):
            states.append(self._cell(cell, states[max(0, number - 1)], states[number]))
            self.ends.append(len(self.row_list))
            self.free += self.temporary
            if number > 0 and number - 2 not in read:
                old = states[number - 1]
                self.free.append((old.x, old.parts * old.height * old.width * old.channels))
            self.temporary = []
        self.outputs = [states[number + 1] for number in (*read, len(cells) - 1)]
        self.rows, self.terms = _array(self.row_list, Row), _array(self.term_list, Term)
        self.places, self.gradient_size = self._gradient_places()

    def text(self) -> str:
        """The rows in words, one a line, with the terms of sums below them."""
        lines = []
        for row in self.row_list:
            size = f"{row.height}x{row.width}x{row.parts * row.inputs}"
            window = f" {row.kernel}x{row.kernel}" if row.kernel > 1 else ""
            step = (f", stride {row.stride}" if row.stride > 1 else "") + (", dilated" if row.dilation > 1 else "")
            source = "" if row.kind == SUM else f" of {row.x} ({size})"
            lines.append(f"{row.y} = {NAMES[row.kind]}{window}{step}{source}, {row.outputs} channels")
            for term in self.term_list[row.first_term : row.last_term]:
                mask = f" * mask {term.mask}" if term.mask >= 0 else ""
                lines.append(f"    + weight {term.factor}{mask} * {term.y}")
        return "\n".join(lines)

    def _cell(self, cell: CellEdges, s0: State, s1: State) -> State:
        self.draws.append([])
        states = [self._block(blocks_of(one, 0)[0], state) for one, state in zip(cell.inputs, (s0, s1), strict=True)]
        height, width, channels = states[0].height, states[0].width, states[0].channels
        if cell.reduction:
            height, width = height // 2, width // 2
        size, count = height * width * channels, len(cell.nodes)
        place, (first, *_) = self._place(count * size), [self._gradient(size) for _ in cell.nodes]
        self.temporary.pop()  # the nodes outlive the cell
        for number, edges in enumerate(cell.nodes):
            node = State(place + number * size, self._identity(channels), first + number, height, width, channels, 1)
            self._sum(edges, states, node)
            states.append(node)
        return State(place, self._identity(channels), first, height, width, channels, 1, count)

    def _sum(self, edges: list[Edge], states: list[State], node: State) -> None:
        """The rows of a node: those of its operations, and their sum."""
        first = len(self.term_list)
        terms, masked = list[Term](), False
        for edge in edges:
            mask = self.masks if edge.masked else -1
            for operation, factor in edge.operations:
                terms += self._terms(operation, factor, states[edge.source], node, mask)
            if edge.masked:
                self.draws[-1].append(mask)
                self.masks, masked = self.masks + 1, True
        self.term_list += terms
        of_terms = {"mask": 0 if masked else -1, "first_term": first, "last_term": len(self.term_list)}
        self.row_list.append(Row(SUM, *node, *node[:6], **of_terms))

    def _terms(self, operation: nn.Module, factor: int, state: State, node: State, mask: int) -> list[Term]:
        """The term of an operation on a state, whose rows are added; none for `none`."""
        if isinstance(operation, Zero):
            return []
        if isinstance(operation, nn.Identity):
            sums = self._channel(node.channels)
            return [Term(state.x, state.channel, sums, state.gradient, factor, mask, 0, state.depends)]
        if isinstance(operation, Noise):
            place = self._place(node.height * node.width * node.channels)
            self.draws[-1].append(node._replace(x=place))
            return [Term(place, self._identity(node.channels), self._channel(node.channels), -1, factor, mask, 0, 0)]
        *before, last = blocks_of(operation, state.channels)
        for block in before:
            state = self._block(block, state, between=True)
        made = self._block(last, state, node.gradient, factor, mask)
        normed = last.norm is not None
        sums = made.channel if normed else self._channel(node.channels)
        return [Term(made.x, made.channel, sums, -1, factor, mask, int(normed), state.depends)]

    def _block(
        self, block: "Block", state: State, of_sum: int | None = None, factor: int = 0, mask: int = -1,
        between: bool = False,
    ) -> State:  # fmt: skip
        """Add the row of a block on a state; its output, whose gradient is that `of_sum` or its own."""
        height, width = 1 + (state.height - 1) // block.stride, 1 + (state.width - 1) // block.stride
        size, norm = height * width * block.outputs, block.norm
        place = self._place(size)
        gradient = self._gradient(size, between) if of_sum is None else of_sum
        channel = self._identity(block.outputs) if norm is None else self._channel(block.outputs)
        made = State(place, channel, gradient, height, width, block.outputs, state.depends)
        first, second, *_ = [self._parameter(convolution.weight) for convolution in block.convolutions] + [0, 0]
        gain, running = -1, -1
        if norm is not None:
            self.norms.append(norm)
            running = self.stored.norms[id(norm)]
            if norm.affine:
                gain = self._parameter(norm.weight)
                self._parameter(norm.bias)
        summed = int(state.parts == 1 and self.gradients[state.gradient][1])
        several = int(of_sum is None and not between)
        self.row_list.append(
            Row(
                block.kind, *state, *made[:6], block.kernel, block.stride, block.dilation, summed, several, first,
                second, gain, running, factor, mask,
            )
        )  # fmt: skip
        return made

    def _parameter(self, tensor: Tensor) -> int:
        """The place of a parameter of the next row."""
        self.owners[id(tensor)] = len(self.row_list)
        return self.stored.parameters[id(tensor)]

    def _place(self, size: int) -> int:
        """A place for so many numbers of each image."""
        size += -size % ALIGNED
        fitting = [] if self.keeps else [room for room in self.free if room[1] >= size]
        if fitting:
            place, room = min(fitting, key=lambda room: room[1])
            self.free.remove((place, room))
        else:
            place, room = self.size, size
            self.size += size
        self.temporary.append((place, room))
        return place

    def _channel(self, count: int) -> int:
        self.channels += count
        return self.channels - count

    def _identity(self, count: int) -> int:
        """The channels of images that are their numbers."""
        if count not in self.identities:
            self.identities[count] = self._channel(count)
        return self.identities[count]

    def _gradient(self, size: int, between: bool = False) -> int:
        self.gradients.append((size + -size % ALIGNED, between))
        return len(self.gradients) - 1

    def _gradient_places(self) -> tuple[Array, int]:
        """The place of each gradient, and the size of all; those that are read next share one place."""
        shared = 0 if self.keeps_gradients else max((size for size, between in self.gradients if between), default=0)
        places, at = list[int](), shared
        for size, between in self.gradients:
            alone = self.keeps_gradients or not between
            places.append(at if alone else 0)
            at += size if alone else 0
        return np.array(places, np.int64), at


class Block(NamedTuple):
    """Modules that one row stands for."""

    kind: int
    outputs: int
    convolutions: tuple[nn.Conv2d, ...]
    norm: nn.BatchNorm2d | None
    kernel: int = 1
    stride: int = 1
    dilation: int = 1


def blocks_of(operation: nn.Module, channels: int) -> list[Block]:
    """The blocks of an operation, on so many channels if it is a pool."""
    if isinstance(operation, FactorizedReduce):
        convolutions = (operation.conv_1, operation.conv_2)
        return [Block(POINTWISE, operation.bn.num_features, convolutions, operation.bn, 1, 2)]
    if isinstance(operation, ReLUConvBN | SepConv | DilConv):
        modules: list[Any] = list(operation.op)
        step = 3 if isinstance(operation, ReLUConvBN) else 4
        return [_convolution(modules[at + 1 : at + step]) for at in range(0, len(modules), step)]
    modules = list(operation) if isinstance(operation, nn.Sequential) else [operation, None]
    pool = modules[0]
    assert isinstance(pool, nn.MaxPool2d | nn.AvgPool2d)
    kind = MAX_POOL if isinstance(pool, nn.MaxPool2d) else AVERAGE_POOL
    stride = pool.stride if isinstance(pool.stride, int) else pool.stride[0]
    return [Block(kind, channels, (), modules[1], 3, stride)]


def _convolution(modules: list[Any]) -> Block:
    """The block of a pointwise or a separable convolution and BatchNorm."""
    *convolutions, norm = modules
    first = convolutions[0]
    kind = POINTWISE if len(convolutions) == 1 else SEPARABLE
    return Block(
        kind, first.out_channels, tuple(convolutions), norm, first.kernel_size[0], first.stride[0], first.dilation[0]
    )


def _array(rows: Sequence[tuple[int, ...]], kind: type[NamedTuple]) -> Array:
    """Rows as a structured array of whole numbers."""
    return np.array([tuple(row) for row in rows], np.dtype([(name, np.int64) for name in kind._fields]))
