"""Make up a data set for a rehearsal: a few random images and labels of each part, in the prepared form of all sets.

The bytes depend on the data set's name and the number of images only.
"""

import hashlib
import importlib
from pathlib import Path
from typing import Any

import numpy as np

from workflow_scripts.data.data_set import ImageSet, image_set_names, module_name
from workflow_scripts.runtime.progress import Progress
from workflow_scripts.tables.files import write_arrays


def run(
    settings: dict[str, Any], inputs: dict[str, list[Path]], outputs: dict[str, list[Path]], progress: Progress
) -> None:
    """`settings` holds `images`, how many a part has, and `module`, the data set's; writes the output `data`.

    Of a data set of one's own, `own` has its name, channels, side and number of classes instead of a module.
    """
    facts = settings["own"] if "own" in settings else _facts(settings["module"])
    seed = int.from_bytes(hashlib.sha256(facts["name"].encode()).digest()[:8])
    generator, count = np.random.default_rng(seed), settings["images"]
    shape = (count, facts["channels"], facts["side"], facts["side"])
    arrays = {}
    for part in ("train", "test"):
        arrays[f"{part}_images"] = generator.integers(0, 256, shape, dtype=np.uint8)
        arrays[f"{part}_labels"] = generator.integers(0, facts["classes"], count, dtype=np.int64)
    write_arrays(outputs["data"][0], arrays)
    progress.say(f"{count} training and {count} test images, made up")


def _facts(module: str) -> dict[str, Any]:
    if module not in {module_name(name) for name in image_set_names()}:
        raise ValueError(f"{module} is not the module of an image data set")
    entry: ImageSet = importlib.import_module(module).DATA_SET
    return vars(entry)
