"""Writing the plain files of a run so that the same content is the same bytes, and naming files by content."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """JSON with sorted keys, two spaces of indentation and a final newline; NaN is refused."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, sort_keys=True, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object."""
    value: dict[str, Any] = json.loads(path.read_text())
    return value


def write_arrays(path: Path, arrays: Mapping[str, "np.ndarray"]) -> None:
    """Named arrays as npz, whose members carry no time."""
    # Not above: numpy fixes its number of threads when it is loaded, and the wrapper, which sets it, needs this module.
    import numpy as np

    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, **{name: arrays[name] for name in sorted(arrays)})


def sha256_of(path: Path) -> str:
    """The sha256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
