"""What a step states about itself, as plain values at the top of its module in `steps/`; absent means no.

USES_GPU: it computes on a GPU where it is given one. KEEPS_CHECKPOINT: its `run` takes a `checkpoint`, from which it
goes on after a kill.
"""

from pathlib import Path

from workflow_scripts.study.module_literals import literal

FOLDER = Path(__file__).parents[1] / "steps"


def uses_gpu(step: str) -> bool:
    """Whether a step can use a GPU."""
    return literal(FOLDER / f"{step}.py", "USES_GPU") is True


def keeps_checkpoint(step: str) -> bool:
    """Whether a step goes on from a checkpoint."""
    return literal(FOLDER / f"{step}.py", "KEEPS_CHECKPOINT") is True
