"""CIFAR-10: 32x32 colour images of ten kinds of objects; read with torchvision, which checks the archive.

Normalisation: RobustDARTS code.
"""

from pathlib import Path

import numpy as np

from workflow_scripts.data.entry import DataSet

DATA_SET = DataSet(
    name="cifar10",
    description="CIFAR-10: 32x32 colour images of ten kinds of objects",
    citation="Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009",
    licence="not stated by its authors; research use",
    channels=3,
    side=32,
    classes=10,
    train_images=50000,
    test_images=10000,
    mean=(0.49139968, 0.48215827, 0.44653124),
    deviation=(0.24703233, 0.24348505, 0.26158768),
    flip=True,
)


def read() -> dict[str, np.ndarray]:
    """Images (N, 3, 32, 32) uint8 and labels (N,) int64 of both parts."""
    from torchvision.datasets import CIFAR10

    from workflow_scripts.data.torchvision_sets import arrays

    folder = Path("data/sources/cifar10")
    return arrays(
        {"train": CIFAR10(folder, train=True, download=True), "test": CIFAR10(folder, train=False, download=True)}
    )
