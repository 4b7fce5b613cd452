"""The table of the trainings from scratch on one space and data set: one row per training."""

from pathlib import Path
from typing import Any

from workflow_scripts.runtime.progress import Progress
from workflow_scripts.tables.architectures import Architecture, read_architectures
from workflow_scripts.tables.cell_tables import EVALUATIONS
from workflow_scripts.tables.evaluation_metrics import METRICS
from workflow_scripts.tables.files import read_json


def run(
    settings: dict[str, Any], inputs: dict[str, list[Path]], outputs: dict[str, list[Path]], progress: Progress
) -> None:
    """Reads the inputs `outcome` and `architectures`, writes the output `evaluations`.

    A training of an architecture that its search no longer gives, as after a change of the stop rule, is left out.
    """
    now = {
        _name(entry): entry["genotype_text"] for path in inputs["architectures"] for entry in read_architectures(path)
    }
    found = [read_json(path) for path in inputs["outcome"]]
    rows = [_row(outcome) for outcome in found if _is_of(outcome["architecture"], now)]
    EVALUATIONS.write(EVALUATIONS.frame(rows), outputs["evaluations"][0])
    progress.say(f"{len(rows)} trainings, {len(found) - len(rows)} left out because their architecture has changed")


def _name(architecture: Architecture) -> tuple[str, str]:
    return architecture["run"], architecture["method"]


def _is_of(trained: Architecture, now: dict[tuple[str, str], str | None]) -> bool:
    name = _name(trained)
    return name in now and now[name] == trained["genotype_text"]


def _row(outcome: dict[str, Any]) -> dict[str, object]:
    architecture = outcome["architecture"]
    keys = ("space", "data_set", "search", "run", "l2", "drop_path", "seed", "method", "epoch")
    return {
        **{key: architecture[key] for key in keys},
        "evaluation_seed": outcome["seed"],
        "outcome": outcome["outcome"],
        **{metric.column.name: outcome.get(metric.column.name) for metric in METRICS},
        "train_error_percent": outcome.get("train_error_percent"),
        "parameters_millions": _millions(outcome.get("parameters")),
        "parameters_with_auxiliary_millions": _millions(outcome.get("parameters_with_auxiliary")),
        "multiply_adds_millions": _millions(outcome.get("multiply_adds")),
        "genotype": architecture["genotype_text"],
    }


def _millions(count: int | None) -> float | None:
    return None if count is None else count / 1e6
