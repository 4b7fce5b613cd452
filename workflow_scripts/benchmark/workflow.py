"""How long the workflow itself takes: the graph of the papers' full grids, with nothing computed, and whole studies."""

import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from workflow_scripts.benchmark.paired_timing import CLOCK, PROCESSOR, Spent, Work
from workflow_scripts.benchmark.programs import ROOT, copy_of_checkout, spent_by

STUDY = "config/paper.yaml"


def graph_of_jobs(rounds: int) -> dict[str, Any]:
    """Seconds of `snakemake --dry-run` for the full grids, and the number of jobs it plans, less those done."""
    found = [_dry_run() for _ in range(rounds)]
    seconds = [each for each, _ in found]
    return {"jobs": found[-1][1], "seconds": statistics.median(seconds), "rounds": seconds}


def _dry_run() -> tuple[float, int]:
    """Seconds, and jobs."""
    options = ("--dry-run", "--quiet", "rules", "--configfile", STUDY, "--cores=1")
    start = time.perf_counter()
    command = [sys.executable, "-m", "snakemake", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    seconds = time.perf_counter() - start
    total = re.search(r"^total +(\d+)$", done.stdout + done.stderr, re.MULTILINE)
    assert total is not None
    return seconds, int(total[1])


def status_works() -> Iterator[Work]:
    """What `make status` runs for the papers' full grids, of which nothing is computed."""
    command = [sys.executable, "-m", "workflow_scripts.status", STUDY]
    with copy_of_checkout() as tree:
        yield Work("make status", STUDY, lambda: spent_by(command, tree))


def study_works(study: str, first: str | None = None) -> Iterator[Work]:
    """`make run` from its command to its report, with bytecode and packages there and loops to be compiled.

    `first` is a file of data that is made before. config/local.yaml of the checkout counts, as for any run.
    """
    yield Work(
        f"make run STUDY={study}",
        f"config/{study}.yaml",
        lambda: _whole_study(study, first),
        compared=(CLOCK, PROCESSOR),
    )


def _whole_study(study: str, first: str | None) -> Spent:
    with copy_of_checkout() as tree:
        _use_this_environment(tree / ".venv")
        spent_by([sys.executable, "-m", "compileall", "-q", "."], tree)
        if first is not None:
            make_data(tree, f"config/{study}.yaml", first)
        return spent_by(["make", "run", f"STUDY={study}"], tree)


def _use_this_environment(folder: Path) -> None:
    """Make an environment of links to the parts of this one, which `make` finds up to date and cannot harm."""
    folder.mkdir()
    for part in Path(sys.prefix).iterdir():
        (folder / part.name).symlink_to(part)
    installed = folder / ".installed"
    installed.unlink(missing_ok=True)
    installed.touch()


def make_data(tree: Path, study: str, file: str) -> None:
    """Prepare a data set in a copy. Raises RuntimeError, for instance where it cannot be fetched."""
    spent_by([*snakemake(study), "--quiet", "all", "--", file], tree)


def snakemake(study: str) -> list[str]:
    """The start of a command."""
    return [sys.executable, "-m", "snakemake", "--cores", "1", "--nolock", "--configfile", study]
