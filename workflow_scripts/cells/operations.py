"""The candidate operations of a cell (RobustDARTS code, after Liu et al. 2019), named as in the published state dicts.

Every module maps (n, C, h, w) to (n, C', h / stride, w / stride). Convolutions have no bias. Another operation is one
more entry of `OPERATIONS`, which the spaces are checked against.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn


class ReLUConvBN(nn.Module):
    """ReLU, 1x1 convolution, BatchNorm: how a cell brings its inputs to its own width."""

    def __init__(self, inputs: int, outputs: int, affine: bool) -> None:
        super().__init__()
        self.op = nn.Sequential(nn.ReLU(), nn.Conv2d(inputs, outputs, 1, bias=False), _norm(outputs, affine))

    def forward(self, x: Tensor) -> Tensor:
        return self.op(x)


class FactorizedReduce(nn.Module):
    """Halve the resolution by two stride-2 1x1 convolutions, the second on the input shifted by one pixel.

    The stride is taken before the convolutions: torch's own damaged memory on some processors (docs/behaviour.md).
    """

    def __init__(self, inputs: int, outputs: int, affine: bool) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.conv_1 = nn.Conv2d(inputs, outputs // 2, 1, bias=False)
        self.conv_2 = nn.Conv2d(inputs, outputs // 2, 1, bias=False)
        self.bn = _norm(outputs, affine)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(x)
        return self.bn(torch.cat([self.conv_1(x[:, :, ::2, ::2]), self.conv_2(x[:, :, 1::2, 1::2])], dim=1))


class Zero(nn.Module):
    """The operation `none`: zeros of the output's shape."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros_like(x[:, :, :: self.stride, :: self.stride])


class Noise(nn.Module):
    """Fresh N(0, 1) of the output's shape, whatever the input (RobustDARTS, space S4)."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        images, channels, height, width = x.shape
        size = (images, -(-height // self.stride), -(-width // self.stride), channels)  # drawn as it lies in memory
        return torch.randn(size, generator=generator, device=x.device, dtype=x.dtype).permute(0, 3, 1, 2)


class SepConv(nn.Module):
    """Twice ReLU, depthwise, pointwise, BatchNorm; the stride is in the first."""

    def __init__(self, channels: int, kernel: int, stride: int, affine: bool) -> None:
        super().__init__()
        self.op = nn.Sequential(
            *_depthwise_separable(channels, kernel, stride, 1, affine),
            *_depthwise_separable(channels, kernel, 1, 1, affine),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.op(x)


class DilConv(nn.Module):
    """ReLU, depthwise with dilation 2, pointwise, BatchNorm."""

    def __init__(self, channels: int, kernel: int, stride: int, affine: bool) -> None:
        super().__init__()
        self.op = nn.Sequential(*_depthwise_separable(channels, kernel, stride, 2, affine))

    def forward(self, x: Tensor) -> Tensor:
        return self.op(x)


OPERATIONS: dict[str, Callable[[int, int, bool], nn.Module]] = {
    "none": lambda channels, stride, affine: Zero(stride),
    "noise": lambda channels, stride, affine: Noise(stride),
    "skip_connect": lambda channels, stride, affine: (
        nn.Identity() if stride == 1 else FactorizedReduce(channels, channels, affine)
    ),
    "max_pool_3x3": lambda channels, stride, affine: nn.MaxPool2d(3, stride=stride, padding=1),
    "avg_pool_3x3": lambda channels, stride, affine: nn.AvgPool2d(3, stride, padding=1, count_include_pad=False),
    "sep_conv_3x3": lambda channels, stride, affine: SepConv(channels, 3, stride, affine),
    "sep_conv_5x5": lambda channels, stride, affine: SepConv(channels, 5, stride, affine),
    "sep_conv_7x7": lambda channels, stride, affine: SepConv(channels, 7, stride, affine),
    "dil_conv_3x3": lambda channels, stride, affine: DilConv(channels, 3, stride, affine),
    "dil_conv_5x5": lambda channels, stride, affine: DilConv(channels, 5, stride, affine),
    "conv_7x1_1x7": lambda channels, stride, affine: nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(channels, channels, (1, 7), stride=(1, stride), padding=(0, 3), bias=False),
        nn.Conv2d(channels, channels, (7, 1), stride=(stride, 1), padding=(3, 0), bias=False),
        _norm(channels, affine),
    ),
}
"""By name, the module of an operation on so many channels, with a stride of 1 or 2, BatchNorm affine or not."""


def build_operation(name: str, channels: int, stride: int, affine: bool) -> nn.Module:
    """The operation `name` on `channels` channels. Raises ValueError for an unknown name."""
    if name not in OPERATIONS:
        raise ValueError(f"unknown operation {name}")
    return OPERATIONS[name](channels, stride, affine)


def apply_operation(operation: nn.Module, x: Tensor, generator: torch.Generator | None) -> Tensor:
    """The operation's output; noise is drawn from `generator`."""
    return operation(x, generator) if isinstance(operation, Noise) else operation(x)


def drop_paths(x: Tensor, probability: float, generator: torch.Generator | None) -> Tensor:
    """Zero whole samples of x (n, C, h, w) with the given probability and scale the others by 1 / (1 - probability)."""
    return x * drop_path_mask(x, probability, generator)


def drop_path_mask(x: Tensor, probability: float, generator: torch.Generator | None) -> Tensor:
    """The factors (n, 1, 1, 1) of `drop_paths`."""
    keep = 1.0 - probability
    mask = torch.rand((len(x), 1, 1, 1), generator=generator, device=x.device) < keep
    return (mask / keep).to(x.dtype)


def _depthwise_separable(channels: int, kernel: int, stride: int, dilation: int, affine: bool) -> list[nn.Module]:
    padding = dilation * (kernel - 1) // 2
    return [
        nn.ReLU(),
        nn.Conv2d(channels, channels, kernel, stride, padding, dilation=dilation, groups=channels, bias=False),
        nn.Conv2d(channels, channels, 1, bias=False),
        _norm(channels, affine),
    ]


def _norm(channels: int, affine: bool) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, affine=affine)
