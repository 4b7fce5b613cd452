"""The benchmark command: it measures, prints a table and writes what it measured."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def run(*arguments):
    command = [sys.executable, "-m", "workflow_scripts.benchmark", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_a_table_and_its_numbers(tmp_path):
    done = run("--depths", "1", "--rounds", "2", "--json", str(tmp_path / "numbers.json"))
    assert done.returncode == 0, done.stderr
    assert "compiled / reference" in done.stdout
    numbers = json.loads((tmp_path / "numbers.json").read_text())
    (row,) = numbers["depth_run"]
    assert set(row) == {"max_depth", "compiled", "torch", "reference", "ratios"}
    assert row["max_depth"] == 1
    assert len(row["ratios"]) == 2
    assert min(row["ratios"]) > 1  # the compiled training is many times faster even on a busy machine


def test_a_depth_below_zero_is_refused():
    done = run("--depths", "-1")
    assert done.returncode == 2
    assert "-1" in done.stderr
