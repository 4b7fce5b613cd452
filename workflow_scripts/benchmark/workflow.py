"""How long the workflow itself takes, with nothing computed: building the graph of jobs of the papers' full grids."""

import re
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import workflow_scripts
from workflow_scripts.benchmark.paired_timing import Work

ROOT = Path(workflow_scripts.__path__[0]).parent
"""The checkout that is measured."""
STUDY = ROOT / "config" / "paper.yaml"


def graph_of_jobs(rounds: int) -> dict[str, Any]:
    """Seconds of `snakemake --dry-run` for the full grids, and the number of jobs it plans, less those done."""
    found = [_dry_run() for _ in range(rounds)]
    seconds = [each for each, _ in found]
    return {"jobs": found[-1][1], "seconds": statistics.median(seconds), "rounds": seconds}


def graph_work() -> Work:
    """The same to time."""
    return Work("graph of jobs", STUDY.relative_to(ROOT).as_posix(), lambda: _dry_run()[0])


def _dry_run() -> tuple[float, int]:
    """Seconds, and jobs."""
    options = ("--dry-run", "--quiet", "rules", "--configfile", str(STUDY), "--cores=1")
    start = time.perf_counter()
    command = [sys.executable, "-m", "snakemake", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    seconds = time.perf_counter() - start
    total = re.search(r"^total +(\d+)$", done.stdout + done.stderr, re.MULTILINE)
    assert total is not None
    return seconds, int(total[1])
