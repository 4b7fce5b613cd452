"""Step: draw one depth network on one page, from its folder."""

from pathlib import Path
from typing import Any

from figures import depth_run, style
from workflow_scripts.runtime.progress import Progress
from workflow_scripts.tables.depth_tables import RUN_CALIBRATION, RUN_DEPTHS, RUN_HISTORY
from workflow_scripts.tables.files import read_arrays, read_json


def run(
    settings: dict[str, Any], inputs: dict[str, list[Path]], outputs: dict[str, list[Path]], progress: Progress
) -> None:
    """Draw the run settings["run"] of the group folder inputs["folder"][0]; write outputs["pdf"] and ["png"].

    Raises ValueError when the group has no such run, or the run diverged and so predicts nothing.
    """
    name, group = settings["run"], inputs["folder"][0]
    folder = group / name
    if not folder.is_dir():
        there = ", ".join(sorted(path.name for path in group.iterdir() if path.is_dir()))
        raise ValueError(f"{group} has no run {name}; it has {there}")
    outcome = read_json(folder / "outcome.json")
    if outcome["outcome"] != "finished":
        raise ValueError(
            f"the run {name} {outcome['outcome']} at epoch {outcome['diverged_epoch']}, it predicts nothing"
        )
    predictive_map = folder / "predictive_map.npz"
    picture = depth_run.draw(
        depth_run.Run(
            name,
            RUN_HISTORY.read(folder / "history.csv"),
            RUN_DEPTHS.read(folder / "depths.csv"),
            RUN_CALIBRATION.read(folder / "calibration.csv"),
            outcome,
            read_arrays(predictive_map) if predictive_map.exists() else None,
        )
    )
    style.save(picture, outputs["pdf"][0], outputs["png"][0])
    progress.say(f"drawn: {name}")
