"""CIFAR-100: 32x32 colour images of a hundred kinds of objects, in the binary version, which needs no pickle.

Normalisation: RobustDARTS code. The fine labels are used.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from workflow_scripts.data.data_set import Form, ImageSet, Normalisation, SourceFile

if TYPE_CHECKING:
    from workflow_scripts.data.image_readers import Arrays

DATA_SET = ImageSet(
    name="cifar100",
    description="CIFAR-100: 32x32 colour images of a hundred kinds of objects",
    citation="Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009",
    licence="not stated by its authors; research use",
    files=(
        SourceFile(
            "archive",
            ("https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",),
            (
                Form(
                    "cifar-100-binary.tar.gz",
                    168513733,
                    "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
                    "TensorFlow Datasets, url_checksums/cifar100.txt",
                ),
            ),
        ),
    ),
    channels=3,
    side=32,
    classes=100,
    train_images=50000,
    test_images=10000,
    normalisation=Normalisation((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
    flip=True,
)


def read(files: dict[str, Path], entry: ImageSet = DATA_SET) -> "Arrays":
    """Images (N, 3, 32, 32) uint8 and labels (N,) int64 of both parts. Raises ValueError if they are not as stated."""
    from workflow_scripts.data.image_readers import read_cifar

    parts = {part: [f"cifar-100-binary/{part}.bin"] for part in ("train", "test")}
    return read_cifar(files["archive"], parts, 2, entry)  # a record has a coarse label, then the fine one
