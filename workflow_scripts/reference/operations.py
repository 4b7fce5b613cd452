"""The candidate operations of a cell, one plain module each.

Source: Liu et al. 2019 (DARTS), section 3.1, and Zela et al., ICLR 2020 (arXiv 1909.09656). Attribute names (`op`,
`conv_1`, `conv_2`, `bn`) are those of the published code, so its state dicts load.
"""

import torch
from torch import nn


class ReLUConvBN(nn.Module):
    """ReLU, 1x1 convolution without bias, BatchNorm: (N, C_in, H, W) -> (N, C_out, H, W)."""

    def __init__(self, in_channels: int, out_channels: int, affine: bool) -> None:
        super().__init__()
        self.op = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(in_channels, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels, affine=affine),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.op(x)


class FactorizedReduce(nn.Module):
    """Two 1x1 stride-2 convolutions, the second shifted by one pixel: (N, C_in, H, W) -> (N, C_out, H/2, W/2)."""

    def __init__(self, in_channels: int, out_channels: int, affine: bool) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.conv_1 = nn.Conv2d(in_channels, out_channels // 2, 1, stride=2, bias=False)
        self.conv_2 = nn.Conv2d(in_channels, out_channels // 2, 1, stride=2, bias=False)
        self.bn = nn.BatchNorm2d(out_channels, affine=affine)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(x)
        return self.bn(torch.cat([self.conv_1(x), self.conv_2(x[:, :, 1:, 1:])], dim=1))


def depthwise(channels: int, kernel: int, stride: int, padding: int, dilation: int = 1) -> nn.Conv2d:
    """One kernel per channel, no bias."""
    return nn.Conv2d(channels, channels, kernel, stride, padding, dilation, groups=channels, bias=False)


class SepConv(nn.Module):
    """Twice (ReLU, depthwise kxk, pointwise 1x1, BatchNorm), the stride in the first half."""

    def __init__(self, channels: int, kernel: int, stride: int, affine: bool) -> None:
        super().__init__()
        self.op = nn.Sequential(
            nn.ReLU(),
            depthwise(channels, kernel, stride, kernel // 2),
            nn.Conv2d(channels, channels, 1, bias=False),
            nn.BatchNorm2d(channels, affine=affine),
            nn.ReLU(),
            depthwise(channels, kernel, 1, kernel // 2),
            nn.Conv2d(channels, channels, 1, bias=False),
            nn.BatchNorm2d(channels, affine=affine),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.op(x)


class DilConv(nn.Module):
    """ReLU, depthwise kxk with dilation 2, pointwise 1x1, BatchNorm."""

    def __init__(self, channels: int, kernel: int, stride: int, affine: bool) -> None:
        super().__init__()
        self.op = nn.Sequential(
            nn.ReLU(),
            depthwise(channels, kernel, stride, kernel - 1, dilation=2),
            nn.Conv2d(channels, channels, 1, bias=False),
            nn.BatchNorm2d(channels, affine=affine),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.op(x)


class Conv7x1And1x7(nn.Sequential):
    """ReLU, 1x7 convolution, 7x1 convolution, BatchNorm; the stride of each is along its own seven."""

    def __init__(self, channels: int, stride: int, affine: bool) -> None:
        super().__init__(
            nn.ReLU(),
            nn.Conv2d(channels, channels, (1, 7), (1, stride), (0, 3), bias=False),
            nn.Conv2d(channels, channels, (7, 1), (stride, 1), (3, 0), bias=False),
            nn.BatchNorm2d(channels, affine=affine),
        )


class Zero(nn.Module):
    """The operation `none`: zeros of the (possibly strided) input's shape."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, :, :: self.stride, :: self.stride] * 0


class Noise(nn.Module):
    """The operation `noise`: fresh N(0, 1) of the (possibly strided) input's shape, whatever the input."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.randn_like(x[:, :, :: self.stride, :: self.stride])


def make_operation(name: str, channels: int, stride: int, affine: bool) -> nn.Module:
    """The module of an operation's name, keeping `channels` and dividing height and width by `stride`."""
    if name == "none":
        return Zero(stride)
    if name == "noise":
        return Noise(stride)
    if name == "max_pool_3x3":
        return nn.MaxPool2d(3, stride, padding=1)
    if name == "avg_pool_3x3":
        return nn.AvgPool2d(3, stride, padding=1, count_include_pad=False)
    if name == "skip_connect":
        return nn.Identity() if stride == 1 else FactorizedReduce(channels, channels, affine)
    if name == "conv_7x1_1x7":
        return Conv7x1And1x7(channels, stride, affine)
    if name.startswith("sep_conv_"):
        return SepConv(channels, int(name[-1]), stride, affine)
    if name.startswith("dil_conv_"):
        return DilConv(channels, int(name[-1]), stride, affine)
    raise ValueError(f"unknown operation {name!r}")
