"""`python -m workflow_scripts.check`: silence for a sound study, one sentence for any other."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from workflow_scripts import check as command
from workflow_scripts.cells import operations
from workflow_scripts.data import data_set, sets
from workflow_scripts.study import search_spaces
from workflow_scripts.study.open_study import study_names

ROOT = Path(__file__).parents[1]


def check(file: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "workflow_scripts.check", file]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("study", study_names())
def test_every_study_of_the_repository_is_sound(study: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([str(ROOT / "config" / f"{study}.yaml")]) == 0
    assert capsys.readouterr() == ("", "")


def test_a_study_that_does_not_exist_suggests_the_nearest() -> None:
    done = check("config/demp.yaml")
    assert done.returncode == 2
    assert done.stderr == (
        "config/demp.yaml: there is no such study (did you mean demo?); known are closed_form, demo, depth_images, "
        "laptop, paper, published, published_2024, ranking, skips, small, spirals\n"
    )


def test_a_file_that_is_no_yaml_names_the_line(tmp_path: Path) -> None:
    file = tmp_path / "broken.yaml"
    file.write_text("study: [x\ncells: 3\n")
    done = check(str(file))
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "line 2: this is not valid YAML" in done.stderr


PROFILED = [str(ROOT / "config/demo.yaml"), "--profile"]


def test_a_profile_whose_program_is_missing_says_so(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert command.main([*PROFILED, "slurm"]) == 2
    assert capsys.readouterr().err == (
        "profiles/slurm: jobs are submitted with sbatch, which this machine lacks; start it where the cluster's "
        "commands are\n"
    )
    (tmp_path / "sbatch").write_text("#!/bin/sh\n")
    (tmp_path / "sbatch").chmod(0o755)
    assert command.main([*PROFILED, "slurm"]) == 0
    assert command.main([*PROFILED, "local"]) == 0


def test_a_profile_that_does_not_exist_suggests_the_nearest(capsys) -> None:
    assert command.main([*PROFILED, "slurn"]) == 2
    assert capsys.readouterr().err.startswith("profiles/slurn: there is no such profile (did you mean slurm?)")


STUDY = {
    "study": "mine",
    "title": "t",
    "description": "d",
    "figures": ["dominant_eigenvalue"],
    "cells": {"grids": [{"spaces": ["s2"], "data_sets": ["digits"], "methods": ["darts"], "l2": [3e-4], "seeds": [1]}]},
}


def checked(capsys, folder, data_set="digits", space="s2", **cells):
    """What `check` says of a study with these settings of the cell search, and its exit status."""
    grid = {**STUDY["cells"]["grids"][0], "data_sets": [data_set], "spaces": [space]}
    (folder / "mine.yaml").write_text(
        yaml.safe_dump({**STUDY, "cells": {"grids": [grid], "evaluation": None, **cells}})
    )
    status = command.main([str(folder / "mine.yaml")])
    captured = capsys.readouterr()
    assert captured.out == ""
    return status, captured.err.removeprefix(f"{folder}/mine.yaml: ")


@pytest.mark.parametrize(
    ("cells", "sentence"),
    [
        ({"search": {"layers": 1}}, "cells.search.layers is 1; allowed: 3 or more\n"),
        ({"search": {"layers": 2}}, "cells.search.layers is 2; allowed: 3 or more\n"),
        (
            {"evaluation": {"layers": 1, "init_channels": 4}, "image_size": 32},
            "cells.evaluation: the network of an architecture on digits cannot be built with these settings (",
        ),
    ],
)
def test_a_network_that_cannot_be_built_is_one_sentence(capsys, tmp_path, cells, sentence):
    status, stderr = checked(capsys, tmp_path, **cells)
    assert (status, stderr[: len(sentence)]) == (2, sentence)
    assert len(stderr.splitlines()) == 1


def test_small_networks_that_can_be_built_pass(capsys, tmp_path):
    small = {"search": {"init_channels": 2, "layers": 3}, "evaluation": {"init_channels": 2, "layers": 1}}
    assert checked(capsys, tmp_path, **small) == (0, "")


def test_given_architectures_alone_are_checked(capsys, tmp_path):
    grid = {"source": "genotypes", "file": str(ROOT / "config/published_genotypes.txt"), "names": ["darts_pt_s4_1"]}
    cells = {"grids": [grid | {"spaces": ["s4"], "data_sets": ["digits"]}], "image_size": 32}
    study = {"study": "mine", "title": "T", "description": "D", "figures": ["found_cells"]}
    said = []
    for layers in (3, 1):  # with one cell the auxiliary head has no place
        file = tmp_path / f"{layers}.yaml"
        file.write_text(
            yaml.safe_dump(study | {"cells": cells | {"evaluation": {"init_channels": 2, "layers": layers}}})
        )
        said.append((command.main([str(file)]), capsys.readouterr().err))
    assert said[0] == (0, "")
    assert (
        said[1][0] == 2 and "cells.evaluation: the network of an architecture on digits cannot be built" in said[1][1]
    )


@pytest.fixture
def own_space(tmp_path, monkeypatch):
    monkeypatch.setattr(search_spaces, "FOLDER", tmp_path)
    yield lambda candidates: (tmp_path / "own.yaml").write_text(yaml.safe_dump({"every_edge": candidates}))
    search_spaces.load_space.cache_clear()
    search_spaces.operation_names.cache_clear()


def test_a_space_of_none_alone_is_refused(capsys, tmp_path, own_space):
    own_space(["none"])
    status, stderr = checked(capsys, tmp_path, space="own")
    why = "own.yaml: an edge has only the candidate none, so that no architecture can be read off it"
    assert (status, stderr) == (2, f"cells.grids.0.spaces: {why}\n")


def test_an_operation_that_cannot_be_built_is_told(capsys, tmp_path, own_space, monkeypatch):
    (tmp_path / "operations.py").write_text('OPERATIONS = {"skip_connect": None, "mine": None}')
    monkeypatch.setattr(search_spaces, "OPERATIONS", tmp_path / "operations.py")
    search_spaces.operation_names.cache_clear()
    own_space(["skip_connect", "mine"])
    status, stderr = checked(capsys, tmp_path, space="own", search={"init_channels": 4})
    reason = "the network of the space own on digits cannot be built with these settings (unknown operation mine)"
    assert (status, stderr) == (2, f"cells.search: {reason}\n")


def test_an_operation_of_another_shape_is_told(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(operations.Zero, "forward", lambda self, x: x[:, :1, :1])
    status, stderr = checked(capsys, tmp_path, space="s3", search={"init_channels": 4})
    assert status == 2
    assert stderr.startswith(
        "cells.search: the network of the space s3 on digits cannot be built with these settings ("
    )
    assert len(stderr.splitlines()) == 1


DIGITS = (ROOT / "workflow_scripts/data/sets/digits.py").read_text()


@pytest.fixture
def own_set(tmp_path, monkeypatch):
    """Writes the module of a data set next to that of the digits, for this test alone."""
    folder = tmp_path / "sets"
    folder.mkdir()
    (folder / "digits.py").write_text(DIGITS)
    monkeypatch.setattr(data_set, "FOLDER", folder)
    monkeypatch.setattr(sets, "__path__", [str(folder), *sets.__path__])
    yield lambda text, name="own": (folder / f"{name}.py").write_text(text)
    sys.modules.pop("workflow_scripts.data.sets.own", None)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("def read(:", "own.py, line 1: it cannot be loaded (SyntaxError: invalid syntax)"),
        ("import no_such_thing", "own.py: it cannot be loaded (ModuleNotFoundError: No module named 'no_such_thing')"),
        ("x = 1", "own.py: it does not define DATA_SET, which the file of a data set needs"),
        (DIGITS, "own.py: its DATA_SET has the name digits; it should have the name of the file, own"),
        (
            DIGITS.replace('"digits"', '"own"').replace("def read", "def reed"),
            "own.py: it does not define the function read, which an image data set needs",
        ),
    ],
)
def test_a_broken_data_set_matters_where_it_is_named_and_nowhere_else(capsys, tmp_path, own_set, text, sentence):
    own_set(text)
    own_set("x = 1", name="not-a-name")
    search = {"init_channels": 4}
    assert checked(capsys, tmp_path, search=search) == (0, "")
    assert checked(capsys, tmp_path, data_set="own", search=search) == (2, f"cells.grids.0.data_sets: {sentence}\n")


def test_a_data_set_that_is_sound_is_one_file(capsys, tmp_path, own_set):
    own_set(DIGITS.replace('"digits"', '"own"'))
    assert checked(capsys, tmp_path, data_set="own", search={"init_channels": 4}) == (0, "")
