"""Step: train a group of depth networks one after another and write one folder for each.

A run's folder holds `settings.json`, `history.csv` (per epoch), `outcome.json`, `depths.csv` (per depth), `weights.pt`
(state dict of the best snapshot) and `predictive_map.npz` (what the snapshot predicts over the plane). A diverged run
has neither weights nor map, and its `depths.csv` has no rows. The bytes depend on the run's settings alone.
"""

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from workflow_scripts.depth.evaluation import evaluate
from workflow_scripts.depth.runs import Points, build, load
from workflow_scripts.depth.training import DepthModel, Epoch, Result, train
from workflow_scripts.runtime.progress import Progress
from workflow_scripts.runtime.seeds import stream
from workflow_scripts.study.depth import DepthRun
from workflow_scripts.tables.depth import RUN_DEPTHS, RUN_HISTORY, RUN_OUTCOME
from workflow_scripts.tables.files import write_arrays, write_json

MAP_REACH = 3.0  # the map covers [-this, this] in both standardised coordinates
MAP_SIDE = 121  # grid points along each side
EPOCHS_PER_LINE = 250  # between two lines of progress
DIGITS = 9  # what single precision carries


def run(
    settings: dict[str, Any], inputs: dict[str, list[Path]], outputs: dict[str, list[Path]], progress: Progress
) -> None:
    """Train the runs of settings["runs"] (name -> a DepthRun) of settings["experiment"] into outputs["folder"][0]."""
    runs = {name: DepthRun.model_validate(run) for name, run in settings["runs"].items()}
    folder = outputs["folder"][0]
    total, before = sum(run.training.epochs for run in runs.values()), 0
    for name, depth_run in runs.items():
        model, (train_points, test_points) = build(depth_run), load(depth_run)
        generator = stream(depth_run.weight_seed, "batches")
        result = train(
            model, train_points, test_points, depth_run.training, generator, _watch(progress, before, total, name)
        )
        before += depth_run.training.epochs
        progress.advance(before, total, f"{name}  {result.outcome} after {len(result.history)} epochs")
        (folder / name).mkdir(parents=True)
        keys = {"experiment": settings["experiment"], "run": name}
        write_json(folder / name / "settings.json", {**keys, "settings": depth_run.model_dump(mode="json")})
        _write_result(folder / name, model, result, train_points, test_points)


def _watch(progress: Progress, before: int, total: int, name: str) -> Callable[[Epoch], None]:
    def watch(epoch: Epoch) -> None:
        if epoch.epoch % EPOCHS_PER_LINE == 0:
            progress.advance(before + epoch.epoch + 1, total, f"{name}  ELBO {epoch.elbo:.1f}")

    return watch


def _write_result(folder: Path, model: DepthModel, result: Result, train_points: Points, test_points: Points) -> None:
    history = [_shortened(asdict(epoch)) for epoch in result.history]
    RUN_HISTORY.write(RUN_HISTORY.frame(history), folder / "history.csv")
    evaluation = None
    if result.snapshot is not None:
        model.load_state_dict(result.snapshot)
        evaluation = evaluate(model, train_points, test_points)
        if evaluation is None:
            result = replace(result, outcome="diverged", diverged_epoch=result.best_epoch)
    outcome: dict[str, Any] = dict.fromkeys(column.name for column in RUN_OUTCOME)
    outcome |= {
        "outcome": result.outcome,
        "epochs": len(result.history),
        "best_epoch": result.best_epoch,
        "best_elbo": result.best_elbo,
        "diverged_epoch": result.diverged_epoch,
        "diverged_step": result.diverged_step,
    }
    depths: list[dict[str, Any]] = []
    if evaluation is not None:
        outcome, depths = outcome | evaluation.summary, evaluation.depths
        with (folder / "weights.pt").open("wb") as file:  # an open file, because a path would enter the bytes
            torch.save(result.snapshot, file)
        write_arrays(folder / "predictive_map.npz", _predictive_map(model, *train_points))
    RUN_DEPTHS.write(RUN_DEPTHS.frame(depths), folder / "depths.csv")
    write_json(folder / "outcome.json", outcome)


def _predictive_map(model: DepthModel, x: Tensor, y: Tensor) -> dict[str, Any]:
    """Probability of class 1, all depths mixed by q, on a grid: row i is y = axis[i], column j is x = axis[j]."""
    axis = np.linspace(-MAP_REACH, MAP_REACH, MAP_SIDE, dtype=np.float32)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    probability = model.predict(torch.from_numpy(grid))[:, 1].exp().numpy().reshape(MAP_SIDE, MAP_SIDE)
    return {"axis": axis, "class_1_probability": probability, "x_train": x.numpy(), "y_train": y.numpy()}


def _shortened(row: dict[str, Any]) -> dict[str, Any]:
    return {name: float(f"{v:.{DIGITS}g}") if isinstance(v, float) else v for name, v in row.items()}
