"""The supernet of the cell search: every edge of a cell carries all its candidates, mixed by weights made of alphas.

Liu et al. (ICLR 2019), section 2; RobustDARTS, section 2.1. Parameter names are those of the published state dicts.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from workflow_scripts.cells.cell_network import CellNetwork
from workflow_scripts.cells.compiled_pass import LinearisedPass, Mode
from workflow_scripts.cells.discretisation import strongest_edges
from workflow_scripts.cells.operations import (
    FactorizedReduce,
    ReLUConvBN,
    apply_operation,
    build_operation,
    drop_paths,
)
from workflow_scripts.cells.pass_table import CellEdges
from workflow_scripts.cells.pass_table import Edge as TableEdge
from workflow_scripts.runtime.seeds import stream_seed
from workflow_scripts.study.cell_job_settings import Layout, SearchJob
from workflow_scripts.tables.genotype import Edge, Genotype

Candidates = list[list[str]]  # per edge the names of its operations
Chosen = tuple[tuple[tuple[int, int], ...], ...]  # per node its chosen edges: (source state, index of the operation)
PickedEdges = tuple[tuple[int, int | None], ...]  # a node's edges to be run; None for all operations, mixed
Picked = tuple[PickedEdges, ...]


class Alphas(NamedTuple):
    """The architecture parameters: per cell kind a matrix (edges, operations)."""

    normal: Tensor
    reduce: Tensor


Mixing = Callable[[Alphas], Alphas]  # from alphas to the weights with which an edge sums its operations


def softmax(alphas: Alphas) -> Alphas:
    """The weights of DARTS: of each edge they sum to 1."""
    return Alphas(*(alpha.softmax(-1) for alpha in alphas))


class DiscreteArchitecture(NamedTuple):
    """A discrete architecture in a supernet: what is chosen in the normal and in the reduction cell."""

    normal: Chosen
    reduce: Chosen


class MixedOperation(nn.Module):
    """The candidates of one edge, summed with given weights (operations,)."""

    def __init__(self, names: list[str], channels: int, stride: int) -> None:
        super().__init__()
        self._ops = nn.ModuleList()
        for name in names:
            operation = build_operation(name, channels, stride, affine=False)
            if "pool" in name:
                operation = nn.Sequential(operation, nn.BatchNorm2d(channels, affine=False))
            self._ops.append(operation)

    def forward(self, x: Tensor, weights: Tensor, generator: torch.Generator | None) -> Tensor:
        mixed = [
            weight * apply_operation(operation, x, generator)
            for weight, operation in zip(weights, self._ops, strict=True)
        ]
        return torch.stack(mixed).sum(0) if len(mixed) > 2 else sum(mixed[1:], mixed[0])

    def single(self, x: Tensor, index: int, generator: torch.Generator | None) -> Tensor:
        """The output of one candidate alone."""
        return apply_operation(self._ops[index], x, generator)


class Cell(nn.Module):
    """One cell: two inputs, `nodes` intermediate nodes, their concatenation as output (nodes * channels wide)."""

    def __init__(
        self, candidates: Candidates, nodes: int, widths: tuple[int, int], channels: int, reduction: bool, halve: bool
    ) -> None:
        """`widths` are the channels of the two inputs; `halve`: the previous cell was a reduction."""
        super().__init__()
        self.reduction = reduction
        self.nodes = nodes
        first, second = widths
        build = FactorizedReduce if halve else ReLUConvBN
        self.preprocess0 = build(first, channels, affine=False)
        self.preprocess1 = ReLUConvBN(second, channels, affine=False)
        sources = [source for node in range(nodes) for source in range(node + 2)]
        self._ops = nn.ModuleList(
            MixedOperation(names, channels, stride=2 if reduction and source < 2 else 1)
            for names, source in zip(candidates, sources, strict=True)
        )

    def forward(
        self, s0: Tensor, s1: Tensor, weights: Tensor, drop_path: float, generator: torch.Generator | None
    ) -> Tensor:
        """All candidates of all edges, mixed."""
        return self._nodes(s0, s1, self.all_edges(), weights, drop_path, generator)

    def chosen(
        self,
        s0: Tensor,
        s1: Tensor,
        architecture: Chosen,
        generator: torch.Generator | None,
        drop_path: float = 0.0,
    ) -> Tensor:
        """The cell with each node's chosen edges alone, each with weight 1; no other operation runs."""
        return self._nodes(s0, s1, architecture, None, drop_path, generator)

    def all_edges(self) -> Picked:
        """Every edge of each node, with all its operations."""
        return tuple(tuple((source, None) for source in range(node + 2)) for node in range(self.nodes))

    def table_edges(self, picked: Picked, first_weight: int, masked: bool) -> CellEdges:
        """The cell as its compiled pass sees it; all operations are weighted, from `first_weight` on."""
        first, nodes = 0, list[list[TableEdge]]()
        for node, edges in enumerate(picked):
            nodes.append([])
            for source, index in edges:
                edge = self._ops[first + source]
                assert isinstance(edge, MixedOperation)
                operations = list(edge._ops)
                if index is None:
                    at = first_weight + (first + source) * len(operations)
                    weighted = [(operation, at + number) for number, operation in enumerate(operations)]
                else:
                    weighted = [(operations[index], 0)]
                nodes[-1].append(TableEdge(source, weighted, masked))
            first += node + 2
        return CellEdges((self.preprocess0, self.preprocess1), nodes, self.reduction)

    def _nodes(
        self,
        s0: Tensor,
        s1: Tensor,
        picked: Picked,
        weights: Tensor | None,
        drop_path: float,
        generator: torch.Generator | None,
    ) -> Tensor:
        states = [self.preprocess0(s0), self.preprocess1(s1)]
        drop_path = drop_path if self.training else 0.0
        first = 0  # index of the node's first edge
        for node, edges in enumerate(picked):
            rows = None if weights is None else weights[first : first + node + 2]
            states.append(self._sum(states, first, edges, rows, drop_path, generator))
            first += node + 2
        return torch.cat(states[2:], dim=1)

    def _sum(
        self,
        states: list[Tensor],
        first: int,
        edges: PickedEdges,
        rows: Tensor | None,
        drop_path: float,
        generator: torch.Generator | None,
    ) -> Tensor:
        """A node's sum by its modules: `rows` (edges, operations) are the weights of its edges, from `first` on."""
        incoming = []
        for source, index in edges:
            edge = self._ops[first + source]
            assert isinstance(edge, MixedOperation)
            if index is not None:
                output = edge.single(states[source], index, generator)
            else:
                assert rows is not None
                output = edge(states[source], rows[source], generator)
            incoming.append(drop_paths(output, drop_path, generator) if drop_path > 0 else output)
        return sum(incoming[1:], incoming[0])


class Supernet(CellNetwork):
    """Stem, `layers` cells with reductions at layers//3 and 2*layers//3, global average, linear classifier.

    A discrete architecture alone has gradients of its operations' own parameters, whatever the layout.
    """

    def __init__(
        self,
        normal: Candidates,
        reduce: Candidates,
        init_channels: int,
        layers: int,
        classes: int,
        nodes: int = 4,
        image_channels: int = 3,
        layout: Layout = "modules",
    ) -> None:
        super().__init__(layout)
        self.mixing: Mixing = softmax  # what passes see
        self.strengths: Mixing = softmax  # what the genotype is read off
        self.candidates = {"normal": normal, "reduce": reduce}
        self.nodes = nodes
        self.stem = nn.Sequential(
            nn.Conv2d(image_channels, 3 * init_channels, 3, padding=1, bias=False), nn.BatchNorm2d(3 * init_channels)
        )
        widths, channels, halve = (3 * init_channels, 3 * init_channels), init_channels, False
        self.cells = nn.ModuleList()
        for index in range(layers):
            reduction = index in (layers // 3, 2 * layers // 3)
            channels = 2 * channels if reduction else channels
            self.cells.append(Cell(reduce if reduction else normal, nodes, widths, channels, reduction, halve))
            widths, halve = (widths[1], nodes * channels), reduction
        self.classifier = nn.Linear(widths[1], classes)
        self.gather()

    def operations(self) -> Iterator[nn.Module]:
        """Those of all edges."""
        cells: list[Any] = list(self.cells)
        return (operation for cell in cells for edge in cell._ops for operation in edge._ops)

    def forward(
        self, images: Tensor, alphas: Alphas, drop_path: float = 0.0, generator: torch.Generator | None = None
    ) -> Tensor:
        """Logits (n, classes) of images (n, channels, side, side); noise and drop path are drawn from `generator`."""
        return self.mix(images, self.mixing(alphas), drop_path, generator)

    def mix(
        self, images: Tensor, weights: Alphas, drop_path: float = 0.0, generator: torch.Generator | None = None
    ) -> Tensor:
        """As `forward`, with the weights of the operations themselves."""
        if self.compiles():
            return self._compiled(images, weights, None, drop_path, generator)
        s0 = s1 = self.stem(images)
        for cell in self.cells:
            kind_weights = weights.reduce if cell.reduction else weights.normal
            s0, s1 = s1, cell(s0, s1, kind_weights, drop_path, generator)
        return self.classifier(s1.mean((2, 3)))

    def _compiled(
        self,
        images: Tensor,
        weights: Alphas | None,
        architecture: DiscreteArchitecture | None,
        drop_path: float,
        generator: torch.Generator | None,
    ) -> Tensor:
        """The logits by one compiled pass over all cells, mixed with weights or of an architecture."""
        assert self.compiled_cells is not None
        drop_path = drop_path if self.training else 0.0
        stem = self.stem(images)
        one = stem.new_ones(1)
        factors = one if weights is None else torch.cat([one, *(part.reshape(-1) for part in weights)])
        mode = Mode(self.training, self.norms[0].track_running_stats, drop_path, generator)
        edges = partial(self._edges, architecture, drop_path > 0)
        (s1,) = self.compiled_cells(edges, stem, factors, mode, alone=architecture is not None)
        return self.classifier(s1.mean((2, 3)))

    def _edges(self, architecture: DiscreteArchitecture | None, masked: bool) -> list[CellEdges]:
        """All cells as a compiled pass sees them; weight 0 is 1, then come those of normal and of reduction cells."""
        found = []
        for cell in self.cells:
            assert isinstance(cell, Cell)
            picked: Picked = cell.all_edges()
            if architecture is not None:
                picked = architecture.reduce if cell.reduction else architecture.normal
            before = sum(len(edge) for edge in self.candidates["normal"]) if cell.reduction else 0
            found.append(cell.table_edges(picked, 1 + before, masked))
        return found

    @torch.no_grad()
    def linearised(
        self, images: Tensor, weights: Alphas, drop_path: float, generator: torch.Generator | None
    ) -> LinearisedPass:
        """The cells' part of `mix`, whose output the global average takes, with its derivatives."""
        factors = torch.cat([weights.normal.new_ones(1), *(part.reshape(-1) for part in weights)])
        mode = Mode(True, False, drop_path, generator)
        assert self.compiled_cells is not None
        return self.compiled_cells.linearised(
            partial(self._edges, None, drop_path > 0), self.stem(images), factors, mode
        )

    def chosen(
        self,
        images: Tensor,
        architecture: DiscreteArchitecture,
        generator: torch.Generator | None = None,
        drop_path: float = 0.0,
    ) -> Tensor:
        """Logits of one discrete architecture; only its operations run, each with weight 1."""
        if self.compiles():
            return self._compiled(images, None, architecture, drop_path, generator)
        s0 = s1 = self.stem(images)
        for cell in self.cells:
            assert isinstance(cell, Cell)
            edges = architecture.reduce if cell.reduction else architecture.normal
            s0, s1 = s1, cell.chosen(s0, s1, edges, generator, drop_path)
        return self.classifier(s1.mean((2, 3)))

    def architecture_of(self, genotype: Genotype) -> DiscreteArchitecture:
        """A genotype of this supernet's space as an architecture in this supernet."""
        found = []
        for kind in ("normal", "reduce"):
            candidates, edges = self.candidates[kind], getattr(genotype, kind)
            first, cell = 0, []
            for node in range(self.nodes):
                pairs = edges[2 * node : 2 * node + 2]
                cell.append(tuple((source, candidates[first + source].index(name)) for name, source in pairs))
                first += node + 2
            found.append(tuple(cell))
        return DiscreteArchitecture(*found)

    def genotype_of(self, architecture: DiscreteArchitecture) -> Genotype:
        """The genotype of an architecture with two edges for each node; the inverse of `architecture_of`."""
        cells = []
        for kind, chosen in zip(("normal", "reduce"), architecture, strict=True):
            first, edges = 0, list[Edge]()
            for node, pairs in enumerate(chosen):
                edges.extend((self.candidates[kind][first + source][index], source) for source, index in pairs)
                first += node + 2
            cells.append(tuple(edges))
        return Genotype(*cells)

    def initial_alphas(self, generator: torch.Generator) -> Alphas:
        """Fresh alphas, 1e-3 * N(0, 1), on the network's device."""
        device = next(self.parameters()).device
        return Alphas(
            *(
                (1e-3 * torch.randn(len(edges), len(edges[0]), generator=generator)).to(device).requires_grad_()
                for edges in (self.candidates["normal"], self.candidates["reduce"])
            )
        )

    def genotype(self, alphas: Alphas) -> Genotype:
        """The genotype of the largest weights that the alphas lead to."""
        with torch.no_grad():
            cells = zip(("normal", "reduce"), self.strengths(alphas), strict=True)
            return Genotype(*(strongest_edges(self.candidates[kind], mixed, self.nodes) for kind, mixed in cells))


@contextmanager
def frozen_statistics(norms: list[nn.BatchNorm2d]) -> Iterator[None]:
    """Train-mode passes inside leave the running statistics of these BatchNorms alone."""
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True


def supernet_of(job: SearchJob, device: torch.device) -> Supernet:
    """The untrained supernet of a search; its weights are drawn from the search's seed."""
    with torch.random.fork_rng():
        torch.manual_seed(stream_seed(job.seed, "weights"))
        network = Supernet(
            job.normal,
            job.reduce,
            job.search.init_channels,
            job.search.layers,
            job.images.classes,
            image_channels=job.images.channels,
            layout=job.layout,
        )
    return network.to(device).to(memory_format=torch.channels_last)
