"""Tiny supernets, batches and jobs for the tests of the cell search."""

from pathlib import Path

import torch

from workflow_scripts.cells.supernet import Alphas, Supernet
from workflow_scripts.data.image_batches import Part
from workflow_scripts.runtime.progress import Silent
from workflow_scripts.steps import cell_search
from workflow_scripts.study.cell_grids import searches
from workflow_scripts.study.cell_job_settings import evaluation_job, search_job
from workflow_scripts.study.cell_settings import Cells
from workflow_scripts.study.search_spaces import load_space

SEARCH = {"epochs": 3, "steps_per_epoch": 3, "batch_size": 4, "order": 1, "init_channels": 2, "layers": 3}
SPLIT = {"subset": 40, "validation_fraction": 0.4}  # 24 images for the weights, 16 for the alphas
MEASURE = {"curvature": {"kind": "dominant", "images": 4}}
OUTPUTS = ("settings.json", "history.csv", "curvature.npz", "alphas.npz", "discarded.csv", "outcome.json")


def supernet(space="s2", seed=0, layers=3, dtype=torch.float64):
    """A supernet of two channels for ten classes, its weights drawn from a seed."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        candidates = load_space(space)
        return Supernet(candidates["normal"], candidates["reduce"], 2, layers, 10).to(dtype)


def alphas_of(network, seed=0, scale=0.3):
    """Alphas drawn from a seed."""
    draws = torch.Generator().manual_seed(seed)
    dtype = next(network.parameters()).dtype
    edges = (network.candidates["normal"], network.candidates["reduce"])
    shapes = [(len(candidates), len(candidates[0])) for candidates in edges]
    return Alphas(*((scale * torch.randn(shape, generator=draws, dtype=dtype)).requires_grad_() for shape in shapes))


def batch_of(seed=0, count=4, side=8, dtype=torch.float64):
    """Images of pure noise and labels of ten classes."""
    draws = torch.Generator().manual_seed(seed)
    images = torch.randn(count, 3, side, side, generator=draws, dtype=dtype)
    return images, torch.randint(0, 10, (count,), generator=draws)


def cells_study(space="s2", seed=1, l2=3e-4, drop_path=0.0, evaluation=None, **search):
    """A study of one search on digits."""
    grid = {
        "spaces": [space],
        "data_sets": ["digits"],
        "methods": ["darts"],
        "l2": [l2],
        "drop_path": [drop_path],
        "seeds": [seed],
    }
    settings = {**SEARCH, **SPLIT, "curvature": {"kind": "none"}, **search}
    return Cells.model_validate({"grids": [grid], "search": settings, "evaluation": evaluation or {}})


def tiny_search(**changes):
    """The job of one tiny search; a search setting or space, seed, l2, drop_path may be changed."""
    cells = cells_study(**changes)
    (key,) = searches(cells)
    return search_job(cells, key)


def tiny_evaluation(seed=1, **evaluation):
    """The job of one tiny training from scratch on digits."""
    settings = {"epochs": 2, "batch_size": 50, "init_channels": 2, "layers": 3, "augment": False, **evaluation}
    return evaluation_job(cells_study(evaluation=settings), "digits", seed)


def numbered_part(job, count=48):
    """Images that all show their own number, for a job whose normalisation is the identity."""
    side = job.images.side
    images = torch.arange(count, dtype=torch.uint8)[:, None, None, None].expand(count, 1, side, side).contiguous()
    return Part(images, torch.arange(count) % 10, job.images)


def written_search(job, data: Path, folder: Path):
    """Run a search as the workflow does; returns its files."""
    files = {name: folder / name for name in OUTPUTS}
    outputs = {name.split(".")[0]: [path] for name, path in files.items()}
    cell_search.run(job.model_dump(mode="json"), {"data": [data]}, outputs, Silent())
    return files
