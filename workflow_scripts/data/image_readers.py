"""Reading the verified files of image data sets into arrays."""

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workflow_scripts.data.archives import members, unpacked
from workflow_scripts.data.data_set import ImageSet

Arrays = dict[str, np.ndarray]
PARTS = ("train", "test")
IDX_BYTES = 0x08  # the IDX code of unsigned bytes


def checked(arrays: Arrays, entry: ImageSet) -> Arrays:
    """The arrays in their common form: images (N, C, S, S) uint8 and labels (N,) int64.

    Raises ValueError, in one sentence, when their number, shape or labels are not as the entry states.
    """
    shape = (entry.channels, entry.side, entry.side)
    found: Arrays = {}
    for part, count in zip(PARTS, (entry.train_images, entry.test_images), strict=True):
        images, labels = arrays[f"{part}_images"], arrays[f"{part}_labels"].astype(np.int64)
        if images.shape != (count, *shape) or labels.shape != (count,):
            raise ValueError(
                f"{entry.name}: the {part} part has images {images.shape} and labels {labels.shape}, it should have "
                f"{(count, *shape)} and {(count,)}"
            )
        if images.dtype != np.uint8:
            raise ValueError(f"{entry.name}: the pixels of the {part} part are {images.dtype}, they should be uint8")
        if labels.min() < 0 or labels.max() >= entry.classes:
            raise ValueError(f"{entry.name}: a {part} label is not one of the {entry.classes} classes")
        found |= {f"{part}_images": np.ascontiguousarray(images), f"{part}_labels": labels}
    return found


def read_idx(path: Path) -> NDArray[np.uint8]:
    """The array of unsigned bytes in an IDX file, plain or gzip: the format of MNIST (LeCun, Cortes and Burges).

    Two zero bytes, the code of the type, the number of dimensions, each size as a big-endian 32-bit number, the bytes.
    """
    content = unpacked(path)
    if len(content) < 4 or content[:3] != bytes([0, 0, IDX_BYTES]):
        raise ValueError(f"{path}: this is not an IDX file of unsigned bytes")
    dimensions = content[3]
    start = 4 + 4 * dimensions
    if len(content) < start:
        raise ValueError(f"{path}: this IDX file is cut short")
    shape = struct.unpack(f">{dimensions}I", content[4:start])
    values = np.frombuffer(content, np.uint8, offset=start)
    if values.size != np.prod(shape, dtype=np.int64):
        raise ValueError(f"{path}: this IDX file states {shape} and holds {values.size} bytes")
    return values.reshape(shape)


def read_mnist(files: dict[str, Path], entry: ImageSet) -> Arrays:
    """A data set of four IDX files, by the names of its arrays."""
    arrays = {key: read_idx(path) for key, path in files.items()}
    images = {key: array[:, None] for key, array in arrays.items() if key.endswith("images") and array.ndim == 3}
    return checked(arrays | images, entry)


def read_cifar(archive: Path, parts: dict[str, list[str]], label_bytes: int, entry: ImageSet) -> Arrays:
    """CIFAR's binary version: records of `label_bytes` labels, of which the last counts, and the pixels by channel."""
    wanted = {name for names in parts.values() for name in names}
    content = dict(members(archive, wanted.__contains__))
    if absent := sorted(wanted - set(content)):
        raise ValueError(f"{archive}: the member {absent[0]} is missing")
    length = label_bytes + entry.channels * entry.side**2
    found: Arrays = {}
    for part, names in parts.items():
        for name in names:
            if len(content[name]) % length:
                raise ValueError(f"{archive}: the member {name} does not consist of records of {length} bytes")
        records = np.frombuffer(b"".join(content[name] for name in names), np.uint8).reshape(-1, length)
        found[f"{part}_labels"] = records[:, label_bytes - 1]
        found[f"{part}_images"] = records[:, label_bytes:].reshape(-1, entry.channels, entry.side, entry.side)
    return checked(found, entry)
