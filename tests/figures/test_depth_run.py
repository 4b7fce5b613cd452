"""The picture of one run, from a folder that the search wrote."""

from pathlib import Path

import pytest

from workflow_scripts.runtime.progress import Silent
from workflow_scripts.steps import depth_run_picture, depth_search
from workflow_scripts.study.depth_settings import Depth, expand

EXPERIMENTS = {
    "a": {"max_depths": [3], "seeds": [1], "models": ["ldn"], "data": {"points": 200}, "training": {"epochs": 25}},
    "broken": {
        "max_depths": [3],
        "seeds": [1],
        "data": {"points": 200},
        "training": {"epochs": 5, "learning_rate": 1e30},
    },
}


@pytest.fixture(scope="module")
def groups(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("runs")
    found = []
    for group, runs in expand(Depth.model_validate({"experiments": EXPERIMENTS})).items():
        settings = {"experiment": "a", "runs": {name: run.model_dump(mode="json") for name, run in runs.items()}}
        depth_search.run(settings, {}, {"folder": [folder / group]}, Silent())
        found.append(folder / group)
    return found


def drawn(group: Path, run: str, folder: Path) -> list[bytes]:
    outputs = {kind: [folder / f"{run}.{kind}"] for kind in ("pdf", "png")}
    depth_run_picture.run({"run": run}, {"folder": [group]}, outputs, Silent())
    return [paths[0].read_bytes() for paths in outputs.values()]


@pytest.fixture(scope="module")
def picture(groups: list[Path], tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    return drawn(groups[0], "a_ldn_D3_width-20_seed-1", tmp_path_factory.mktemp("picture"))


def test_a_run_is_drawn_the_same_each_time(groups: list[Path], picture: list[bytes], tmp_path: Path) -> None:
    pdf, png = picture
    assert pdf.startswith(b"%PDF")
    assert png.startswith(b"\x89PNG")
    assert drawn(groups[0], "a_ldn_D3_width-20_seed-1", tmp_path) == picture


def test_without_a_map_the_rest_is_drawn(groups: list[Path], picture: list[bytes], tmp_path: Path) -> None:
    copy = tmp_path / "group" / "a_ldn_D3_width-20_seed-1"
    copy.mkdir(parents=True)
    for path in (groups[0] / "a_ldn_D3_width-20_seed-1").iterdir():
        if path.suffix != ".npz":
            (copy / path.name).write_bytes(path.read_bytes())
    assert drawn(copy.parent, "a_ldn_D3_width-20_seed-1", tmp_path)[1] != picture[1]


def test_runs_that_cannot_be_drawn_are_named(groups: list[Path], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no run other; it has a_ldn_D3_width-20_seed-1"):
        drawn(groups[0], "other", tmp_path)
    with pytest.raises(ValueError, match="diverged at epoch"):
        drawn(groups[1], "broken_ldn_D3_width-20_seed-1", tmp_path)
