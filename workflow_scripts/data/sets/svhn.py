"""SVHN: 32x32 colour images of house numbers.

The published code mirrors these images too, although a mirrored digit is not always a digit; kept as published.
Normalisation: RobustDARTS code; the depth search has its own.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from workflow_scripts.data.data_set import Form, ImageSet, Normalisation, SourceFile

if TYPE_CHECKING:
    from workflow_scripts.data.image_readers import Arrays

_ADDRESS = "http://ufldl.stanford.edu/housenumbers"
_KNOWN_FROM = "torchvision, prototype/datasets/_builtin/svhn.py"


def _file(part: str, size: int, sha256: str) -> SourceFile:
    name = f"{part}_32x32.mat"
    return SourceFile(part, (f"{_ADDRESS}/{name}",), (Form(name, size, sha256, _KNOWN_FROM),))


DATA_SET = ImageSet(
    name="svhn",
    description="SVHN: 32x32 colour images of house numbers",
    citation="Netzer et al., Reading Digits in Natural Images with Unsupervised Feature Learning, 2011",
    licence="non-commercial use, as its authors state",
    files=(
        _file("train", 182040794, "435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8"),
        _file("test", 64275384, "cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b"),
    ),
    channels=3,
    side=32,
    classes=10,
    train_images=73257,
    test_images=26032,
    normalisation=Normalisation((0.4377, 0.4438, 0.4728), (0.198, 0.201, 0.197)),
    depth_normalisation=Normalisation((0.431, 0.430, 0.446), (0.197, 0.198, 0.199)),
    flip=True,
)


def read(files: dict[str, Path], entry: ImageSet = DATA_SET) -> "Arrays":
    """Images (N, 3, 32, 32) uint8 and labels (N,) int64 of both parts. Raises ValueError if they are not as stated.

    The files hold X (32, 32, 3, N) and y (N, 1), where label 10 is the digit 0.
    """
    import numpy as np
    from scipy.io import loadmat

    from workflow_scripts.data.image_readers import checked

    arrays = {}
    for part, path in files.items():
        try:
            content = loadmat(path, variable_names=["X", "y"])
            images, labels = content["X"].transpose(3, 2, 0, 1), content["y"].reshape(-1)
        except Exception as error:  # scipy raises many kinds for a damaged file, an IndexError among them
            raise ValueError(f"{path}: this is not a MATLAB file with the arrays X and y ({error})") from None
        arrays[f"{part}_images"] = images
        arrays[f"{part}_labels"] = np.where(labels == 10, 0, labels)
    return checked(arrays, entry)
