"""Jobs killed at random moments go on from their checkpoints and write the bytes of an undisturbed run."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from workflow_scripts.runtime.progress import Silent
from workflow_scripts.steps import fetch_data

ROOT = Path(__file__).parents[1]
KILLS = 10


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "data").mkdir()
    settings = {"module": "workflow_scripts.data.sets.digits", "access": {}}
    fetch_data.run(settings, {}, {"data": [tmp_path / "data/digits.npz"]}, Silent())
    return tmp_path


def test_random_kills_change_no_byte(folder):
    kinds = ["darts", "darts_ada", "random_ws", "evaluation", "depth"]
    command = [sys.executable, str(ROOT / "tests/kill_jobs.py"), str(folder), str(KILLS), "1", *kinds]
    done = subprocess.run(command, cwd=ROOT, env=_environment(), capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert list(found) == kinds
    assert [counts["different"] for counts in found.values()] == [[]] * len(kinds)
    assert all(counts["kills"] >= KILLS for counts in found.values())
    assert all(counts["resumed"] >= 1 for counts in found.values()), found
    assert sum(counts["kills"] for counts in found.values()) >= 50


def _environment():
    threads = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return {**os.environ, **dict.fromkeys(threads, "1"), "PYTHONPATH": str(ROOT)}
