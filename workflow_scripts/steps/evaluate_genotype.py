"""Train one found genotype from scratch and test it."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from workflow_scripts.cells.evaluation import train_genotype
from workflow_scripts.data.images import load_part
from workflow_scripts.runtime.device import compute_device
from workflow_scripts.runtime.progress import Progress
from workflow_scripts.study.cells import EvaluationJob
from workflow_scripts.tables.architectures import architecture_genotype, read_architectures
from workflow_scripts.tables.evaluation_run import EVALUATION_HISTORY
from workflow_scripts.tables.files import write_json


def run(
    settings: dict[str, Any], inputs: dict[str, list[Path]], outputs: dict[str, list[Path]], progress: Progress
) -> None:
    """`settings` is an EvaluationJob; reads the inputs `data` and `architecture`.

    Writes the outputs `history` (per epoch) and `outcome` (the last epoch's test error, sizes, and what was trained).
    An architecture that its search never reached is not trained; the outcome says so.
    """
    job = EvaluationJob.model_validate(settings)
    architecture = read_architectures(inputs["architecture"][0])[0]
    trained = {key: architecture[key] for key in TRAINED}
    if architecture["genotype_text"] is None:
        progress.say("the search diverged before this architecture; nothing to train")
        EVALUATION_HISTORY.write(EVALUATION_HISTORY.frame([]), outputs["history"][0])
        write_json(outputs["outcome"][0], {"outcome": "search diverged", "seed": job.seed, "architecture": trained})
        return
    device = compute_device()
    train, test = (load_part(inputs["data"][0], part, job.images, device) for part in ("train", "test"))
    result = train_genotype(architecture_genotype(architecture), job, train, test, progress, device)
    EVALUATION_HISTORY.write(
        EVALUATION_HISTORY.frame([asdict(record) for record in result.epochs]), outputs["history"][0]
    )
    outcome: dict[str, Any] = {
        "outcome": "finished" if result.diverged_at is None else "diverged",
        "seed": job.seed,
        "architecture": trained,
        "parameters": result.parameters,
        "parameters_with_auxiliary": result.parameters_with_auxiliary,
    }
    if result.diverged_at is None:
        outcome |= {key: getattr(result.epochs[-1], key) for key in ("test_error_percent", "train_error_percent")}
    else:
        outcome |= {"epoch": result.diverged_at[0], "step": result.diverged_at[1]}
    write_json(outputs["outcome"][0], outcome)


TRAINED = (
    "space",
    "data_set",
    "search",
    "run",
    "l2",
    "drop_path",
    "seed",
    "method",
    "epoch",
    "genotype_text",
)
