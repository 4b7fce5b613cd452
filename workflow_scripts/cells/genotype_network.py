"""The network of a discrete genotype, trained from scratch (Liu et al. 2019, section 3.2).

Parameter names are those of the published state dicts. BatchNorm is affine everywhere.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from workflow_scripts.cells.cell_network import CellNetwork
from workflow_scripts.cells.compiled_pass import Mode
from workflow_scripts.cells.operations import (
    FactorizedReduce,
    ReLUConvBN,
    apply_operation,
    build_operation,
    drop_paths,
)
from workflow_scripts.cells.pass_table import CellEdges
from workflow_scripts.cells.pass_table import Edge as TableEdge
from workflow_scripts.study.cell_job_settings import Layout
from workflow_scripts.tables.genotype import Edge, Genotype

AUXILIARY_SIDE = 32  # pixels; the auxiliary head needs 8x8 maps after the second reduction


class DiscreteCell(nn.Module):
    """One cell of a genotype: each node sums two operations; the output concatenates the nodes."""

    def __init__(
        self, edges: tuple[Edge, ...], widths: tuple[int, int], channels: int, reduction: bool, halve: bool
    ) -> None:
        """`widths` are the channels of the two inputs; `halve`: the previous cell was a reduction."""
        super().__init__()
        first, second = widths
        build = FactorizedReduce if halve else ReLUConvBN
        self.preprocess0 = build(first, channels, affine=True)
        self.preprocess1 = ReLUConvBN(second, channels, affine=True)
        self.sources = [source for _, source in edges]
        self._ops = nn.ModuleList(
            build_operation(name, channels, stride=2 if reduction and source < 2 else 1, affine=True)
            for name, source in edges
        )
        self.reduction = reduction

    def forward(
        self, s0: Tensor, s1: Tensor, drop_path: float = 0.0, generator: torch.Generator | None = None
    ) -> Tensor:
        """The concatenated nodes."""
        states = [self.preprocess0(s0), self.preprocess1(s1)]
        for node in range(len(self.sources) // 2):
            first, second = (self._edge(2 * node + side, states, drop_path, generator) for side in (0, 1))
            states.append(first + second)
        return torch.cat(states[2:], dim=1)

    def table_edges(self, masked: bool) -> CellEdges:
        """The cell as its compiled pass sees it; all operations have the weight 0, which is 1."""
        edges = [
            TableEdge(source, [(operation, 0)], masked and not isinstance(operation, nn.Identity))
            for source, operation in zip(self.sources, self._ops, strict=True)
        ]
        nodes = [edges[at : at + 2] for at in range(0, len(edges), 2)]
        return CellEdges((self.preprocess0, self.preprocess1), nodes, self.reduction)

    def _edge(self, edge: int, states: list[Tensor], drop_path: float, generator: torch.Generator | None) -> Tensor:
        operation = self._ops[edge]
        output = apply_operation(operation, states[self.sources[edge]], generator)
        if self.training and drop_path > 0 and not isinstance(operation, nn.Identity):
            return drop_paths(output, drop_path, generator)
        return output


class AuxiliaryHead(nn.Module):
    """A second classifier on 8x8 maps, used in training only."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.ReLU(),
            nn.AvgPool2d(5, stride=3, padding=0, count_include_pad=False),
            nn.Conv2d(channels, 128, 1, bias=False),
            nn.BatchNorm2d(128),
            nn.ReLU(),
            nn.Conv2d(128, 768, 2, bias=False),
            nn.BatchNorm2d(768),
            nn.ReLU(),
        )
        self.classifier = nn.Linear(768, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).flatten(1))


class EvaluationNetwork(CellNetwork):
    """Stem, `layers` cells of one genotype, global average, linear classifier; an auxiliary head where asked for."""

    def __init__(
        self,
        genotype: Genotype,
        init_channels: int,
        layers: int,
        classes: int,
        auxiliary: bool,
        image_channels: int = 3,
        layout: Layout = "modules",
    ) -> None:
        super().__init__(layout)
        self.stem = nn.Sequential(
            nn.Conv2d(image_channels, 3 * init_channels, 3, padding=1, bias=False), nn.BatchNorm2d(3 * init_channels)
        )
        widths, channels, halve = (3 * init_channels, 3 * init_channels), init_channels, False
        self.auxiliary_at = 2 * layers // 3
        self.auxiliary_head: AuxiliaryHead | None = None
        self.cells = nn.ModuleList()
        for index in range(layers):
            reduction = index in (layers // 3, 2 * layers // 3)
            channels = 2 * channels if reduction else channels
            edges = genotype.reduce if reduction else genotype.normal
            self.cells.append(DiscreteCell(edges, widths, channels, reduction, halve))
            widths, halve = (widths[1], genotype.nodes * channels), reduction
            if auxiliary and index == self.auxiliary_at:
                self.auxiliary_head = AuxiliaryHead(widths[1], classes)
        self.classifier = nn.Linear(widths[1], classes)
        self.gather()

    def operations(self) -> Iterator[nn.Module]:
        """Those of all edges."""
        cells: list[Any] = list(self.cells)
        return (operation for cell in cells for operation in cell._ops)

    def forward(
        self, images: Tensor, drop_path: float = 0.0, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Logits (n, classes), and in training the auxiliary head's logits where there is a head."""
        auxiliary = None
        head = self.auxiliary_head if self.training else None
        s0 = s1 = self.stem(images)
        if self.compiled_cells is not None and self.compiles():
            drop_path = drop_path if self.training else 0.0
            mode = Mode(self.training, bool(self.stem[1].track_running_stats), drop_path, generator)
            read = (self.auxiliary_at,) if head is not None and self.auxiliary_at < len(self.cells) - 1 else ()
            edges = partial(self._edges, drop_path > 0)
            *between, s1 = self.compiled_cells(edges, s1, s1.new_ones(1), mode, read=read)
            if head is not None:
                auxiliary = head(between[0] if between else s1)
            return self.classifier(s1.mean((2, 3))), auxiliary
        for index, cell in enumerate(self.cells):
            s0, s1 = s1, cell(s0, s1, drop_path, generator)
            if index == self.auxiliary_at and head is not None:
                auxiliary = head(s1)
        return self.classifier(s1.mean((2, 3))), auxiliary

    def _edges(self, masked: bool) -> list[CellEdges]:
        cells: list[Any] = list(self.cells)
        return [cell.table_edges(masked) for cell in cells]

    def parameter_count(self, with_auxiliary: bool) -> int:
        """The number of trained parameters; the literature leaves the auxiliary head out."""
        return sum(
            parameter.numel()
            for name, parameter in self.named_parameters()
            if with_auxiliary or not name.startswith("auxiliary_head")
        )
