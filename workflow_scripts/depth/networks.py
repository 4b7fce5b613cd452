"""Residual networks that give the logits of every depth in one pass.

Source: "Variational Depth Search in ResNets" (arXiv 2002.02797), appendix on architectures, and its public code. Depth
d means: input layer, the first d residual blocks, then the head that all depths share.
"""

import copy
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from workflow_scripts.depth.image_pass import can_pass, means_of_states
from workflow_scripts.study.cell_job_settings import Layout


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
    """Input layer, residual blocks and one head for all depths; subclasses define these."""

    layout: Layout = "modules"

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
        summaries = [self.summary(state)]
        for block in self.blocks:
            state = block(state)
            summaries.append(self.summary(state))
        return self.heads(summaries)

    def deepest(self, x: Tensor) -> Tensor:
        """Logits (N, K) of depth D alone; the head never sees the other depths."""
        state = self.input_layer(x)
        for block in self.blocks:
            state = block(state)
        logits: Tensor = self.head(state)
        return logits

    def summary(self, state: Tensor) -> Tensor:
        """What the head needs of a state."""
        return state

    def heads(self, summaries: list[Tensor]) -> Tensor:
        """Logits (D+1, N, K) of the summaries of every depth."""
        raise NotImplementedError


Network = TypeVar("Network", bound=DepthNetwork)


class FullyConnectedNetwork(DepthNetwork):
    """Linear to `width`, blocks x + BN(ReLU(Linear(x))), and a linear head. Inputs are (N, features)."""

    input_layer: nn.Linear
    head: nn.Linear

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

    def heads(self, summaries: list[Tensor]) -> Tensor:
        """In one product: this head treats every row alike."""
        logits: Tensor = self.head(torch.stack(summaries))
        return logits


class DepthBatchNorm(nn.BatchNorm1d):
    """BatchNorm with running statistics of every depth, (D+1, W), and scale and shift (W,) that all depths share.

    In training mode it computes what a BatchNorm called once for each depth does. In evaluation mode that one knows
    only statistics mixed over depths, and none of the depths has these.
    """

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(self, width: int, max_depth: int) -> None:
        """For depths 0 to max_depth."""
        super().__init__(width)
        self.running_mean = torch.zeros(max_depth + 1, width)
        self.running_var = torch.ones(max_depth + 1, width)

    def forward(self, x: Tensor) -> Tensor:
        """(D+1, N, W), or (N, W) of the largest depth, to the same shape."""
        every = x if x.dim() == 3 else x[None]
        depths, points, width = every.shape
        normalised = functional.batch_norm(
            every.transpose(0, 1).reshape(points, depths * width),
            self.running_mean[-depths:].view(-1),
            self.running_var[-depths:].view(-1),
            self.weight.repeat(depths),
            self.bias.repeat(depths),
            self.training,
            self.momentum or 0.0,
            self.eps,
        )
        return normalised.view(points, depths, width).transpose(0, 1).reshape(x.shape)

    def prune(self, depth: int) -> None:
        """Forget the statistics of deeper depths."""
        self.running_mean = self.running_mean[: depth + 1].clone()
        self.running_var = self.running_var[: depth + 1].clone()


class ConvolutionalNetwork(DepthNetwork):
    """5 x 5 convolution and pooling, pre-activation bottleneck blocks, and a head with its own BatchNorm.

    Inputs are (N, channels, height, width). In training mode one forward pass updates the head's running statistics
    D+1 times, depth 0 first; with `per_depth_statistics` every depth has its own.
    """

    input_layer: Any
    head: nn.Sequential

    def __init__(
        self,
        channels: int,
        outer_width: int,
        inner_width: int,
        classes: int,
        max_depth: int,
        per_depth_statistics: bool = False,
        layout: Layout = "modules",
    ) -> None:
        """Channels between blocks are `outer_width` (64 in the paper), inside them `inner_width` (32).

        With the layout "compiled" both are multiples of 8, and passes run in compiled loops where `can_pass` says so.
        """
        norm = DepthBatchNorm(outer_width, max_depth) if per_depth_statistics else nn.BatchNorm1d(outer_width)
        mixing = Residual(nn.Linear(outer_width, outer_width), nn.ReLU(), norm)
        super().__init__(
            nn.Sequential(nn.Conv2d(channels, outer_width, 5), nn.AvgPool2d(2)),
            nn.Sequential(GlobalAverage(), mixing, nn.Linear(outer_width, classes)),
            [_bottleneck(outer_width, inner_width) for _ in range(max_depth)],
        )
        self.per_depth_statistics, self.layout = per_depth_statistics, layout

    def forward(self, x: Tensor) -> Tensor:
        """Logits (D+1, N, K) of every depth."""
        return self.heads(list(self._summaries(x))) if self._compiles(x) else super().forward(x)

    def deepest(self, x: Tensor) -> Tensor:
        """Logits (N, K) of depth D alone."""
        if not self._compiles(x):
            return super().deepest(x)
        logits: Tensor = self.head[1:](self._summaries(x)[-1])
        return logits

    def _compiles(self, x: Tensor) -> bool:
        return self.layout == "compiled" and can_pass(self, x)

    def _summaries(self, x: Tensor) -> Tensor:
        blocks: Any = self.blocks
        return means_of_states(self.input_layer[0], [block.layers for block in blocks], x, self.training)

    def summary(self, state: Tensor) -> Tensor:
        """The mean over height and width, (N, C), so that no state is kept for the head."""
        mean: Tensor = self.head[0](state)
        return mean

    def heads(self, summaries: list[Tensor]) -> Tensor:
        """Depth after depth, because a shared BatchNorm learns from each; at once where each has its own statistics."""
        if self.per_depth_statistics:
            logits: Tensor = self.head[1:](torch.stack(summaries))
            return logits
        return torch.stack([self.head[1:](summary) for summary in summaries])


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
    pruned = copy.deepcopy(shorter)
    for module in pruned.modules():
        if isinstance(module, DepthBatchNorm):
            module.prune(depth)
    return pruned
