"""The table of the trainings from scratch on one space and data set: one row per training."""

from pathlib import Path
from typing import Any

from workflow_scripts.runtime.progress import Progress
from workflow_scripts.tables.architectures import Architecture, genotype_texts
from workflow_scripts.tables.cell_tables import EVALUATIONS, TRAINED
from workflow_scripts.tables.evaluation_metrics import METRICS
from workflow_scripts.tables.files import read_json
from workflow_scripts.tables.same_training import first_places


def run(
    settings: dict[str, Any], inputs: dict[str, list[Path]], outputs: dict[str, list[Path]], progress: Progress
) -> None:
    """Reads the inputs `outcome` and `architectures`, writes the output `evaluations`.

    `settings` holds the `epochs` of each training, in the order of the outcomes.
    A training of an architecture that its search no longer gives, as after a change of the stop rule, is left out.
    """
    now = genotype_texts(inputs["architectures"])
    found = [read_json(path) for path in inputs["outcome"]]
    trained = zip(found, settings["epochs"], strict=True)
    rows = [_row(outcome, epochs) for outcome, epochs in trained if _is_of(outcome["architecture"], now)]
    same = _same_as(rows)
    EVALUATIONS.write(
        EVALUATIONS.frame([{**row, "same_as": each} for row, each in zip(rows, same, strict=True)]),
        outputs["evaluations"][0],
    )
    progress.say(f"{len(rows)} trainings, {len(found) - len(rows)} left out because their architecture has changed")


def _is_of(trained: Architecture, now: dict[tuple[str, str], str | None]) -> bool:
    name = (trained["method"], trained["run"])
    return name in now and now[name] == trained["genotype_text"]


def _same_as(rows: list[dict[str, Any]]) -> list[str | None]:
    """For each row the method/run of the one whose training it is again, None where it is the first of its kind."""
    keys = ("genotype", "evaluation_seed", "evaluation_epochs")
    trained = [tuple(row[key] for key in keys) if row["outcome"] in TRAINED else None for row in rows]
    first = first_places([(row["method"], row["run"]) for row in rows], trained)
    return [None if place == at else f"{rows[place]['method']}/{rows[place]['run']}" for at, place in enumerate(first)]


def _row(outcome: dict[str, Any], epochs: int) -> dict[str, Any]:
    architecture = outcome["architecture"]
    keys = ("space", "data_set", "search", "run", "l2", "drop_path", "seed", "method", "epoch")
    return {
        **{key: architecture[key] for key in keys},
        "evaluation_seed": outcome["seed"],
        "evaluation_epochs": epochs,
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
