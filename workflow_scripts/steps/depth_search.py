"""Step: train a group of depth networks one after another and write one folder for each.

A run's folder holds `settings.json`, `history.csv` (per epoch), `outcome.json`, `depths.csv` (per depth),
`calibration.csv` (per bin), `weights.pt` (state dict of the best snapshot) and, of spirals, `predictive_map.npz` (what
the snapshot predicts over the plane, as a whole and depth by depth). A diverged run has neither weights nor map, and
its tables have no rows. The bytes depend on the run's settings alone.
"""

import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from workflow_scripts.depth.evaluation import evaluate
from workflow_scripts.depth.networks import FullyConnectedNetwork
from workflow_scripts.depth.posterior import LearntPosterior
from workflow_scripts.depth.run_setup import RunData, build, device_of, load, train
from workflow_scripts.depth.training import DepthModel, Epoch, EpochCallback, Result, result_of, result_state
from workflow_scripts.runtime.checkpoint import NO_CHECKPOINT, Checkpoint, PartCheckpoint, State
from workflow_scripts.runtime.progress import Progress
from workflow_scripts.study.depth_settings import DepthRun
from workflow_scripts.tables.depth_tables import RUN_CALIBRATION, RUN_DEPTHS, RUN_HISTORY, RUN_OUTCOME
from workflow_scripts.tables.files import write_arrays, write_json

USES_GPU = True
KEEPS_CHECKPOINT = True

MAP_REACH = 3.0  # the map covers [-this, this] in both standardised coordinates
MAP_SIDE = 121  # grid points along each side
FUNCTION_SIDE = 61  # the same of the map that shows every depth
LINES_PER_RUN = 32  # of progress, at most
DIGITS = 9  # what single precision carries


def run(
    settings: dict[str, Any],
    inputs: dict[str, list[Path]],
    outputs: dict[str, list[Path]],
    progress: Progress,
    checkpoint: Checkpoint = NO_CHECKPOINT,
) -> None:
    """Train the runs of settings["runs"] (name -> a DepthRun) of settings["experiment"] into outputs["folder"][0].

    The input `data` is the prepared file of their images, where they learn from images.
    """
    runs = {name: DepthRun.model_validate(run) for name, run in settings["runs"].items()}
    folder = outputs["folder"][0]
    prepared = next(iter(inputs.get("data", [])), None)
    total, before = sum(run.training.epochs for run in runs.values()), 0
    saved = checkpoint.load()
    finished: dict[str, State] = {} if saved is None else dict(saved["finished"])
    if saved is not None:
        progress.say(f"going on from the checkpoint, in {saved['part']}")
    for name, depth_run in runs.items():
        device = device_of(depth_run)
        model, data = build(depth_run).to(device), load(depth_run, prepared, device)
        if name in finished:
            result = result_of(finished[name])
        else:
            on_epoch = _report_progress(progress, before, total, name, depth_run.training.epochs)
            result = train(
                model, data, depth_run, on_epoch, PartCheckpoint(checkpoint, name, {"finished": dict(finished)})
            )
            finished[name] = result_state(result)
        before += depth_run.training.epochs
        progress.advance(before, total, f"{name}  {result.outcome} after {len(result.history)} epochs")
        (folder / name).mkdir(parents=True)
        keys = {"experiment": settings["experiment"], "run": name}
        write_json(folder / name / "settings.json", {**keys, "settings": depth_run.model_dump(mode="json")})
        _write_result(folder / name, model, result, data, depth_run.training.batch_size)


def _report_progress(progress: Progress, before: int, total: int, name: str, epochs: int) -> EpochCallback:
    between = max(1, epochs // LINES_PER_RUN)

    def on_epoch(epoch: Epoch) -> None:
        if epoch.epoch % between == 0:
            progress.advance(before + epoch.epoch + 1, total, f"{name}  ELBO {epoch.elbo:.1f}")

    return on_epoch


def _write_result(folder: Path, model: DepthModel, result: Result, data: RunData, batch_size: int) -> None:
    history = [_shortened(asdict(epoch)) for epoch in result.history]
    RUN_HISTORY.write(RUN_HISTORY.frame(history), folder / "history.csv")
    evaluation = None
    if result.snapshot is not None:
        model.load_state_dict(result.snapshot)
        evaluation = evaluate(model, data.train, data.test)
        if evaluation is None:
            last_step = math.ceil(len(data.train[1]) / batch_size) - 1
            result = replace(result, outcome="diverged", diverged_epoch=result.best_epoch, diverged_step=last_step)
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
    calibration: list[dict[str, Any]] = []
    if result.snapshot is not None and evaluation is not None:
        outcome, depths, calibration = outcome | evaluation.summary, evaluation.depths, evaluation.calibration
        with (folder / "weights.pt").open("wb") as file:  # an open file, because a path would enter the bytes
            torch.save({name: tensor.cpu() for name, tensor in result.snapshot.items()}, file)
        if isinstance(model.network, FullyConnectedNetwork):
            write_arrays(folder / "predictive_map.npz", _predictive_map(model, *data.train))
    RUN_DEPTHS.write(RUN_DEPTHS.frame(depths), folder / "depths.csv")
    RUN_CALIBRATION.write(RUN_CALIBRATION.frame(calibration), folder / "calibration.csv")
    write_json(folder / "outcome.json", outcome)


@torch.no_grad()
def _predictive_map(model: DepthModel, x: Tensor, y: Tensor) -> dict[str, Any]:
    """Probability of class 1 on two grids: all depths mixed by q, and by each depth alone, of a DDN only by D.

    Row i of a grid is y = axis[i], column j is x = axis[j].
    """
    axis, grid = _grid(MAP_SIDE, x)
    probability = model.predict(grid)[:, 1].exp().cpu().numpy().reshape(MAP_SIDE, MAP_SIDE)
    coarse_axis, coarse = _grid(FUNCTION_SIDE, x)
    learnt = isinstance(model.posterior, LearntPosterior)
    logits = model.logits(coarse) if learnt else model.deepest_logits(coarse)[None]
    functions = torch.softmax(logits, dim=-1)[..., 1].cpu().numpy()
    return {
        "axis": axis,
        "class_1_probability": probability,
        "depths": np.arange(len(functions)) if learnt else np.array([model.network.max_depth]),
        "depth_axis": coarse_axis,
        "depth_class_1_probability": functions.reshape(-1, FUNCTION_SIDE, FUNCTION_SIDE).astype(np.float16),
        "x_train": x.cpu().numpy(),
        "y_train": y.cpu().numpy(),
    }


def _grid(side: int, like: Tensor) -> tuple[np.ndarray, Tensor]:
    axis = np.linspace(-MAP_REACH, MAP_REACH, side, dtype=np.float32)
    points = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    return axis, torch.from_numpy(points).to(like.device)


def _shortened(row: dict[str, Any]) -> dict[str, Any]:
    return {name: float(f"{v:.{DIGITS}g}") if isinstance(v, float) else v for name, v in row.items()}
