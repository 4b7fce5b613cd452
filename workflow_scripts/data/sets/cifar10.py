"""CIFAR-10: 32x32 colour images of ten kinds of objects, in the binary version, which needs no pickle.

Normalisation: RobustDARTS code.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from workflow_scripts.data.data_set import Form, ImageSet, Normalisation, SourceFile

if TYPE_CHECKING:
    from workflow_scripts.data.image_readers import Arrays

DATA_SET = ImageSet(
    name="cifar10",
    description="CIFAR-10: 32x32 colour images of ten kinds of objects",
    citation="Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009",
    licence="not stated by its authors; research use",
    files=(
        SourceFile(
            "archive",
            ("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",),
            (
                Form(
                    "cifar-10-binary.tar.gz",
                    170052171,
                    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
                    "TensorFlow Datasets, url_checksums/cifar10.txt",
                ),
                # The same members, packed anew: written in the official python layout, their images and labels give
                # files with the published md5 sums.
                Form(
                    "cifar-10-batches-bin.tar.xz",
                    139373632,
                    "f13c1a20816c3a1d1f4b9237d2fae157bd6e36142da3729b1fc3e60e8e0aa22e",
                    "computed from the file",
                ),
            ),
        ),
    ),
    channels=3,
    side=32,
    classes=10,
    train_images=50000,
    test_images=10000,
    normalisation=Normalisation((0.49139968, 0.48215827, 0.44653124), (0.24703233, 0.24348505, 0.26158768)),
    flip=True,
)


def read(files: dict[str, Path], entry: ImageSet = DATA_SET) -> "Arrays":
    """Images (N, 3, 32, 32) uint8 and labels (N,) int64 of both parts. Raises ValueError if they are not as stated."""
    from workflow_scripts.data.image_readers import read_cifar

    folder = "cifar-10-batches-bin"
    parts = {
        "train": [f"{folder}/data_batch_{number}.bin" for number in range(1, 6)],
        "test": [f"{folder}/test_batch.bin"],
    }
    return read_cifar(files["archive"], parts, 1, entry)
