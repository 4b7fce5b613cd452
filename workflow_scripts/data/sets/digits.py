"""The handwritten digits that come with scikit-learn: 1797 images of 8x8 pixels, 17 grey levels, ten classes.

The bundle has no split of its own; the first 1000 images are the training set and the last 797 the test set, in the
library's order.
"""

import numpy as np

from workflow_scripts.data.entry import DataSet

TRAIN_IMAGES = 1000

DATA_SET = DataSet(
    name="digits",
    description="scikit-learn's bundled handwritten digits, 8x8, one channel",
    citation="Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998",
    licence="CC BY 4.0 (UCI); bundled with scikit-learn under BSD-3-Clause",
    channels=1,
    side=8,
    classes=10,
    train_images=TRAIN_IMAGES,
    test_images=797,
    mean=(0.3070,),
    deviation=(0.3762,),
    flip=False,
)


def read() -> dict[str, np.ndarray]:
    """Images (N, 1, 8, 8) uint8 and labels (N,) int64 of both parts."""
    from sklearn.datasets import load_digits

    bundle = load_digits()
    images = np.rint(bundle.images * (255 / 16)).astype(np.uint8)[:, None]
    labels = bundle.target.astype(np.int64)
    return {
        "train_images": images[:TRAIN_IMAGES],
        "train_labels": labels[:TRAIN_IMAGES],
        "test_images": images[TRAIN_IMAGES:],
        "test_labels": labels[TRAIN_IMAGES:],
    }
