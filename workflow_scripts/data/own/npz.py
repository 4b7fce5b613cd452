"""Images and labels in an npz file."""

import hashlib
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from workflow_scripts.data.own.fitting import fitted
from workflow_scripts.data.own.source import LEAST_SIDE, SIDE_STEP, Part, Source, require_memory

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from workflow_scripts.data.image_readers import Arrays


def of_npz(source: Source) -> tuple[dict[str, Part], list[str], dict[str, str]]:
    """The parts of an npz file, its classes, which are numbers, and its sha256 by its name."""
    path, parts = source.path, dict[str, Part]()
    arrays = _arrays(path)
    prefixes = {"train": "train_", "test": "test_"} if "train_images" in arrays else {"all": ""}
    for part, prefix in prefixes.items():
        for name in (f"{prefix}images", f"{prefix}labels"):
            if name not in arrays:
                held = ", ".join(sorted(arrays)) or "none"
                wanted = "images and labels, or train_images, train_labels, test_images and test_labels"
                raise ValueError(f"{path}: it has no array {name}; it needs {wanted}, and has {held}")
        images = _channels_first(arrays[f"{prefix}images"], f"{path}: {prefix}images")
        labels = _whole_labels(arrays[f"{prefix}labels"], len(images), f"{path}: {prefix}labels")
        parts[part] = Part(_resized(images, source), labels, [f"{prefix}{at}" for at in range(len(images))])
    most = max(int(part.labels.max()) for part in parts.values())
    if most >= sum(len(part.labels) for part in parts.values()):
        raise ValueError(f"{path}: it has the label {most}; labels must be 0, 1, 2, ... without a gap")
    classes = [str(label) for label in range(most + 1)]
    with path.open("rb") as file:
        return parts, classes, {path.name: hashlib.file_digest(file, "sha256").hexdigest()}


def _arrays(path: Path) -> "Arrays":
    """The arrays of images and labels in an npz file."""
    import numpy as np

    if not path.is_file():
        raise ValueError(f"{path}: there is no such file")
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
        require_memory(size, None, path)
        with np.load(path, allow_pickle=False) as arrays:
            named = [name for name in arrays.files if name.endswith(("images", "labels"))]
            return {name: arrays[name] for name in named}
    except (zipfile.BadZipFile, EOFError, OSError, NotImplementedError) as error:
        raise ValueError(f"{path}: this is no readable npz file ({error})") from None
    except ValueError as error:
        if str(error).startswith(str(path)):
            raise
        raise ValueError(f"{path}: one of its arrays cannot be read ({error})") from None


def _channels_first(images: "np.ndarray", what: str) -> "NDArray[np.uint8]":
    """Images as (N, C, H, W), from (N, H, W), (N, C, H, W) or (N, H, W, C)."""
    import numpy as np

    if images.dtype != np.uint8:
        raise ValueError(f"{what} is {images.dtype}; pixels must be uint8, from 0 to 255")
    if images.ndim == 3:
        images = images[:, None]
    elif images.ndim == 4 and images.shape[1] not in (1, 3) and images.shape[3] in (1, 3):
        images = images.transpose(0, 3, 1, 2)
    if images.ndim != 4 or images.shape[1] not in (1, 3) or 0 in images.shape:
        shapes = "(N, H, W), (N, C, H, W) or (N, H, W, C) with 1 or 3 channels"
        raise ValueError(f"{what} has the shape {images.shape}; it must be {shapes}")
    return images


def _whole_labels(labels: "np.ndarray", count: int, what: str) -> "NDArray[np.int64]":
    import numpy as np

    if not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"{what} is {labels.dtype}; labels must be whole numbers from 0")
    if labels.shape not in ((count,), (count, 1)):
        raise ValueError(f"{what} has the shape {labels.shape}; it must be ({count},), a label for each image")
    if labels.min() < 0:
        raise ValueError(f"{what} has the label {labels.min()}; labels must be 0, 1, 2, ... without a gap")
    return labels.reshape(-1).astype(np.int64)


def _resized(images: "NDArray[np.uint8]", source: Source) -> "NDArray[np.uint8]":
    """Images of the side and the channels that are wanted; without a wanted side they must be square."""
    import numpy as np
    from PIL import Image

    channels = 1 if source.grey else images.shape[1]
    if source.side is None and (images.shape[2] != images.shape[3] or _is_unusable(images.shape[2])):
        reason = f"a square with a side of {LEAST_SIDE} or more, a multiple of {SIDE_STEP}"
        raise ValueError(f"{source.path}: its images are {images.shape[2]}x{images.shape[3]}, not {reason}; set side")
    side = source.side or images.shape[2]
    if images.shape[1:] == (channels, side, side):
        return np.ascontiguousarray(images)
    pictures = (Image.fromarray(image[0] if len(image) == 1 else image.transpose(1, 2, 0)) for image in images)
    return np.stack([fitted(picture, side, channels) for picture in pictures])


def _is_unusable(side: int) -> bool:
    """Whether no network takes images of this side, pixels."""
    return side < LEAST_SIDE or side % SIDE_STEP != 0
