"""The supernet of the cell search: every edge of a cell carries all its candidates, mixed by softmax(alpha).

Liu et al. (ICLR 2019), section 2; RobustDARTS, section 2.1. Parameter names are those of the published state dicts.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from workflow_scripts.cells.node_sum import Term, may_compile, node_sum, single_operation, term_of
from workflow_scripts.cells.operation_passes import COMPILED, blocks_of
from workflow_scripts.cells.operations import (
    FactorizedReduce,
    ReLUConvBN,
    Zero,
    apply_operation,
    build_operation,
    drop_path_mask,
    drop_paths,
)
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
        self.blocks = [blocks_of(operation) if isinstance(operation, COMPILED) else None for operation in self._ops]

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
        self.blocks = [blocks_of(self.preprocess0), blocks_of(self.preprocess1)]
        sources = [source for node in range(nodes) for source in range(node + 2)]
        self._ops = nn.ModuleList(
            MixedOperation(names, channels, stride=2 if reduction and source < 2 else 1)
            for names, source in zip(candidates, sources, strict=True)
        )

    def forward(
        self,
        s0: Tensor,
        s1: Tensor,
        weights: Tensor,
        drop_path: float,
        generator: torch.Generator | None,
        compiled: bool = False,
    ) -> Tensor:
        """All candidates of all edges, mixed; `compiled`: see `Supernet.layout`."""
        picked = tuple(tuple((source, None) for source in range(node + 2)) for node in range(self.nodes))
        return self._nodes(s0, s1, picked, weights, drop_path, generator, compiled)

    def chosen(
        self,
        s0: Tensor,
        s1: Tensor,
        architecture: Chosen,
        generator: torch.Generator | None,
        drop_path: float = 0.0,
        compiled: bool = False,
    ) -> Tensor:
        """The cell with each node's chosen edges alone, each with weight 1; no other operation runs."""
        return self._nodes(s0, s1, architecture, None, drop_path, generator, compiled)

    def _nodes(
        self,
        s0: Tensor,
        s1: Tensor,
        picked: Picked,
        weights: Tensor | None,
        drop_path: float,
        generator: torch.Generator | None,
        compiled: bool,
    ) -> Tensor:
        if compiled:
            states = [single_operation(blocks, x) for blocks, x in zip(self.blocks, (s0, s1), strict=True)]
        else:
            states = [self.preprocess0(s0), self.preprocess1(s1)]
        drop_path = drop_path if self.training else 0.0
        first = 0  # index of the node's first edge
        for node, edges in enumerate(picked):
            rows = None if weights is None else weights[first : first + node + 2]
            add_up = self._compiled_sum if compiled else self._sum
            states.append(add_up(states, first, edges, rows, drop_path, generator))
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

    def _compiled_sum(
        self,
        states: list[Tensor],
        first: int,
        edges: PickedEdges,
        rows: Tensor | None,
        drop_path: float,
        generator: torch.Generator | None,
    ) -> Tensor:
        """The same sum by compiled loops; what is drawn is drawn in the same order."""
        inputs, terms = list(states), list[Term]()
        for source, index in edges:
            edge = self._ops[first + source]
            assert isinstance(edge, MixedOperation)
            edge_terms = []
            for number in range(len(edge.blocks)) if index is None else (index,):
                operation, weight = edge._ops[number], 0 if index is not None else source * len(edge.blocks) + number
                if not isinstance(operation, Zero):
                    edge_terms.append(term_of(operation, edge.blocks[number], source, inputs, generator, weight))
            mask = drop_path_mask(states[source], drop_path, generator) if drop_path > 0 else None
            terms += [term._replace(mask=mask) for term in edge_terms]
        weights = states[0].new_ones(1) if rows is None else rows.reshape(-1)
        height, width = (side // (2 if self.reduction else 1) for side in states[0].shape[2:])
        return node_sum(inputs, terms, weights, (states[0].shape[1], height, width))


class Supernet(nn.Module):
    """Stem, `layers` cells with reductions at layers//3 and 2*layers//3, global average, linear classifier.

    `layout` says how a pass is computed on a CPU: "modules" by the operations' modules, "compiled" by `node_sum.py`,
    which is the same function, faster. On other devices, and for gradients in evaluation mode, the modules run.
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
        super().__init__()
        self.layout = layout
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
        # walks over all modules take a part of a small network's step
        self.weights = list(self.parameters())
        self.norms = batch_norms(self)

    def forward(
        self, images: Tensor, alphas: Alphas, drop_path: float = 0.0, generator: torch.Generator | None = None
    ) -> Tensor:
        """Logits (n, classes) of images (n, channels, side, side); noise and drop path are drawn from `generator`."""
        return self.mix(images, Alphas(*(alpha.softmax(-1) for alpha in alphas)), drop_path, generator)

    def mix(
        self, images: Tensor, weights: Alphas, drop_path: float = 0.0, generator: torch.Generator | None = None
    ) -> Tensor:
        """As `forward`, with the weights of the operations themselves."""
        compiled = self.layout == "compiled" and may_compile(self, images)
        s0 = s1 = self.stem(images)
        for cell in self.cells:
            kind_weights = weights.reduce if cell.reduction else weights.normal
            s0, s1 = s1, cell(s0, s1, kind_weights, drop_path, generator, compiled)
        return self.classifier(s1.mean((2, 3)))

    def chosen(
        self,
        images: Tensor,
        architecture: DiscreteArchitecture,
        generator: torch.Generator | None = None,
        drop_path: float = 0.0,
    ) -> Tensor:
        """Logits of one discrete architecture; only its operations run, each with weight 1."""
        compiled = self.layout == "compiled" and may_compile(self, images)
        s0 = s1 = self.stem(images)
        for cell in self.cells:
            assert isinstance(cell, Cell)
            edges = architecture.reduce if cell.reduction else architecture.normal
            s0, s1 = s1, cell.chosen(s0, s1, edges, generator, drop_path, compiled)
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
        """The genotype of the largest alphas."""
        cells = zip(("normal", "reduce"), alphas, strict=True)
        return Genotype(*(strongest_edges(self.candidates[kind], alpha, self.nodes) for kind, alpha in cells))


def batch_norms(network: nn.Module) -> list[nn.BatchNorm2d]:
    """All of a network's BatchNorms."""
    return [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]


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


def strongest_edges(candidates: Candidates, alpha: Tensor, nodes: int) -> tuple[Edge, ...]:
    """Per node the two strongest incoming edges, strongest first, each with its strongest operation.

    The strength of an edge is its largest softmax weight; `none` never counts. Ties keep the lower index.
    """
    weights = alpha.detach().softmax(-1).tolist()
    chosen: list[Edge] = []
    edge = 0
    for node in range(nodes):
        options = []
        for source in range(node + 2):
            allowed = [index for index, name in enumerate(candidates[edge]) if name != "none"]
            best = max(allowed, key=weights[edge].__getitem__)
            options.append((weights[edge][best], candidates[edge][best], source))
            edge += 1
        options.sort(key=lambda option: -option[0])
        chosen.extend((name, source) for _, name, source in options[:2])
    return tuple(chosen)


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
