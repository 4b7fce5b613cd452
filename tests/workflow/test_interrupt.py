"""Ctrl-C in a terminal: the signal goes to Snakemake and to every job at once."""

import os
import signal
import subprocess
import time
from pathlib import Path

from workflow.workflow_copy import PROGRAM, copy_workflow

WAITING = """import time
from pathlib import Path


def run(settings, inputs, outputs, progress):
    Path("{step}").touch()
    while True:
        time.sleep(0.02)
"""
STEPS = {"fetch_data": "data/digits.npz", "space_table": "results/tiny/tables/search_spaces.csv"}


def test_ctrl_c_is_a_sentence_per_job(tmp_path: Path) -> None:
    tree = copy_workflow(tmp_path / "tree")
    for step in STEPS:
        (tree / f"workflow_scripts/steps/{step}.py").write_text(WAITING.format(step=step))
    # Ctrl-C is ignored by what a shell starts in the background, and so by what that starts.
    command = [
        "env",
        "--default-signal=INT",
        str(PROGRAM),
        *STEPS.values(),
        "--profile",
        "profiles/local",
        "--configfile",
        "config/tiny.yaml",
    ]
    process = subprocess.Popen(
        [*command, "--cores", "2"],
        cwd=tree,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while not all((tree / step).exists() for step in STEPS):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    printed = process.communicate(timeout=60)[0]
    assert process.returncode != 0
    assert "Traceback" not in printed
    for name in ("digits", "space_table"):
        assert f"{name} failed: it was stopped (SIGINT); started again, it goes on from its checkpoint" in printed
    assert '"failed": "Stopped"' in (tree / "results/tiny/attempts/space_table.jsonl").read_text()
