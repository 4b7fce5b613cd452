"""The supernet of a finished search, with all that a method needs to go on computing with it."""

from dataclasses import dataclass
from pathlib import Path

import torch

from workflow_scripts.cells.supernet import Alphas, Supernet, supernet_of
from workflow_scripts.data.image_batches import Part
from workflow_scripts.runtime.checkpoint import Checkpoint
from workflow_scripts.runtime.progress import Progress
from workflow_scripts.study.cell_job_settings import SupernetJob
from workflow_scripts.tables.files import damaged, read_arrays
from workflow_scripts.tables.search_run import ALPHAS, WEIGHTS


@dataclass(frozen=True)
class TrainedSupernet:
    """A supernet and its alphas after the last epoch of its search, the training images, and where to compute."""

    job: SupernetJob
    network: Supernet
    alphas: Alphas
    train: Part
    device: torch.device
    progress: Progress
    checkpoint: Checkpoint


def load_supernet(job: SupernetJob, file: Path, device: torch.device) -> tuple[Supernet, Alphas]:
    """The supernet and its last alphas from a search's alphas.npz.

    Raises ValueError, in one sentence, where the file holds no weights of such a supernet.
    """
    arrays = read_arrays(file)
    network = supernet_of(job.search, device)
    weights = {
        name.removeprefix(WEIGHTS): torch.from_numpy(values)
        for name, values in arrays.items()
        if name.startswith(WEIGHTS)
    }
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise damaged(file, "file of a supernet's weights", str(error)[:200]) from None
    alphas = Alphas(*(torch.from_numpy(arrays[kind][-1]).to(device).requires_grad_() for kind in ALPHAS))
    return network, alphas
