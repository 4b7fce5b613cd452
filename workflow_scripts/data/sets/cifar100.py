"""CIFAR-100: 32x32 colour images of a hundred kinds of objects; read with torchvision, which checks the archive.

Normalisation: RobustDARTS code.
"""

from pathlib import Path

import numpy as np

from workflow_scripts.data.entry import DataSet

DATA_SET = DataSet(
    name="cifar100",
    description="CIFAR-100: 32x32 colour images of a hundred kinds of objects",
    citation="Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009",
    licence="not stated by its authors; research use",
    channels=3,
    side=32,
    classes=100,
    train_images=50000,
    test_images=10000,
    mean=(0.5071, 0.4865, 0.4409),
    deviation=(0.2673, 0.2564, 0.2762),
    flip=True,
)


def read() -> dict[str, np.ndarray]:
    """Images (N, 3, 32, 32) uint8 and labels (N,) int64 of both parts."""
    from torchvision.datasets import CIFAR100

    from workflow_scripts.data.torchvision_sets import arrays

    folder = Path("data/sources/cifar100")
    return arrays(
        {"train": CIFAR100(folder, train=True, download=True), "test": CIFAR100(folder, train=False, download=True)}
    )
