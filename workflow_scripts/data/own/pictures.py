"""All pictures of one's own in the form of all image sets, and the facts that are stated of them."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workflow_scripts.data.own.folder import of_folder
from workflow_scripts.data.own.npz import of_npz
from workflow_scripts.data.own.source import Part, Source
from workflow_scripts.data.own.split import ordered, split

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from workflow_scripts.data.image_readers import Arrays

CHUNK = 1000  # images whose pixels are counted at a time


@dataclass(frozen=True)
class Pictures:
    """All pictures of a source in memory: the four arrays of an image set, what is stated of them, and the files."""

    arrays: "Arrays"
    facts: dict[str, Any]
    """what decides them and what jobs need to know, as JSON has it; `sha256` is that of `listing`"""
    listing: str
    """a line for each file, sorted by its name, as sha256sum writes it: sha256, two spaces, name"""


def read_pictures(source: Source) -> Pictures:
    """Read, split and order the pictures of a source.

    Both parts are in an order drawn from the seed and the names alone, so that the first images are of all classes.
    Raises ValueError, in one sentence, for what cannot be used.
    """
    parts, classes, files = of_folder(source) if source.folder is not None else of_npz(source)
    if set(parts) == {"all"}:
        parts, how = split(parts["all"], classes, source)
    elif source.split is not None:
        raise ValueError(f"{source.path}: it has parts for training and for testing already, so it takes no split file")
    else:
        how = "its own parts"
    train, test = (ordered(parts[name], source.seed) for name in ("train", "test"))
    _check_classes(train, test, classes, source.path)
    mean, deviation = _moments(train.images, source.path)
    listing = "".join(f"{sha256}  {name}\n" for name, sha256 in sorted(files.items()))
    facts = {
        "sha256": hashlib.sha256(listing.encode()).hexdigest(),
        "files": len(files),
        "split": how,
        "seed": source.seed,
        "channels": train.images.shape[1],
        "side": train.images.shape[2],
        "classes": classes,
        "train_images": len(train.labels),
        "test_images": len(test.labels),
        "mean": mean,
        "deviation": deviation,
    }
    arrays: Arrays = {}
    for name, part in (("train", train), ("test", test)):
        arrays |= {f"{name}_images": part.images, f"{name}_labels": part.labels}
    return Pictures(arrays, facts, listing)


def _check_classes(train: Part, test: Part, classes: Sequence[str], path: Path) -> None:
    if len(classes) < 2:
        raise ValueError(f"{path}: it has one class only, {classes[0]}; two or more are needed")
    if not len(test.labels):
        raise ValueError(f"{path}: no picture is left for testing")
    counts = Counter(train.labels.tolist())
    for label, name in enumerate(classes):
        if not counts[label]:
            raise ValueError(f"{path}: the class {name} has no training picture")


def _moments(images: "NDArray[np.uint8]", path: Path) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each channel over all pixels divided by 255, to six digits."""
    import numpy as np

    counts = np.zeros((images.shape[1], 256), np.int64)
    for start in range(0, len(images), CHUNK):
        for channel in range(images.shape[1]):
            counts[channel] += np.bincount(images[start : start + CHUNK, channel].ravel(), minlength=256)
    levels = np.arange(256) / 255
    mean = counts @ levels / counts.sum(1)
    deviation = np.sqrt(np.maximum(counts @ levels**2 / counts.sum(1) - mean**2, 0))
    if (deviation < 1e-3).any():
        raise ValueError(f"{path}: all its training pictures have the same pixels, at least in one channel")
    return [round(float(value), 6) for value in mean], [round(float(value), 6) for value in deviation]
