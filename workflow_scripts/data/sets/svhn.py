"""SVHN: 32x32 colour images of house numbers; read with torchvision, which checks the archive.

The published code mirrors these images too, although a mirrored digit is not always a digit; kept as published.

Normalisation: RobustDARTS code.
"""

from pathlib import Path

import numpy as np

from workflow_scripts.data.entry import DataSet

DATA_SET = DataSet(
    name="svhn",
    description="SVHN: 32x32 colour images of house numbers",
    citation="Netzer et al., Reading Digits in Natural Images with Unsupervised Feature Learning, 2011",
    licence="non-commercial use, as its authors state",
    channels=3,
    side=32,
    classes=10,
    train_images=73257,
    test_images=26032,
    mean=(0.4377, 0.4438, 0.4728),
    deviation=(0.198, 0.201, 0.197),
    flip=True,
)


def read() -> dict[str, np.ndarray]:
    """Images (N, 3, 32, 32) uint8 and labels (N,) int64 of both parts."""
    from torchvision.datasets import SVHN

    from workflow_scripts.data.torchvision_sets import arrays

    folder = Path("data/sources/svhn")
    return arrays(
        {"train": SVHN(folder, split="train", download=True), "test": SVHN(folder, split="test", download=True)}
    )
