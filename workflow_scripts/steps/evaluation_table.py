"""The table of the trainings from scratch on one space and data set: one row per training."""

from pathlib import Path
from typing import Any

from workflow_scripts.runtime.progress import Progress
from workflow_scripts.tables.cells import EVALUATIONS
from workflow_scripts.tables.files import read_json


def run(
    settings: dict[str, Any], inputs: dict[str, list[Path]], outputs: dict[str, list[Path]], progress: Progress
) -> None:
    """Reads the inputs `outcome`, writes the output `evaluations`."""
    rows = [_row(read_json(path)) for path in inputs["outcome"]]
    EVALUATIONS.write(EVALUATIONS.frame(rows), outputs["evaluations"][0])
    progress.say(f"{len(rows)} trainings")


def _row(outcome: dict[str, Any]) -> dict[str, object]:
    architecture = outcome["architecture"]
    keys = ("space", "data_set", "search", "run", "l2", "drop_path", "seed", "method", "epoch")
    return {
        **{key: architecture[key] for key in keys},
        "evaluation_seed": outcome["seed"],
        "outcome": outcome["outcome"],
        "test_error_percent": outcome.get("test_error_percent"),
        "train_error_percent": outcome.get("train_error_percent"),
        "parameters_millions": _millions(outcome.get("parameters")),
        "parameters_with_auxiliary_millions": _millions(outcome.get("parameters_with_auxiliary")),
        "genotype": architecture["genotype_text"],
    }


def _millions(count: int | None) -> float | None:
    return None if count is None else count / 1e6
