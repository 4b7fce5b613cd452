"""`python -m workflow_scripts.check`: silence for a sound study, one sentence for any other."""

import subprocess
import sys
from pathlib import Path

import pytest

from workflow_scripts.study.open_study import study_names

ROOT = Path(__file__).parents[1]


def check(file: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "workflow_scripts.check", file]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("study", study_names())
def test_every_study_of_the_repository_is_sound(study: str) -> None:
    done = check(f"config/{study}.yaml")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_study_that_does_not_exist_suggests_the_nearest() -> None:
    done = check("config/demp.yaml")
    assert done.returncode == 2
    assert done.stderr == (
        "config/demp.yaml: there is no such study (did you mean demo?); known are demo, laptop, paper, "
        "published, small, spirals\n"
    )


def test_a_file_that_is_no_yaml_names_the_line(tmp_path: Path) -> None:
    file = tmp_path / "broken.yaml"
    file.write_text("study: [x\ncells: 3\n")
    done = check(str(file))
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "line 2: this is not valid YAML" in done.stderr


def profile(name: str, path: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "workflow_scripts.check", "config/demo.yaml", "--profile", name]
    return subprocess.run(command, cwd=ROOT, env={"PATH": path}, capture_output=True, text=True, check=False)


def test_a_profile_whose_program_is_missing_says_so(tmp_path: Path) -> None:
    done = profile("slurm", str(tmp_path))
    assert done.returncode == 2
    assert done.stderr == (
        "profiles/slurm: jobs are submitted with sbatch, which this machine lacks; start it where the cluster's "
        "commands are\n"
    )
    (tmp_path / "sbatch").write_text("#!/bin/sh\n")
    (tmp_path / "sbatch").chmod(0o755)
    assert profile("slurm", str(tmp_path)).returncode == 0
    assert profile("local", str(tmp_path)).returncode == 0


def test_a_profile_that_does_not_exist_suggests_the_nearest(tmp_path: Path) -> None:
    done = profile("slurn", str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.startswith("profiles/slurn: there is no such profile (did you mean slurm?)")
