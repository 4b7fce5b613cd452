"""Fetch a data set and bring it into its prepared form: one npz of uint8 images and labels, training and test part."""

import importlib
from pathlib import Path
from typing import Any

from workflow_scripts.data.data_set import data_set_names, module_name
from workflow_scripts.data.fetch import Access, fetch
from workflow_scripts.data.given_files import only_given_files
from workflow_scripts.runtime.progress import Progress
from workflow_scripts.tables.files import write_arrays


def run(
    settings: dict[str, Any], inputs: dict[str, list[Path]], outputs: dict[str, list[Path]], progress: Progress
) -> dict[str, list[Path]]:
    """`settings` holds `module`, the data set's module, and `access` (mirrors, offline); writes the output `data`.

    Returns the source files it read, for the job's record. Raises ValueError where its module reads another file.
    """
    if settings["module"] not in {module_name(name) for name in data_set_names()}:
        raise ValueError(f"{settings['module']} is not the module of a data set")
    module = importlib.import_module(settings["module"])
    files = fetch(module.DATA_SET, Access(**settings["access"]), progress)
    with only_given_files(settings["module"], files.values()):
        arrays = module.read(files)
    write_arrays(outputs["data"][0], arrays)
    counts = f"{len(arrays['train_labels'])} training and {len(arrays['test_labels'])} test images"
    progress.say(counts)
    return {"source": list(files.values())}
