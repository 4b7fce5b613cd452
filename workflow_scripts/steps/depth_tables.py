"""Step: gather the folders of depth runs into tables: one row per run, per run and depth, per run and bin."""

import re
from pathlib import Path
from typing import Any

import pandas as pd

from workflow_scripts.depth.run_folder import read_part, read_runs
from workflow_scripts.runtime.progress import Progress
from workflow_scripts.tables.depth_tables import (
    DEPTH_CALIBRATION,
    DEPTH_POSTERIORS,
    DEPTH_RUNS,
    RUN_CALIBRATION,
    RUN_DEPTHS,
    RUN_OUTCOME,
)


def run(
    settings: dict[str, Any], inputs: dict[str, list[Path]], outputs: dict[str, list[Path]], progress: Progress
) -> None:
    """Read every run in the group folders inputs["folder"]; write outputs["depth_runs"], ["depth_posteriors"] and
    ["depth_calibration"].

    Rows are sorted by experiment and run, numbers in names by value. Raises ValueError when two folders hold the same
    run or a run's folder is incomplete.
    """
    runs: dict[tuple[str, str], tuple[dict[str, Any], Path]] = {}
    for path, keys, _ in read_runs(inputs["folder"]):
        name = (keys["experiment"], keys["run"])
        if name in runs:
            raise ValueError(f"run {name[1]} of experiment {name[0]} is in {runs[name][1]} and again in {path}")
        runs[name] = keys, path
    ordered = [runs[name] for name in sorted(runs, key=_natural)]
    outcomes = [(keys, read_part(path / "outcome.json")) for keys, path in ordered]
    rows = [keys | {column.name: stored[column.name] for column in RUN_OUTCOME} for keys, stored in outcomes]
    DEPTH_RUNS.write(DEPTH_RUNS.frame(rows), outputs["depth_runs"][0])
    for table, part, file in (
        (DEPTH_POSTERIORS, RUN_DEPTHS, "depths.csv"),
        (DEPTH_CALIBRATION, RUN_CALIBRATION, "calibration.csv"),
    ):
        frames = [part.read(path / file).assign(**keys) for keys, path in ordered]
        gathered = pd.concat([table.frame([]), *(frame[table.names] for frame in frames)])
        table.write(gathered, outputs[table.name][0])
    progress.say(f"{len(rows)} runs, {sum(row['outcome'] == 'diverged' for row in rows)} of them diverged")


def _natural(name: tuple[str, str]) -> list[list[tuple[float, str]]]:
    """A sort key under which D5 precedes D10."""
    parts = [re.split(r"(\d+(?:\.\d+)?)", text) for text in name]
    return [[(float(part), "") if i % 2 else (0.0, part) for i, part in enumerate(pieces)] for pieces in parts]
