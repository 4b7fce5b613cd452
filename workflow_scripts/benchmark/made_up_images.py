"""Images for what is measured, which need not be fetched."""

import torch

from workflow_scripts.data.image_batches import Part
from workflow_scripts.study.cell_job_settings import Images

CLASSES = 10


def image_settings(side: int, channels: int = 3, augmented: bool = True) -> Images:
    """Of random images of `side` pixels; augmented as the papers' images are, in proportion to their side."""
    return Images(
        data_set="made up",
        channels=channels,
        side=side,
        classes=CLASSES,
        mean=channels * (0.5,),
        deviation=channels * (0.3,),
        padding=side // 8 if augmented else 0,
        flip=augmented,
        cutout=side // 2 if augmented else 0,
    )


def random_part(images: Images, count: int, device: torch.device | str = "cpu") -> Part:
    """So many random images with random labels, always the same."""
    draws = torch.Generator().manual_seed(1)
    shape = (count, images.channels, images.side, images.side)
    pixels = torch.randint(0, 256, shape, generator=draws, dtype=torch.uint8)
    labels = torch.randint(0, images.classes, (count,), generator=draws)
    return Part(pixels.to(device), labels.to(device), images)
