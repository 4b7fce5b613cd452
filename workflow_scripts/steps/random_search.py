"""Run one random search with weight sharing and write it in the form of `tables/search_run.py`."""

from pathlib import Path
from typing import Any

from workflow_scripts.cells.random_search_with_weight_sharing import RandomSearchResult, run_random_search
from workflow_scripts.data.image_batches import load_part
from workflow_scripts.runtime.checkpoint import NO_CHECKPOINT, Checkpoint
from workflow_scripts.runtime.device import compute_device
from workflow_scripts.runtime.progress import Progress
from workflow_scripts.study.cell_job_settings import SearchJob
from workflow_scripts.tables.search_run import HISTORY, SAMPLES, SearchRun, write_search_run

USES_GPU = True
KEEPS_CHECKPOINT = True


def run(
    settings: dict[str, Any],
    inputs: dict[str, list[Path]],
    outputs: dict[str, list[Path]],
    progress: Progress,
    checkpoint: Checkpoint = NO_CHECKPOINT,
) -> None:
    """`settings` is a SearchJob with `random_ws`; reads the input `data`.

    Writes the outputs settings, history, curvature (of nothing), outcome, and samples: every architecture scored.
    """
    job = SearchJob.model_validate(settings)
    device = compute_device()
    train = load_part(inputs["data"][0], "train", job.images, device)
    result = run_random_search(job, train, progress, device, checkpoint)
    files = ("settings.json", "history.csv", "curvature.npz", "outcome.json")
    write_search_run(
        {file: outputs[file.split(".")[0]][0] for file in files},
        SearchRun(
            settings=settings,
            history=HISTORY.frame(_history(job, result)),
            curvature_epochs=[],
            eigenvalues=[],
            hessians=None,
            outcome=_outcome(job, result),
        ),
    )
    final = {finalist.sample: finalist.error_percent for finalist in result.finalists}
    rows: list[dict[str, object]] = [
        {
            "sample": number,
            "valid_error_percent": sample.error_percent,
            "all_valid_error_percent": final.get(number),
            "genotype": sample.genotype,
        }
        for number, sample in enumerate(result.samples)
    ]
    SAMPLES.write(SAMPLES.frame(rows), outputs["samples"][0])


def _history(job: SearchJob, result: RandomSearchResult) -> list[dict[str, object]]:
    """A row per epoch; validation and genotype are those of the best sample, after the last one."""
    rows: list[dict[str, object]] = [
        {
            "epoch": record.epoch,
            "learning_rate": record.learning_rate,
            "l2": job.l2,
            "train_loss": record.train_loss,
            "train_error_percent": record.train_error_percent,
            "valid_loss": None,
            "valid_error_percent": None,
            "genotype": None,
        }
        for record in result.epochs
    ]
    if result.finalists:
        best = result.finalists[0]
        rows[-1] |= {
            "valid_loss": best.loss,
            "valid_error_percent": best.error_percent,
            "genotype": result.samples[best.sample].genotype,
        }
    return rows


def _outcome(job: SearchJob, result: RandomSearchResult) -> dict[str, Any]:
    outcome: dict[str, Any] = {"epochs": len(result.epochs), "final_l2": job.l2}
    if result.diverged_at is not None:
        epoch, step = result.diverged_at
        return {"outcome": "diverged", "epoch": epoch, "step": step, **outcome}
    error = result.finalists[0].error_percent
    return {"outcome": "finished", "samples": len(result.samples), "valid_error_percent": error, **outcome}
