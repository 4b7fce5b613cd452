"""From the start of a job's command on its node to the first epoch of its search: the wrapper, and through Snakemake.

The study is `paper` with all its grids, so that reading it takes what it takes, and one search on digits besides,
which fetches nothing; searches are made so small that their first epoch is one step on a few images. Loops are
compiled and bytecode is written before times count.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from workflow_scripts.benchmark.paired_timing import Comparison, Work, compare
from workflow_scripts.benchmark.workflow import ROOT

PARTS = ("Snakefile", "rules", "workflow_scripts", "figures", "config", "envs", "profiles")
"""Of the checkout, that a run needs."""
STUDY = Path("config/start.yaml")
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

    def __init__(self, tree: Path, study: Path) -> None:
        """`tree` is the copy."""
        self.tree = tree
        snakemake = [sys.executable, "-m", "snakemake", "--cores", "1", "--nolock", "--configfile", str(study)]
        self.through_snakemake = [*snakemake, "--quiet", "all", "--force", RESULT]
        subprocess.run([*snakemake, "--quiet", "all", "--", DATA], cwd=tree, capture_output=True, check=True)
        asked = [*snakemake, "--dry-run", "--printshellcmds", "--force", RESULT]
        done = subprocess.run(asked, cwd=tree, capture_output=True, text=True, check=True)
        found = re.search(r"python -m (workflow_scripts\.run .*)", done.stdout + done.stderr)
        assert found is not None
        words = [word for word in shlex.split(found[1]) if not word.startswith("$")]  # a shell would leave it out
        self.wrapper = [sys.executable, "-m", *words]

    def work(self) -> Work:
        """The wrapper's start to time."""
        return Work("job start, first epoch", "config/paper.yaml, tiny search", lambda: self.seconds(self.wrapper))

    def seconds(self, command: list[str]) -> float:
        """From the start of a command that runs the job to the end of its first epoch; returns when the job ended."""
        log = self.tree / LOG
        log.unlink(missing_ok=True)
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        start = time.perf_counter()
        quiet = subprocess.DEVNULL
        with subprocess.Popen(command, cwd=self.tree, env=environment, stdout=quiet, stderr=quiet) as process:
            while not (log.is_file() and FIRST_EPOCH.search(log.read_text())):
                if process.poll() is not None:
                    raise RuntimeError(f"the job ended with status {process.returncode} before its first epoch")
                time.sleep(POLL_SECONDS)
            return time.perf_counter() - start


@contextmanager
def job_of_a_search(grids: bool = True, channels: int = 8) -> Iterator[JobOfASearch]:
    """A job of a study with the papers' grids, or of that search alone, in a folder that is removed at the end."""
    with tempfile.TemporaryDirectory() as base:
        tree = Path(base) / "tree"
        for part in PARTS:
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(source, tree / part, ignore=shutil.ignore_patterns("local.yaml"))
            else:
                tree.mkdir(exist_ok=True)
                shutil.copy2(source, tree / part)
        study = yaml.safe_load((tree / "config" / "paper.yaml").read_text())
        cells = study["cells"]
        cells["grids"] = [*(cells["grids"] if grids else []), GRID]
        cells["search"] = {**TINY, "init_channels": channels}
        (tree / STUDY).write_text(yaml.safe_dump({**study, "study": "start"}))
        yield JobOfASearch(tree, STUDY)


def start_of_a_job(rounds: int) -> Comparison:
    """The wrapper alone, which a cluster's job runs, against the same through another Snakemake, as it once was."""
    with job_of_a_search() as job:
        through = job.through_snakemake
        return compare(job.work(), lambda: job.seconds(through), "through Snakemake", rounds)
