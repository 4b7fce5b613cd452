"""A network that takes images as they are stored, for use outside of this project."""

import torch
from torch import Tensor, nn

from workflow_scripts.data.augment import normalise


class Normalised(nn.Module):
    """uint8 images (n, channels, side, side), pixels from 0 to 255, to what `network` makes of them, normalised."""

    def __init__(self, network: nn.Module, mean: tuple[float, ...], deviation: tuple[float, ...]) -> None:
        """`mean` and `deviation` are per channel, of pixels divided by 255."""
        super().__init__()
        self.network, self.mean, self.deviation = network, mean, deviation

    def forward(self, images: Tensor) -> Tensor:
        """What the network gives."""
        given: Tensor = self.network(normalise(images, self.mean, self.deviation))
        return given


def require_images(images: Tensor, channels: int, side: int) -> None:
    """Raise ValueError unless the images are uint8 (n, channels, side, side)."""
    if images.dtype != torch.uint8 or images.shape[1:] != (channels, side, side):
        shape = (channels, side, side)
        raise ValueError(f"images are {images.dtype} {tuple(images.shape)}, this network takes uint8 (n, {shape})")
