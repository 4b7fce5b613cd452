"""Residual networks that give the logits of every depth in one pass.

Source: "Variational Depth Search in ResNets" (arXiv 2002.02797), appendix on architectures, and its public code. Depth
d means: input layer, the first d residual blocks, then the head that all depths share.
"""

import copy
from typing import TypeVar

import torch
from torch import Tensor, nn


class Residual(nn.Module):
    """x + layers(x)."""

    def __init__(self, *layers: nn.Module) -> None:
        """A residual branch that runs the layers in order."""
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Same shape as x."""
        return x + self.layers(x)


class GlobalAverage(nn.Module):
    """The mean over height and width: (N, C, H, W) to (N, C)."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C)."""
        return x.mean(dim=(2, 3))


class DepthNetwork(nn.Module):
    """Input layer, residual blocks and one head for all depths; subclasses say what these are."""

    def __init__(self, input_layer: nn.Module, head: nn.Module, blocks: list[Residual]) -> None:
        """A network of depth len(blocks)."""
        super().__init__()
        self.input_layer = input_layer
        self.head = head
        self.blocks = nn.ModuleList(blocks)

    @property
    def max_depth(self) -> int:
        """Residual blocks D."""
        return len(self.blocks)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (D+1, N, K) of every depth, depth 0 first; each block runs once."""
        state = self.input_layer(x)
        states = [state]
        for block in self.blocks:
            state = block(state)
            states.append(state)
        return self.heads(states)

    def deepest(self, x: Tensor) -> Tensor:
        """Logits (N, K) of depth D alone; the head never sees the other depths."""
        state = self.input_layer(x)
        for block in self.blocks:
            state = block(state)
        logits: Tensor = self.head(state)
        return logits

    def heads(self, states: list[Tensor]) -> Tensor:
        """The head applied to the state of every depth, in order, because its BatchNorm may learn from each."""
        return torch.stack([self.head(state) for state in states])


Network = TypeVar("Network", bound=DepthNetwork)


class FullyConnectedNetwork(DepthNetwork):
    """Linear to `width`, blocks x + BN(ReLU(Linear(x))), and a linear head. Inputs are (N, features)."""

    def __init__(self, features: int, width: int, classes: int, max_depth: int) -> None:
        """Layers with torch's default initialisation, drawn in the order input, head, blocks.

        So networks that differ in depth alone start from the same weights where both have them.
        """
        super().__init__(
            nn.Linear(features, width),
            nn.Linear(width, classes),
            [Residual(nn.Linear(width, width), nn.ReLU(), nn.BatchNorm1d(width)) for _ in range(max_depth)],
        )

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Input features, width, classes, residual blocks."""
        return self.input_layer.in_features, self.input_layer.out_features, self.head.out_features, self.max_depth

    def heads(self, states: list[Tensor]) -> Tensor:
        """As in the base class, in one product: this head treats every row alike."""
        logits: Tensor = self.head(torch.stack(states))
        return logits


class ConvolutionalNetwork(DepthNetwork):
    """5 x 5 convolution and pooling, pre-activation bottleneck blocks, and a head with its own BatchNorm.

    Inputs are (N, channels, height, width). In training mode one forward pass updates the head's running statistics
    D+1 times, depth 0 first.
    """

    def __init__(self, channels: int, outer_width: int, inner_width: int, classes: int, max_depth: int) -> None:
        """Channels between blocks are `outer_width` (64 in the paper), inside them `inner_width` (32)."""
        mixing = Residual(nn.Linear(outer_width, outer_width), nn.ReLU(), nn.BatchNorm1d(outer_width))
        super().__init__(
            nn.Sequential(nn.Conv2d(channels, outer_width, 5), nn.AvgPool2d(2)),
            nn.Sequential(GlobalAverage(), mixing, nn.Linear(outer_width, classes)),
            [_bottleneck(outer_width, inner_width) for _ in range(max_depth)],
        )


def _bottleneck(outer: int, inner: int) -> Residual:
    return Residual(
        nn.BatchNorm2d(outer),
        nn.ReLU(),
        nn.Conv2d(outer, inner, 1),
        nn.BatchNorm2d(inner),
        nn.ReLU(),
        nn.Conv2d(inner, inner, 3, padding=1),
        nn.BatchNorm2d(inner),
        nn.ReLU(),
        nn.Conv2d(inner, outer, 1),
    )


def prune(network: Network, depth: int) -> Network:
    """A smaller network whose blocks after `depth` do not exist; its weights are copies.

    Raises ValueError when the network is not that deep.
    """
    if not 0 <= depth <= network.max_depth:
        raise ValueError(f"cannot prune at depth {depth}: the network has {network.max_depth} blocks")
    shorter = copy.copy(network)  # shares everything, so that only what stays is copied
    shorter._modules = {**network._modules, "blocks": nn.ModuleList(network.blocks[:depth])}
    return copy.deepcopy(shorter)
