"""Train one found genotype from scratch and test it, or take the training that the same genotype has already."""

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from workflow_scripts.cells.genotype_training import mixed_precision, test_logits, train_genotype
from workflow_scripts.data.image_batches import load_part
from workflow_scripts.runtime.checkpoint import NO_CHECKPOINT, Checkpoint
from workflow_scripts.runtime.device import compute_device
from workflow_scripts.runtime.progress import Progress
from workflow_scripts.runtime.seeds import stream
from workflow_scripts.study.cell_job_settings import EvaluationJob
from workflow_scripts.tables.architectures import architecture_genotype, read_architectures
from workflow_scripts.tables.evaluation_metrics import measured
from workflow_scripts.tables.files import read_json, write_json
from workflow_scripts.tables.genotype_training import EVALUATION_HISTORY

USES_GPU = True
KEEPS_CHECKPOINT = True


def run(
    settings: dict[str, Any],
    inputs: dict[str, list[Path]],
    outputs: dict[str, list[Path]],
    progress: Progress,
    checkpoint: Checkpoint = NO_CHECKPOINT,
) -> None:
    """`settings` is an EvaluationJob; reads the inputs `data`, `architecture`, and `same_training` where there is one.

    Writes the outputs `history` (per epoch), `weights` (state dict) and `outcome` (the metrics after the last epoch,
    sizes, what was trained and how to build it). An architecture that its search never reached is not trained; the
    outcome states this, and there are no weights.
    """
    job = EvaluationJob.model_validate(settings)
    architecture = read_architectures(inputs["architecture"][0])[0]
    trained = {key: architecture[key] for key in TRAINED}
    if architecture["genotype_text"] is None:
        ended = architecture["outcome"]
        progress.say(f"the search {ended} before this architecture; nothing to train")
        _write_weights(outputs["weights"][0], {})
        EVALUATION_HISTORY.write(EVALUATION_HISTORY.frame([]), outputs["history"][0])
        write_json(outputs["outcome"][0], {"outcome": f"search {ended}", "seed": job.seed, "architecture": trained})
        return
    if "same_training" in inputs:
        _take_over(inputs["same_training"], outputs, {"seed": job.seed, "architecture": trained}, progress)
        return
    device = compute_device()
    train, test = (load_part(inputs["data"][0], part, job.images, device) for part in ("train", "test"))
    seen = job.training.subset
    train, test = train.first(seen.train, after=seen.start), test.first(seen.test)
    genotype = architecture_genotype(architecture)
    result = train_genotype(genotype, job, train, test, progress, device, checkpoint)
    EVALUATION_HISTORY.write(
        EVALUATION_HISTORY.frame([asdict(record) for record in result.epochs]), outputs["history"][0]
    )
    _write_weights(outputs["weights"][0], result.network.state_dict())
    outcome: dict[str, Any] = {
        "outcome": "finished" if result.diverged_at is None else "diverged",
        "seed": job.seed,
        "architecture": trained,
        "parameters": result.parameters,
        "parameters_with_auxiliary": result.parameters_with_auxiliary,
        "multiply_adds": result.multiply_adds,
        "network": {
            "init_channels": job.training.init_channels,
            "layers": job.training.layers,
            "auxiliary": result.network.auxiliary_head is not None,
        },
        "images": settings["images"],
    }
    if result.diverged_at is None:
        with mixed_precision(job.training.bfloat16, device):
            logits, labels = test_logits(result.network, test, stream(job.seed, "test noise", device))
        outcome |= measured(logits.numpy(), labels.numpy())
        outcome["train_error_percent"] = result.epochs[-1].train_error_percent
    else:
        outcome |= {"epoch": result.diverged_at[0], "step": result.diverged_at[1]}
    write_json(outputs["outcome"][0], outcome)


def _take_over(files: list[Path], outputs: dict[str, list[Path]], this: dict[str, Any], progress: Progress) -> None:
    """Copy the outputs of the training of the same genotype and seed; the outcome says whose architecture this one is.

    Raises ValueError where it is of another genotype or seed.
    """
    history, weights, outcome_file = files
    outcome = read_json(outcome_file)
    found, wanted = ((each["seed"], each["architecture"]["genotype_text"]) for each in (outcome, this))
    if found != wanted:
        raise ValueError(f"{outcome_file} is not of this genotype and seed")
    shutil.copyfile(history, outputs["history"][0])
    shutil.copyfile(weights, outputs["weights"][0])
    write_json(outputs["outcome"][0], outcome | this)
    progress.say(f"the same architecture was trained for {outcome_file.parent}; its training is taken")


def _write_weights(path: Path, weights: dict[str, torch.Tensor]) -> None:
    with path.open("wb") as file:  # an open file, because a path would enter the bytes
        torch.save({name: value.cpu() for name, value in weights.items()}, file)


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
