"""How long the workflow itself takes, with nothing computed: building the graph of jobs of the papers' full grids."""

import re
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
STUDY = ROOT / "config" / "paper.yaml"


def graph_of_jobs(rounds: int) -> dict[str, Any]:
    """Seconds of `snakemake --dry-run` for the full grids, and the number of jobs it plans, less those done."""
    seconds, jobs = [], 0
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--dry-run",
        "--quiet",
        "rules",
        "--configfile",
        str(STUDY),
        "--cores=1",
    ]
    for _ in range(rounds):
        start = time.perf_counter()
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        seconds.append(time.perf_counter() - start)
        total = re.search(r"^total +(\d+)$", done.stdout + done.stderr, re.MULTILINE)
        assert total is not None
        jobs = int(total[1])
    return {"jobs": jobs, "seconds": statistics.median(seconds), "rounds": seconds}
