"""Reading a run's folder, as the step depth_search writes it."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from workflow_scripts.study.depth_settings import DepthRun, ImageRun
from workflow_scripts.tables.files import damaged, read_json


def read_runs(groups: Iterable[Path]) -> Iterator[tuple[Path, dict[str, Any], DepthRun]]:
    """Folder, key columns and settings of every run in the folders of groups. Raises ValueError for a damaged one."""
    for group in groups:
        for path in sorted(path for path in group.iterdir() if path.is_dir()):
            stored = read_part(path / "settings.json")
            depth_run = _settings(stored["settings"], path / "settings.json")
            yield path, {"experiment": stored["experiment"], "run": stored["run"], **_keys(depth_run)}, depth_run


def read_part(path: Path) -> dict[str, Any]:
    """One JSON file of a run's folder. Raises ValueError, in one sentence, when it is missing."""
    if not path.is_file():
        raise ValueError(f"{path} is missing, so the folder is not a complete depth run; run its search again")
    return read_json(path)


def read_settings(folder: Path) -> DepthRun:
    """The settings of a run. Raises ValueError, in one sentence, where its folder has none."""
    return _settings(read_part(folder / "settings.json").get("settings"), folder / "settings.json")


def _settings(stored: Any, file: Path) -> DepthRun:
    try:
        return DepthRun.model_validate(stored)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise damaged(file, "depth run of this version", f"{place}: {first['msg']}") from None


def _keys(depth_run: DepthRun) -> dict[str, Any]:
    data = depth_run.data
    shape: dict[str, Any]
    if isinstance(data, ImageRun):
        points = data.train_images + data.held_out_images + data.test_images
        shape = {"data_set": data.images.data_set, "train_points": data.train_images}
        shape |= {"points": points, "noise": None, "stop_angle_degrees": None}
    else:
        shape = {"data_set": data.kind, "train_points": data.train_points}
        shape |= {"points": data.points, "noise": data.noise, "stop_angle_degrees": data.stop_angle_degrees}
    return {
        "model": depth_run.model,
        "max_depth": depth_run.max_depth,
        "width": depth_run.width,
        **shape,
        "data_seed": depth_run.data_seed,
        "weight_seed": depth_run.weight_seed,
        "closed_form_from": depth_run.training.closed_form_from if depth_run.model == "ldn" else None,
    }
