"""Fashion-MNIST: 28x28 images of ten kinds of clothes.

Normalisation: code of the depth search. Clothes may be mirrored.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from workflow_scripts.data.data_set import Form, ImageSet, Normalisation, SourceFile

if TYPE_CHECKING:
    from workflow_scripts.data.image_readers import Arrays

_ADDRESS = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"
_DEBIAN = "computed from Debian's package dataset-fashion-mnist 0.0~git20200523.55506a9-1"


def _file(
    key: str, name: str, official: tuple[int, str], debian: tuple[int, str], plain: tuple[int, str]
) -> SourceFile:
    """The authors' gzip file, the same packed anew by Debian, or unpacked; each with its size and sha256."""
    return SourceFile(
        key,
        (f"{_ADDRESS}/{name}.gz",),
        (
            Form(f"{name}.gz", *official, "TensorFlow Datasets, url_checksums/fashion_mnist.txt"),
            Form(f"{name}.gz", *debian, _DEBIAN),
            Form(name, *plain, _DEBIAN),
        ),
    )


DATA_SET = ImageSet(
    name="fashion_mnist",
    description="Fashion-MNIST: 28x28 images of ten kinds of clothes",
    citation="Xiao, Rasul and Vollgraf, Fashion-MNIST, arXiv 1708.07747, 2017",
    licence="MIT",
    files=(
        _file(
            "train_images",
            "train-images-idx3-ubyte",
            (26421880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
            (26421856, "b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7"),
            (47040016, "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"),
        ),
        _file(
            "train_labels",
            "train-labels-idx1-ubyte",
            (29515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
            (29491, "0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056"),
            (60008, "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"),
        ),
        _file(
            "test_images",
            "t10k-images-idx3-ubyte",
            (4422102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
            (4422079, "cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa"),
            (7840016, "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"),
        ),
        _file(
            "test_labels",
            "t10k-labels-idx1-ubyte",
            (5148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
            (5125, "8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05"),
            (10008, "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"),
        ),
    ),
    channels=1,
    side=28,
    classes=10,
    train_images=60000,
    test_images=10000,
    normalisation=Normalisation((0.2860,), (0.3530,)),
    flip=True,
)


def read(files: dict[str, Path], entry: ImageSet = DATA_SET) -> "Arrays":
    """Images (N, 1, 28, 28) uint8 and labels (N,) int64 of both parts. Raises ValueError if they are not as stated."""
    from workflow_scripts.data.image_readers import read_mnist

    return read_mnist(files, entry)
