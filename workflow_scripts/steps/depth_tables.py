"""Step: gather the folders of depth runs into two tables, one row per run and one row per run and depth."""

import re
from pathlib import Path
from typing import Any

import pandas as pd

from workflow_scripts.runtime.progress import Progress
from workflow_scripts.study.depth import DepthRun
from workflow_scripts.tables.depth import DEPTH_POSTERIORS, DEPTH_RUNS, RUN_DEPTHS, RUN_OUTCOME
from workflow_scripts.tables.files import read_json


def run(
    settings: dict[str, Any], inputs: dict[str, list[Path]], outputs: dict[str, list[Path]], progress: Progress
) -> None:
    """Read every run in the group folders inputs["folder"]; write outputs["depth_runs"] and ["depth_posteriors"].

    Rows are sorted by experiment and run, numbers in names by value. Raises ValueError when two folders hold the same
    run or a run's folder is incomplete.
    """
    runs: dict[tuple[str, str], tuple[dict[str, Any], Path]] = {}
    for path in sorted(path for folder in inputs["folder"] for path in folder.iterdir() if path.is_dir()):
        keys = _keys(path)
        name = (keys["experiment"], keys["run"])
        if name in runs:
            raise ValueError(f"run {name[1]} of experiment {name[0]} is in {runs[name][1]} and again in {path}")
        runs[name] = keys, path
    ordered = [runs[name] for name in sorted(runs, key=_natural)]
    rows = [keys | _outcome(path) for keys, path in ordered]
    DEPTH_RUNS.write(DEPTH_RUNS.frame(rows), outputs["depth_runs"][0])
    depths = [RUN_DEPTHS.read(path / "depths.csv").assign(**keys) for keys, path in ordered]
    gathered = pd.concat([DEPTH_POSTERIORS.frame([]), *(frame[DEPTH_POSTERIORS.names] for frame in depths)])
    DEPTH_POSTERIORS.write(gathered, outputs["depth_posteriors"][0])
    progress.say(f"{len(rows)} runs, {sum(row['outcome'] == 'diverged' for row in rows)} of them diverged")


def _keys(path: Path) -> dict[str, Any]:
    """The key columns of a run, from its settings."""
    stored = _read_part(path / "settings.json")
    depth_run = DepthRun.model_validate(stored["settings"])
    return {
        "experiment": stored["experiment"],
        "run": stored["run"],
        "model": depth_run.model,
        "data_set": depth_run.data.kind,
        "max_depth": depth_run.max_depth,
        "width": depth_run.width,
        "points": depth_run.data.points,
        "train_points": depth_run.data.train_size,
        "noise": depth_run.data.noise,
        "stop_angle_degrees": depth_run.data.stop_angle_degrees,
        "data_seed": depth_run.data_seed,
        "weight_seed": depth_run.weight_seed,
    }


def _outcome(path: Path) -> dict[str, Any]:
    stored = _read_part(path / "outcome.json")
    return {column.name: stored[column.name] for column in RUN_OUTCOME}


def _read_part(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ValueError(f"{path} is missing, so the folder is no complete depth run; run its search again")
    return read_json(path)


def _natural(name: tuple[str, str]) -> list[list[tuple[float, str]]]:
    """A sort key under which D5 precedes D10."""
    parts = [re.split(r"(\d+(?:\.\d+)?)", text) for text in name]
    return [[(float(part), "") if i % 2 else (0.0, part) for i, part in enumerate(pieces)] for pieces in parts]
