"""From the start of a job's command on its node to the first epoch of its search: the wrapper, and through Snakemake.

The study is `paper` with all its grids, so that reading it takes what it takes, and one search on digits besides,
which fetches nothing; searches are made so small that their first epoch is one step on a few images. Loops are
compiled and bytecode is written before times count.
"""

import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import yaml

from workflow_scripts.benchmark.paired_timing import CLOCK, PROCESSOR, Comparison, Spent, Work, compare
from workflow_scripts.benchmark.programs import copy_of_checkout, environment
from workflow_scripts.benchmark.workflow import make_data, snakemake

STUDY = "config/start.yaml"
DATA = "data/digits.npz"
GRID = {"spaces": ["s2"], "data_sets": ["digits"], "methods": ["darts"], "l2": [3e-4], "seeds": [1]}
TINY = {
    "epochs": 1,
    "steps_per_epoch": 1,
    "batch_size": 8,
    "order": 1,
    "layers": 3,
    "subset": 40,
    "validation_fraction": 0.6,
    "curvature": {"kind": "dominant"},
}
RESULT = "results/start/cells/searches/s2_digits/darts/l2-0.0003_drop-0_seed-1/history.csv"
LOG = "results/start/logs/cell_search/s2_digits/darts/l2-0.0003_drop-0_seed-1.log"
FIRST_EPOCH = re.compile(r"^1/1 ", re.MULTILINE)
POLL_SECONDS = 0.005


class JobOfASearch:
    """A search's job, ready to start in a checkout's copy."""

    def __init__(self, tree: Path) -> None:
        """`tree` is the copy."""
        self.tree = tree
        make_data(tree, STUDY, DATA)
        self.through_snakemake = [*snakemake(STUDY), "--quiet", "all", "--force", RESULT]
        asked = [*snakemake(STUDY), "--dry-run", "--printshellcmds", "--force", RESULT]
        done = subprocess.run(asked, cwd=tree, env=environment(), capture_output=True, text=True, check=True)
        found = re.search(r"python -m (workflow_scripts\.run .*)", done.stdout + done.stderr)
        assert found is not None
        words = [word for word in shlex.split(found[1]) if not word.startswith("$")]  # a shell would leave it out
        self.wrapper = [sys.executable, "-m", *words]

    def work(self) -> Work:
        """The wrapper's start to measure."""
        return Work("job start, first epoch", "config/paper.yaml, tiny search", lambda: self.start(self.wrapper))

    def start(self, command: list[str]) -> Spent:
        """From the start of a command that runs the job to the end of its first epoch; returns when the job ended."""
        log = self.tree / LOG
        log.unlink(missing_ok=True)
        clock = time.perf_counter()
        quiet = subprocess.DEVNULL
        with psutil.Popen(command, cwd=self.tree, env=environment(), stdout=quiet, stderr=quiet) as process:
            while not (log.is_file() and FIRST_EPOCH.search(log.read_text())):
                if process.poll() is not None:
                    raise RuntimeError(f"the job ended with status {process.returncode} before its first epoch")
                time.sleep(POLL_SECONDS)
            seconds, used = time.perf_counter() - clock, _processor_seconds(process)
        return {CLOCK: seconds, PROCESSOR: used}


def _processor_seconds(process: psutil.Popen) -> float:
    """Of a process and those that it started."""
    return sum(sum(each.cpu_times()[:2]) for each in (process, *process.children(recursive=True)))


@contextmanager
def job_of_a_search(grids: bool = True, channels: int = 8) -> Iterator[JobOfASearch]:
    """A job of a study with the papers' grids, or of that search alone, in a folder that is removed at the end."""
    with copy_of_checkout() as tree:
        (tree / "config" / "local.yaml").unlink(missing_ok=True)
        study = yaml.safe_load((tree / "config" / "paper.yaml").read_text())
        cells = study["cells"]
        cells["grids"] = [*(cells["grids"] if grids else []), GRID]
        cells["search"] = {**TINY, "init_channels": channels}
        (tree / STUDY).write_text(yaml.safe_dump({**study, "study": "start"}))
        yield JobOfASearch(tree)


def start_of_a_job(rounds: int) -> Comparison:
    """The wrapper alone, which a cluster's job runs, against the same through another Snakemake, as it once was."""
    with job_of_a_search() as job:
        return compare(job.work(), lambda: job.start(job.through_snakemake), "through Snakemake", rounds)
