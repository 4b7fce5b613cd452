"""What the project states about a data set; `data/sets/<name>.py` holds one `DATA_SET` each."""

import importlib
from dataclasses import dataclass
from pathlib import Path

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
    addresses: tuple[str, ...]  # official; each delivers the first form
    forms: tuple[Form, ...]
    folder: str | None = None  # a folder of a local checkout that serves as well


@dataclass(frozen=True)
class DataSet:
    """The facts of any data set; one that is generated or bundled has no files."""

    name: str
    description: str
    citation: str
    licence: str
    files: tuple[SourceFile, ...] = ()


@dataclass(frozen=True)
class Normalisation:
    """Per channel, of pixels divided by 255: `mean` is subtracted, then the result divided by `deviation`."""

    mean: tuple[float, ...]
    deviation: tuple[float, ...]


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
    """The names of all data sets, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")


def image_set_names() -> list[str]:
    """The names of all image data sets, sorted."""
    return [name for name in data_set_names() if isinstance(load_entry(name), ImageSet)]


def load_entry(name: str) -> DataSet:
    """The stated facts of data set `name`; importing its module loads no heavy library."""
    entry: DataSet = importlib.import_module(module_name(name)).DATA_SET
    return entry


def load_image_set(name: str) -> ImageSet:
    """The stated facts of image data set `name`."""
    entry = load_entry(name)
    assert isinstance(entry, ImageSet), f"{name} holds no images"
    return entry


def module_name(name: str) -> str:
    """The module that states and reads data set `name`."""
    return f"workflow_scripts.data.sets.{name}"
