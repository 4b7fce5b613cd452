"""Compute one architecture with the supernet of one search, as a method says that states `WEIGHTS = True`.

A search that diverged or stopped has no such supernet, and so no architecture; the file states this.
"""

from pathlib import Path
from typing import Any

from workflow_scripts.cells.epoch_choice import Choice, last_epoch
from workflow_scripts.cells.found_architecture import found_architecture, method_module
from workflow_scripts.cells.trained_supernet import TrainedSupernet, load_supernet
from workflow_scripts.data.image_batches import load_part
from workflow_scripts.runtime.checkpoint import NO_CHECKPOINT, Checkpoint
from workflow_scripts.runtime.device import compute_device
from workflow_scripts.runtime.progress import Progress
from workflow_scripts.study.cell_job_settings import SupernetJob
from workflow_scripts.tables.architectures import write_architectures
from workflow_scripts.tables.search_run import read_search_run

USES_GPU = True
KEEPS_CHECKPOINT = True


def run(
    settings: dict[str, Any],
    inputs: dict[str, list[Path]],
    outputs: dict[str, list[Path]],
    progress: Progress,
    checkpoint: Checkpoint = NO_CHECKPOINT,
) -> None:
    """`settings` is a SupernetJob; reads the inputs `data` and the files of a search, `alphas` with its weights.

    Writes the output `architecture`.
    """
    job = SupernetJob.model_validate(settings)
    (history,), (alphas,) = inputs["history"], inputs["alphas"]
    module = method_module(job.method)
    search = read_search_run(history.parent, with_alphas=True)
    choice = Choice(last_epoch(search), "not reached")
    if search.outcome["outcome"] == "finished":
        device = compute_device()
        train = load_part(inputs["data"][0], "train", job.search.images, device)
        supernet = TrainedSupernet(job, *load_supernet(job, alphas, device), train, device, progress, checkpoint)
        choice = module.choose(search, supernet)
    entry = found_architecture(search, history, job.run, job.method, choice)
    write_architectures(outputs["architecture"][0], [entry])
