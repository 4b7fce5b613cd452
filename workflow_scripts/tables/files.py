"""Writing the plain files of a run so that the same content is the same bytes, and naming files by content."""

import hashlib
import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """JSON with sorted keys, two spaces of indentation and a final newline; NaN is refused."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, sort_keys=True, indent=2, allow_nan=False) + "\n")


def damaged(path: Path, kind: str, reason: object) -> ValueError:
    """The error for a result's file that cannot be read: which, why, and what to do."""
    one_line = " ".join(str(reason).split())
    return ValueError(f"{path}: this is not a readable {kind} ({one_line}); delete it and run the study again")


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object. Raises ValueError, in one sentence, where the file holds none."""
    try:
        value = json.loads(path.read_bytes())
    except ValueError as error:
        raise damaged(path, "JSON file", error) from None
    if not isinstance(value, dict):
        raise damaged(path, "JSON file", "it does not hold an object")
    return value


def write_arrays(path: Path, arrays: Mapping[str, "np.ndarray"]) -> None:
    """Named arrays as npz, whose members carry no time."""
    # Not above: numpy fixes its number of threads when it is loaded, and the wrapper, which sets it, needs this module.
    import numpy as np

    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, **{name: arrays[name] for name in sorted(arrays)})


def read_arrays(path: Path, *names: str) -> dict[str, "np.ndarray"]:
    """The arrays of these names in an npz file, all where none is named.

    Raises ValueError, in one sentence, where they cannot be read.
    """
    import numpy as np

    try:
        with np.load(path) as arrays:
            return {name: arrays[name] for name in names or arrays.files}
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error, AttributeError, KeyError, TypeError) as error:
        raise damaged(path, "file of arrays", error) from None


def sha256_of(path: Path) -> str:
    """The sha256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
