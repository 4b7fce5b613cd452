"""The one on-disk form of a search, whoever made it.

settings.json   what decided it, as the job was given it
history.csv     per epoch: losses, errors, genotype
curvature.npz   per measured epoch: epoch (m,), dominant_eigenvalue (m,), and hessian (m, n, n) where it was kept
outcome.json    finished, stopped, or diverged with epoch and step; `final_l2`, `rollbacks` (DARTS-ADA) and
                `discretised_valid_error_percent` where they are known

Our own searches also keep alphas.npz: per epoch the alphas, `normal` and `reduce` (epochs, edges, operations); where a
method of the study computes with the supernet also its state at the end, each tensor under its name behind `weights/`.
And discarded.csv, the epochs that DARTS-ADA went back on, which no later step reads; RS-ws keeps samples.csv.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workflow_scripts.tables.files import read_arrays, read_json, write_arrays, write_json
from workflow_scripts.tables.schema import Column, Table

if TYPE_CHECKING:  # the plan of a study, which Snakemake and `status` load, needs the names of the files alone
    import numpy as np
    import pandas as pd

HISTORY = Table(
    "history",
    (
        Column("epoch", "integer", "epoch, from 0"),
        Column("learning_rate", "number", "of the weights"),
        Column("l2", "number", "L2 factor of the weights; DARTS-ADA raises it"),
        Column("train_loss", "number", "mean over the epoch's weight batches"),
        Column("train_error_percent", "number", "over the epoch's weight batches"),
        Column("valid_loss", "number", "supernet on the validation images, evaluation mode"),
        Column("valid_error_percent", "number", "supernet on the validation images, evaluation mode"),
        Column("genotype", "text", "published text form; RS-ws has one after its last epoch only"),
    ),
)
DISCARDED = Table(
    "discarded",
    (
        Column("rollback", "integer", "number of the rollback that discarded the epoch, from 0"),
        *HISTORY.columns,
    ),
)
SAMPLES = Table(
    "samples",
    (
        Column("sample", "integer", "from 0, in the order drawn"),
        Column("valid_error_percent", "number", "on the validation batches all samples are scored on"),
        Column("all_valid_error_percent", "number", "on all validation images; of the finalists only"),
        Column("genotype", "text", "published text form"),
    ),
)
FILES = ("settings.json", "history.csv", "curvature.npz", "outcome.json")
ALPHAS = ("normal", "reduce")
WEIGHTS = "weights/"
"""Before the name of each tensor of a supernet in alphas.npz."""


@dataclass(frozen=True)
class SearchRun:
    """A search read back. `hessians` is (m, n, n) or absent; `alphas` are read where they are asked for."""

    settings: dict[str, Any]
    history: "pd.DataFrame"
    curvature_epochs: list[int]
    eigenvalues: list[float]
    hessians: "np.ndarray | None"
    outcome: dict[str, Any]
    alphas: "dict[str, np.ndarray] | None" = None


def write_search_run(files: dict[str, Path], run: SearchRun) -> None:
    """Write the four files; `files` maps their names to paths."""
    import numpy as np

    write_json(files["settings.json"], run.settings)
    HISTORY.write(run.history, files["history.csv"])
    arrays = {
        "epoch": np.array(run.curvature_epochs, dtype=np.int64),
        "dominant_eigenvalue": np.array(run.eigenvalues, dtype=np.float64),
    }
    if run.hessians is not None:
        arrays["hessian"] = run.hessians
    write_arrays(files["curvature.npz"], arrays)
    write_json(files["outcome.json"], run.outcome)


def read_search_run(folder: Path, with_alphas: bool = False) -> SearchRun:
    """Read the four files of a run's folder, and perhaps its alphas.

    Raises ValueError, in one sentence, where one is damaged.
    """
    arrays = read_arrays(folder / "curvature.npz")
    return SearchRun(
        settings=read_json(folder / "settings.json"),
        history=HISTORY.read(folder / "history.csv"),
        curvature_epochs=arrays["epoch"].tolist(),
        eigenvalues=arrays["dominant_eigenvalue"].tolist(),
        hessians=arrays.get("hessian"),
        outcome=read_json(folder / "outcome.json"),
        alphas=read_arrays(folder / "alphas.npz", *ALPHAS) if with_alphas else None,
    )
