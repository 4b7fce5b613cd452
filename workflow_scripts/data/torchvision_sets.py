"""Data sets that torchvision downloads, checks and reads, in our prepared form."""

from collections.abc import Mapping
from typing import Any

import numpy as np


def arrays(parts: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Images (N, C, S, S) uint8 and labels (N,) int64 of a torchvision data set's parts `train` and `test`."""
    found = {}
    for part, data_set in parts.items():
        images = np.asarray(data_set.data)
        if images.shape[-1] == 3:
            images = images.transpose(0, 3, 1, 2)
        labels = data_set.targets if hasattr(data_set, "targets") else data_set.labels
        found[f"{part}_images"] = np.ascontiguousarray(images, dtype=np.uint8)
        found[f"{part}_labels"] = np.asarray(labels, dtype=np.int64)
    return found
