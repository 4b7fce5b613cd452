"""The training transforms of the DARTS family as operations on whole batches, drawn from a given generator.

Distribution as published: zero padding and a uniform crop offset, mirrored with probability 1/2, then normalised, then
one square of zeros per image, centred anywhere and clipped at the border (DeVries and Taylor, 2017).
"""

import torch
from torch import Tensor
from torch.nn import functional as F


def random_crop(images: Tensor, padding: int, generator: torch.Generator) -> Tensor:
    """Images (n, C, S, S) shifted by up to `padding` pixels in each axis, zeros coming in."""
    count, _, side, _ = images.shape
    windows = F.pad(images, (padding,) * 4).unfold(2, side, 1).unfold(3, side, 1)  # (n, C, row, column, S, S), a view
    rows, columns = torch.randint(0, 2 * padding + 1, (2, count), generator=generator).to(images.device)
    return windows[torch.arange(count, device=images.device), :, rows, columns]


def random_flip(images: Tensor, generator: torch.Generator) -> Tensor:
    """Images mirrored left to right, each with probability 1/2."""
    mirrored = (torch.rand(len(images), generator=generator) < 0.5).to(images.device)
    return torch.where(mirrored[:, None, None, None], images.flip(-1), images)


def normalise(images: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """uint8 images as float32, channels last: divided by 255, then per channel minus `mean`, divided by `std`."""
    shape = (1, -1, 1, 1)
    centre = torch.tensor(mean, device=images.device).view(shape)
    scale = torch.tensor(std, device=images.device).view(shape)
    return ((images.float() / 255 - centre) / scale).contiguous(memory_format=torch.channels_last)


def cutout(images: Tensor, length: int, probability: float, generator: torch.Generator) -> Tensor:
    """Images with a square of side `length` set to zero, each image with the given probability."""
    count, _, side, _ = images.shape
    centres = torch.randint(0, side, (2, count, 1), generator=generator)
    hit = torch.rand(count, generator=generator) < probability
    positions = torch.arange(side)
    inside = (positions >= centres - length // 2) & (positions < centres + length // 2)
    hole = inside[0][:, :, None] & inside[1][:, None, :] & hit[:, None, None]
    return images.masked_fill(hole.to(images.device)[:, None], 0.0)
