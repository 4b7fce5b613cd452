"""The handwritten digits that come with scikit-learn: 1797 images of 8x8 pixels, 17 grey levels, ten classes.

The bundle has no split of its own; the first 1000 images are the training set and the last 797 the test set, in the
library's order.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from workflow_scripts.data.data_set import ImageSet, Normalisation

if TYPE_CHECKING:
    from workflow_scripts.data.image_readers import Arrays

TRAIN_IMAGES = 1000

DATA_SET = ImageSet(
    name="digits",
    description="scikit-learn's bundled handwritten digits, 8x8, one channel",
    citation="Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998",
    licence="CC BY 4.0 (UCI); bundled with scikit-learn under BSD-3-Clause",
    channels=1,
    side=8,
    classes=10,
    train_images=TRAIN_IMAGES,
    test_images=797,
    normalisation=Normalisation((0.3070,), (0.3762,)),
    flip=False,
)


def read(files: dict[str, Path]) -> "Arrays":
    """Images (N, 1, 8, 8) uint8 and labels (N,) int64 of both parts; `files` is empty."""
    import numpy as np
    from sklearn.datasets import load_digits

    from workflow_scripts.data.image_readers import checked

    bundle = load_digits()
    images = np.rint(bundle.images * (255 / 16)).astype(np.uint8)[:, None]
    arrays: Arrays = {}
    for part, some in (("train", slice(TRAIN_IMAGES)), ("test", slice(TRAIN_IMAGES, None))):
        arrays |= {f"{part}_images": images[some], f"{part}_labels": bundle.target[some]}
    return checked(arrays, DATA_SET)
