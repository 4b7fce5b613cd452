"""What the project states about a data set; `data/sets/<name>.py` holds one `DATA_SET` each."""

import importlib
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "sets"


@dataclass(frozen=True)
class DataSet:
    """The facts of one image data set. Pixels are uint8; `mean` and `deviation` are of pixels divided by 255."""

    name: str
    description: str
    citation: str
    licence: str
    channels: int
    side: int  # pixels
    classes: int
    train_images: int
    test_images: int
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    flip: bool  # whether the training transform mirrors images


def data_set_names() -> list[str]:
    """The names of all image data sets, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")


def load_entry(name: str) -> DataSet:
    """The stated facts of data set `name`; importing its module loads no heavy library."""
    entry: DataSet = importlib.import_module(module_name(name)).DATA_SET
    return entry


def module_name(name: str) -> str:
    """The module that states and reads data set `name`."""
    return f"workflow_scripts.data.sets.{name}"
