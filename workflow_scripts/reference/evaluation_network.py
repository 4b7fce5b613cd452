"""The network of one genotype, trained from scratch in the evaluation; drop path is 0.

Source: Liu et al. 2019 (DARTS), section 3.1, as used by Zela et al. 2020. BatchNorm is affine everywhere, pooling
operations have none.
"""

import torch
from torch import nn

from workflow_scripts.reference.genotype import Genotype
from workflow_scripts.reference.operations import FactorizedReduce, ReLUConvBN, make_operation


class Cell(nn.Module):
    """The eight chosen edges of a genotype: two inputs -> (N, nodes * C, H, W), halved by a reduction."""

    def __init__(
        self,
        genotype: Genotype,
        channels_before_previous: int,
        channels_previous: int,
        channels: int,
        reduction: bool,
        reduction_previous: bool,
    ) -> None:
        super().__init__()
        if reduction_previous:
            self.preprocess0: nn.Module = FactorizedReduce(channels_before_previous, channels, affine=True)
        else:
            self.preprocess0 = ReLUConvBN(channels_before_previous, channels, affine=True)
        self.preprocess1 = ReLUConvBN(channels_previous, channels, affine=True)
        gene = genotype.reduce if reduction else genotype.normal
        self.concat = genotype.reduce_concat if reduction else genotype.normal_concat
        self.predecessors = [predecessor for _, predecessor in gene]
        self._ops = nn.ModuleList(
            make_operation(name, channels, 2 if reduction and predecessor < 2 else 1, affine=True)
            for name, predecessor in gene
        )

    def forward(self, s0: torch.Tensor, s1: torch.Tensor) -> torch.Tensor:
        states = [self.preprocess0(s0), self.preprocess1(s1)]
        for first in range(0, len(self._ops), 2):
            edges = (first, first + 1)
            states.append(sum(self._ops[edge](states[self.predecessors[edge]]) for edge in edges))
        return torch.cat([states[index] for index in self.concat], dim=1)


class AuxiliaryHead(nn.Module):
    """The auxiliary classifier on 8x8 maps: (N, C, 8, 8) -> logits (N, classes)."""

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            # In place, as published: only a network whose LAST cell feeds this head (layers <= 3) could see it, since
            # every other reader of the map begins with a ReLU of its own.
            nn.ReLU(inplace=True),
            nn.AvgPool2d(5, stride=3, padding=0, count_include_pad=False),
            nn.Conv2d(channels, 128, 1, bias=False),
            nn.BatchNorm2d(128),
            nn.ReLU(),
            nn.Conv2d(128, 768, 2, bias=False),
            nn.BatchNorm2d(768),
            nn.ReLU(),
        )
        self.classifier = nn.Linear(768, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.features(x).flatten(1))


class EvaluationNetwork(nn.Module):
    """(N, 3, H, W) -> logits (N, classes) and, in train mode with the head, auxiliary logits (N, classes) or None."""

    def __init__(self, genotype: Genotype, init_channels: int, layers: int, num_classes: int, auxiliary: bool) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 3 * init_channels, 3, padding=1, bias=False), nn.BatchNorm2d(3 * init_channels)
        )
        self.cells = nn.ModuleList()
        self.auxiliary_index = 2 * layers // 3
        before_previous = previous = 3 * init_channels
        channels, reduction_previous = init_channels, False
        for index in range(layers):
            reduction = index in (layers // 3, 2 * layers // 3)
            if reduction:
                channels *= 2
            cell = Cell(genotype, before_previous, previous, channels, reduction, reduction_previous)
            self.cells.append(cell)
            before_previous, previous, reduction_previous = previous, len(cell.concat) * channels, reduction
            if index == self.auxiliary_index:
                auxiliary_channels = previous
        self.auxiliary_head = AuxiliaryHead(auxiliary_channels, num_classes) if auxiliary else None
        self.classifier = nn.Linear(previous, num_classes)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        s0 = s1 = self.stem(x)
        auxiliary = None
        for index, cell in enumerate(self.cells):
            s0, s1 = s1, cell(s0, s1)
            if index == self.auxiliary_index and self.auxiliary_head is not None and self.training:
                auxiliary = self.auxiliary_head(s1)
        return self.classifier(s1.mean(dim=(2, 3))), auxiliary


def parameter_count(network: nn.Module) -> int:
    """Number of trained numbers in a network, its auxiliary head included."""
    return sum(parameter.numel() for parameter in network.parameters())
