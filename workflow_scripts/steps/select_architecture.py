"""Choose among the architectures of one seed (R-DARTS): the one that is best after a brief training from scratch.

It trains on the images that trained the searches' weights and is judged on those that trained their alphas; no test
image is read.
"""

from pathlib import Path
from typing import Any

from workflow_scripts.cells.genotype_training import train_genotype
from workflow_scripts.cells.split import split
from workflow_scripts.data.image_batches import load_part
from workflow_scripts.runtime.checkpoint import NO_CHECKPOINT, Checkpoint, PartCheckpoint
from workflow_scripts.runtime.device import compute_device
from workflow_scripts.runtime.progress import Progress
from workflow_scripts.study.cell_job_settings import EvaluationJob, SelectionJob
from workflow_scripts.tables.architectures import architecture_genotype, read_architectures, write_architectures
from workflow_scripts.tables.genotype_training import CANDIDATES

USES_GPU = True
KEEPS_CHECKPOINT = True


def run(
    settings: dict[str, Any],
    inputs: dict[str, list[Path]],
    outputs: dict[str, list[Path]],
    progress: Progress,
    checkpoint: Checkpoint = NO_CHECKPOINT,
) -> None:
    """`settings` is a SelectionJob; reads the inputs `data` and `candidate`, an architecture file each.

    Writes the outputs `architecture`, the chosen one under the selection's own method and name, and `candidates`, the
    error of each. Of equal candidates the first is taken. A candidate without a genotype, or whose training diverges,
    cannot be chosen; where none is left, the file states this.
    """
    job = SelectionJob.model_validate(settings)
    device = compute_device()
    train = load_part(inputs["data"][0], "train", job.images, device)
    weights, alphas = split(train, job)
    training = EvaluationJob(images=job.images, training=job.training, seed=job.seed, layout=job.layout)
    candidates = [read_architectures(path)[0] for path in inputs["candidate"]]
    saved = checkpoint.load()
    errors: list[float | None] = [] if saved is None else list(saved["errors"])
    for number, candidate in enumerate(candidates):
        if number < len(errors):
            continue
        error = None
        if candidate["genotype_text"] is not None:
            part = PartCheckpoint(checkpoint, str(number), {"errors": list(errors)})
            genotype = architecture_genotype(candidate)
            result = train_genotype(genotype, training, weights, alphas, progress, device, part)
            error = result.epochs[-1].test_error_percent if result.diverged_at is None else None
        errors.append(error)
        result_text = "cannot be chosen" if error is None else f"error {error:.2f} %"
        progress.say(f"candidate {number + 1} of {len(candidates)}, {candidate['run']}: {result_text}")
    finished = [number for number, error in enumerate(errors) if error is not None]
    best = min(finished, key=lambda number: errors[number] or 0.0) if finished else None
    chosen = dict(candidates[0 if best is None else best])
    chosen |= {"method": job.method, "run": f"seed-{job.seed}"}
    if best is None:
        unknown = ("epoch", "epoch_reason", "genotype", "genotype_text", "valid_error_percent")
        chosen |= {"outcome": "diverged", **dict.fromkeys(unknown)}
    else:
        chosen |= {"epoch_reason": "selected", "selection_error_percent": errors[best]}
    write_architectures(outputs["architecture"][0], [chosen])
    rows = [
        {
            **{key: candidate[key] for key in ("run", "l2", "drop_path", "outcome")},
            "selection_error_percent": error,
            "chosen": number == best,
            "genotype": candidate["genotype_text"],
        }
        for number, (candidate, error) in enumerate(zip(candidates, errors, strict=True))
    ]
    CANDIDATES.write(CANDIDATES.frame(rows), outputs["candidates"][0])
