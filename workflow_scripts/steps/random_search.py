"""Run one random search with weight sharing and write it in the form of `tables/search_run.py`."""

from pathlib import Path
from typing import Any

from workflow_scripts.cells.random_search import RandomSearchResult, run_random_search
from workflow_scripts.data.images import load_part
from workflow_scripts.runtime.device import compute_device
from workflow_scripts.runtime.progress import Progress
from workflow_scripts.study.cell_jobs import SearchJob
from workflow_scripts.tables.search_run import HISTORY, SAMPLES, SearchRun, write_search_run


def run(
    settings: dict[str, Any], inputs: dict[str, list[Path]], outputs: dict[str, list[Path]], progress: Progress
) -> None:
    """`settings` is a SearchJob with `random_ws`; reads the input `data`.

    Writes the outputs settings, history, curvature (of nothing), outcome, and samples: every architecture scored.
    """
    job = SearchJob.model_validate(settings)
    device = compute_device()
    train = load_part(inputs["data"][0], "train", job.images, device)
    result = run_random_search(job, train, progress, device)
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
    rows: list[dict[str, object]] = [
        {
            "sample": number,
            "valid_error_percent": sample.error_percent,
            "all_valid_error_percent": sample.all_error_percent,
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
    if result.best is not None:
        rows[-1] |= {
            "valid_loss": result.best_loss,
            "valid_error_percent": result.best.all_error_percent,
            "genotype": result.best.genotype,
        }
    return rows


def _outcome(job: SearchJob, result: RandomSearchResult) -> dict[str, Any]:
    outcome: dict[str, Any] = {"outcome": "finished", "epochs": len(result.epochs), "final_l2": job.l2}
    if result.diverged_at is not None:
        outcome |= {"outcome": "diverged", "epoch": result.diverged_at[0], "step": result.diverged_at[1]}
    return outcome
