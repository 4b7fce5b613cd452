"""A whole search at the size of the study `laptop`, on images that need not be fetched."""

import numpy as np
import torch
from sklearn.datasets import load_digits

from workflow_scripts.benchmark.made_up_images import image_settings
from workflow_scripts.benchmark.paired_timing import Work, timed
from workflow_scripts.cells.search import run_search
from workflow_scripts.data.image_batches import Part
from workflow_scripts.runtime.progress import Silent
from workflow_scripts.study.cell_job_settings import SearchJob, layout_of
from workflow_scripts.study.cell_settings import Curvature, Search
from workflow_scripts.study.search_spaces import load_space

EPOCHS, STEPS, BATCH, CHANNELS, CELLS = 50, 30, 32, 8, 4
WEIGHT_IMAGES, ALPHA_IMAGES, MEASURED_IMAGES = 500, 1000, 256
SIDE = 8


def search_work(space: str) -> Work:
    """From an untrained network to the architecture, curvature and validation included; its loops are compiled here."""
    part = _digits()
    _search(space, part, epochs=1, steps=1)
    setting = f"{space.upper()}, C={CHANNELS}, {CELLS} cells, {SIDE}x{SIDE}, {EPOCHS} epochs"
    return Work("whole search", setting, timed(lambda: _search(space, part, EPOCHS, STEPS)))


def _search(space: str, part: Part, epochs: int, steps: int) -> None:
    candidates = load_space(space)
    settings = Search(
        epochs=epochs,
        steps_per_epoch=steps,
        batch_size=BATCH,
        order=1,
        init_channels=CHANNELS,
        layers=CELLS,
        learning_rate=0.05,
        arch_learning_rate=3e-3,
        augment=False,
        curvature=Curvature(kind="dominant", every=2, images=MEASURED_IMAGES),
    )
    job = SearchJob(
        space=space,
        normal=candidates["normal"],
        reduce=candidates["reduce"],
        images=part.settings,
        weight_images=WEIGHT_IMAGES,
        alpha_images=ALPHA_IMAGES,
        l2=3e-4,
        drop_path=0.0,
        seed=1,
        search=settings,
        layout=layout_of(CHANNELS),
    )
    run_search(job, part, Silent(), torch.device("cpu"))


def _digits() -> Part:
    """Handwritten digits in grey."""
    bundle = load_digits()
    pixels = np.rint(bundle.images * (255 / 16)).astype(np.uint8)[:, None]
    return Part(
        torch.from_numpy(pixels), torch.from_numpy(bundle.target), image_settings(SIDE, channels=1, augmented=False)
    )
