"""Run one cell search and write it in the form of `tables/search_run.py`."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from workflow_scripts.cells.search import run_search
from workflow_scripts.cells.search_result import SearchResult
from workflow_scripts.cells.supernet import Alphas
from workflow_scripts.data.image_batches import load_part
from workflow_scripts.runtime.checkpoint import NO_CHECKPOINT, Checkpoint
from workflow_scripts.runtime.device import compute_device
from workflow_scripts.runtime.progress import Progress
from workflow_scripts.study.cell_job_settings import SearchJob
from workflow_scripts.tables.files import write_arrays
from workflow_scripts.tables.search_run import DISCARDED, HISTORY, WEIGHTS, SearchRun, write_search_run

USES_GPU = True
KEEPS_CHECKPOINT = True


def run(
    settings: dict[str, Any],
    inputs: dict[str, list[Path]],
    outputs: dict[str, list[Path]],
    progress: Progress,
    checkpoint: Checkpoint = NO_CHECKPOINT,
) -> None:
    """`settings` is a SearchJob; reads the input `data`, writes the outputs settings, history, curvature, outcome,
    alphas: arrays `normal` and `reduce` (epochs, edges, operations) after each epoch, and where the job keeps weights
    those of the supernet at the end; and discarded: the epochs that DARTS-ADA went back on."""
    job = SearchJob.model_validate(settings)
    device = compute_device()
    train = load_part(inputs["data"][0], "train", job.images, device)
    result = run_search(job, train, progress, device, checkpoint)
    files = ("settings.json", "history.csv", "curvature.npz", "outcome.json")
    write_search_run(
        {file: outputs[file.split(".")[0]][0] for file in files},
        SearchRun(
            settings=settings,
            history=HISTORY.frame([asdict(record) for record in result.epochs]),
            curvature_epochs=[record.epoch for record in result.curvature],
            eigenvalues=[record.dominant_eigenvalue for record in result.curvature],
            hessians=_hessians(result),
            outcome=_outcome(result),
        ),
    )
    DISCARDED.write(DISCARDED.frame([asdict(record) for record in result.discarded]), outputs["discarded"][0])
    kinds = Alphas._fields
    arrays = {kind: np.array([getattr(alphas, kind).numpy() for alphas in result.alphas]) for kind in kinds}
    arrays |= {f"{WEIGHTS}{name}": np.ascontiguousarray(value.numpy()) for name, value in result.weights.items()}
    write_arrays(outputs["alphas"][0], arrays)


def _hessians(result: SearchResult) -> np.ndarray | None:
    kept = [record.hessian.numpy() for record in result.curvature if record.hessian is not None]
    return np.stack(kept) if kept else None


def _outcome(result: SearchResult) -> dict[str, Any]:
    outcome: dict[str, Any] = {
        "outcome": "finished",
        "epochs": len(result.epochs),
        "final_l2": result.final_l2,
        "rollbacks": [asdict(rollback) for rollback in result.rollbacks],
        "discretised_valid_error_percent": result.discretised_valid_error_percent,
    }
    if result.stopped_at is not None:
        outcome |= {"outcome": "stopped", "epoch": result.stopped_at}
    if result.diverged_at is not None:
        outcome |= {"outcome": "diverged", "epoch": result.diverged_at[0], "step": result.diverged_at[1]}
    return outcome
