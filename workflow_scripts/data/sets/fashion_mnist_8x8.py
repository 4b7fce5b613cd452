"""Some images of Fashion-MNIST, averaged over areas to 8x8 pixels; they come with the project.

The first 3500 training images and the first 2000 test images, in the official order, as four gzip files of MNIST's
format in `data/bundled/`. Pixels are the rounded means of areas, as `image_size: 8` makes them of the whole data set.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from workflow_scripts.data.data_set import Form, ImageSet, Normalisation, SourceFile

if TYPE_CHECKING:
    from workflow_scripts.data.image_readers import Arrays


def _file(key: str, name: str, size: int, sha256: str) -> SourceFile:
    return SourceFile(key, (), (Form(name, size, sha256, "computed from the file, which comes with the project"),))


DATA_SET = ImageSet(
    name="fashion_mnist_8x8",
    description="the first 3500 and 2000 images of Fashion-MNIST at 8x8 pixels; they come with the project",
    citation="Xiao, Rasul and Vollgraf, Fashion-MNIST, arXiv 1708.07747, 2017",
    licence="MIT",
    files=(
        _file(
            "train_images",
            "train-images-idx3-ubyte.gz",
            172111,
            "2cc8346dafc09b8b8f4480a7c6930446fb1ce2fb9b0865d63954e0a6623376a1",
        ),
        _file(
            "train_labels",
            "train-labels-idx1-ubyte.gz",
            1798,
            "e9f70a90bb1fd2964192b596963eb773cebe9da2a0786dba7590c5b540029d70",
        ),
        _file(
            "test_images",
            "t10k-images-idx3-ubyte.gz",
            99316,
            "7c9fd598e8770f4df72b546095ecb5c721726637575298cbfc1733ee3dc474a2",
        ),
        _file(
            "test_labels",
            "t10k-labels-idx1-ubyte.gz",
            1033,
            "6a1ad38ad7d33240e59f70a44ddce4e9483e573ffad983d287064bd467dcbd4e",
        ),
    ),
    channels=1,
    side=8,
    classes=10,
    train_images=3500,
    test_images=2000,
    normalisation=Normalisation((0.2860,), (0.3530,)),  # of the whole data set
    flip=True,
)


def read(files: dict[str, Path]) -> "Arrays":
    """Images (N, 1, 8, 8) uint8 and labels (N,) int64 of both parts. Raises ValueError if they are not as stated."""
    from workflow_scripts.data.image_readers import read_mnist

    return read_mnist(files, DATA_SET)
