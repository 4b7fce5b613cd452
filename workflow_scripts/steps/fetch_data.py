"""Bring a data set into its prepared form: one npz of uint8 images and labels, training and test part."""

import importlib
from pathlib import Path
from typing import Any

from workflow_scripts.runtime.progress import Progress
from workflow_scripts.tables.files import write_arrays


def run(
    settings: dict[str, Any], inputs: dict[str, list[Path]], outputs: dict[str, list[Path]], progress: Progress
) -> None:
    """`settings` holds `module`, the data set's module; writes the output `data`."""
    arrays = importlib.import_module(settings["module"]).read()
    write_arrays(outputs["data"][0], arrays)
    counts = f"{len(arrays['train_labels'])} training and {len(arrays['test_labels'])} test images"
    progress.say(counts)
