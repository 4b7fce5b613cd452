"""How long the workflow itself takes, with nothing computed: building the graph of jobs of the papers' full grids."""

import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
STUDY = ROOT / "config" / "paper.yaml"


def graph_of_jobs(rounds: int) -> dict[str, Any]:
    """Seconds of `snakemake --dry-run` for the full grids in an empty folder, and the number of jobs it plans."""
    seconds, jobs = [], 0
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "snakemake",
            "--snakefile",
            str(ROOT / "Snakefile"),
            "--dry-run",
            "--quiet",
            "rules",
        ]
        command += ["--configfile", str(STUDY), "--directory", folder, "--cores", "1"]
        for _ in range(rounds):
            start = time.perf_counter()
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            seconds.append(time.perf_counter() - start)
            total = re.search(r"^total +(\d+)$", done.stdout + done.stderr, re.MULTILINE)
            assert total is not None
            jobs = int(total[1])
    return {"jobs": jobs, "seconds": statistics.median(seconds), "rounds": seconds}
