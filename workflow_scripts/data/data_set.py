"""What the project states about a data set; `data/sets/<name>.py` holds one `DATA_SET` each."""

import importlib
import re
from dataclasses import dataclass
from pathlib import Path

NAME = "[a-z][a-z0-9_]*"
"""A name that becomes part of paths and commands: of a study, a search space, a method, a data set, a figure."""
NAME_IN_WORDS = "lower-case letters, digits and _, with a letter first"
FOLDER = Path(__file__).parent / "sets"


@dataclass(frozen=True)
class Form:
    """One known packing of a source file; `sha256` and `bytes` are None where nobody has published them."""

    name: str
    bytes: int | None
    sha256: str | None
    known_from: str  # who published the checksum, or which file at hand it was computed from


@dataclass(frozen=True)
class SourceFile:
    """A file that a data set is read from, in any of its known forms; `key` is what the reader calls it."""

    key: str
    addresses: tuple[str, ...]  # official; each delivers the first form; none of a file that comes with the project
    forms: tuple[Form, ...]
    folder: str | None = None  # a folder of a local checkout that serves as well


@dataclass(frozen=True)
class DataSet:
    """The facts of any data set; generated ones, and those that a library brings, have no files."""

    name: str
    description: str
    citation: str
    licence: str
    files: tuple[SourceFile, ...] = ()


@dataclass(frozen=True)
class Normalisation:
    """Per channel, of pixels divided by 255: `mean` is subtracted, then the result divided by `std`."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class ImageSet(DataSet):
    """The facts of one image data set. Pixels are uint8, images are square.

    Crop padding and cutout scale with the image: 4 and 16 pixels at 32x32 (RobustDARTS code).
    """

    channels: int
    side: int  # pixels
    classes: int
    train_images: int
    test_images: int
    normalisation: Normalisation
    depth_normalisation: Normalisation | None = None  # of the depth search, where its paper has another
    flip: bool  # whether the training transform mirrors images
    crop: bool = True  # whether it shifts them
    cutout: bool = True  # whether it blanks a square


def data_set_names() -> list[str]:
    """The names of all data sets, sorted; a file whose name does not match `NAME` is not one."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if re.fullmatch(NAME, path.stem))


def image_set_names() -> list[str]:
    """The names of all image data sets, sorted; a file that cannot be loaded is not one."""
    return [name for name in data_set_names() if _is_image_set(name)]


def load_entry(name: str) -> DataSet:
    """The stated facts of data set `name`; importing its module loads no heavy library.

    Raises ValueError, in one sentence, where its file does not state them.
    """
    file = f"{name}.py"
    try:
        module = importlib.import_module(module_name(name))
    except (Exception, SystemExit) as error:  # whatever its code does
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
        reason = error.msg if isinstance(error, SyntaxError) else error
        raise ValueError(f"{file}{line}: it cannot be loaded ({type(error).__name__}: {reason})") from None
    entry = getattr(module, "DATA_SET", None)
    if not isinstance(entry, DataSet):
        raise ValueError(f"{file}: it does not define DATA_SET, which the file of a data set needs")
    if entry.name != name:
        raise ValueError(f"{file}: its DATA_SET has the name {entry.name}; it should have the name of the file, {name}")
    if isinstance(entry, ImageSet) and not callable(getattr(module, "read", None)):
        raise ValueError(f"{file}: it does not define the function read, which an image data set needs")
    return entry


def _is_image_set(name: str) -> bool:
    try:
        return isinstance(load_entry(name), ImageSet)
    except ValueError:
        return False


def load_image_set(name: str) -> ImageSet:
    """The stated facts of image data set `name`."""
    entry = load_entry(name)
    assert isinstance(entry, ImageSet), f"{name} is not an image data set"
    return entry


def module_name(name: str) -> str:
    """The module that states and reads data set `name`."""
    return f"workflow_scripts.data.sets.{name}"
