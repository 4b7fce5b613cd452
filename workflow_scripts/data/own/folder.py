"""Pictures in a folder of class folders, read through torchvision's ImageFolder and decoded by Pillow."""

import hashlib
import io
from pathlib import Path
from typing import TYPE_CHECKING

from workflow_scripts.data.own.fitting import fitted
from workflow_scripts.data.own.source import Part, Source, require_memory

if TYPE_CHECKING:
    from PIL import Image

TRAIN, TESTS = "train", ("test", "val")
"""The folders of a folder that has parts; of the two for testing the first that is there is read."""
DEEP = ("I;16", "I;16L", "I;16B", "I;16N")
"""Pillow's modes of grey pictures of 16 bits, which it would clip and not scale."""


def of_folder(source: Source) -> tuple[dict[str, Part], list[str], dict[str, str]]:
    """The parts of a folder, its classes, and the sha256 of each picture by its path in the folder."""
    folder, files = source.path, dict[str, str]()
    if not folder.is_dir():
        raise ValueError(f"{folder}: there is no such folder")
    inside = {path.name for path in folder.iterdir() if path.is_dir()}
    if not inside:
        raise ValueError(f"{folder}: it holds no folder; each class needs one with its pictures")
    tests = [name for name in TESTS if name in inside]
    if (TRAIN in inside and not tests) or (tests and TRAIN not in inside):
        missing = "neither test nor val" if TRAIN in inside else "no folder train"
        raise ValueError(f"{folder}: it has the folder {TRAIN if TRAIN in inside else tests[0]} and {missing}")
    places = {"train": folder / TRAIN, "test": folder / tests[0]} if tests else {"all": folder}
    found = {name: _image_folder(place) for name, place in places.items()}
    classes = next(iter(found.values()))[1]
    for place, (_, others) in zip(places.values(), found.values(), strict=True):
        if others != classes:
            odd = sorted(set(classes) ^ set(others))[0]
            raise ValueError(f"{folder}: the class {odd} is in only one of {TRAIN} and {place.name}")
    count = sum(len(samples) for samples, _ in found.values())
    assert source.side is not None
    require_memory(count * source.side**2 * (1 if source.grey else 3), count, folder)
    return {name: _decoded(samples, source, files) for name, (samples, _) in found.items()}, classes, files


def _image_folder(place: Path) -> tuple[list[tuple[str, int]], list[str]]:
    """Paths with classes, and the names of classes, as torchvision finds them."""
    from torchvision.datasets import ImageFolder

    try:
        found = ImageFolder(place)
    except FileNotFoundError as error:  # it says which class folders have no picture, or that there is none
        reason = str(error).replace(f"{place}.", "it")
        raise ValueError(f"{place}: {reason.partition(' Supported')[0]} Remove such a folder, or fill it") from None
    return sorted(found.samples), found.classes


def _decoded(samples: list[tuple[str, int]], source: Source, files: dict[str, str]) -> Part:
    """The pictures of a part; their digests are added to `files`."""
    import numpy as np

    assert source.side is not None
    channels = 1 if source.grey else 3
    images = np.empty((len(samples), channels, source.side, source.side), np.uint8)
    names = []
    for at, (path, _) in enumerate(samples):
        name = Path(path).relative_to(source.path).as_posix()
        if not name.isprintable() or "\\" in name:
            raise ValueError(f"{name!r} in {source.path}: a name of a picture may not have such a character; rename it")
        content = Path(path).read_bytes()
        files[name] = hashlib.sha256(content).hexdigest()
        images[at] = fitted(_picture(content, Path(path)), source.side, channels)
        names.append(name)
    return Part(images, np.array([label for _, label in samples], np.int64), names)


def _picture(content: bytes, path: Path) -> "Image.Image":
    """A picture upright, grey of 8 bits or RGB. Raises ValueError, which names the file, for one that is broken."""
    import numpy as np
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(content)) as opened:
            picture = ImageOps.exif_transpose(opened)
            if picture.mode in DEEP:
                return Image.fromarray((np.asarray(picture).astype(np.uint16) >> 8).astype(np.uint8))
            if picture.mode in ("I", "F"):
                raise ValueError("its pixels have 32 bits; save it with 8")
            return picture.convert("RGB")
    except UnidentifiedImageError:
        raise ValueError(f"{path}: this is no picture of a kind that Pillow reads") from None
    except Exception as error:  # Pillow raises many kinds for a broken picture, a SyntaxError among them
        reason = " ".join(str(error).split())
        raise ValueError(f"{path}: this picture cannot be read ({reason})") from None
