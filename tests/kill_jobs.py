"""Kills jobs at random moments, starts them again, and compares what they write with an undisturbed run.

    python tests/kill_jobs.py FOLDER KILLS SEED KIND ...

The process runs every job once, undisturbed, which loads and compiles everything. Then each runs in children forked
from it, through the wrapper's own command line, in FOLDER, which holds the study's `data/`. Prints JSON: per kind the
number of kills that hit, of starts from a checkpoint, of lives (from beginning to end), and the outputs that differ.
"""

import io
import json
import os
import random
import shlex
import signal
import sys
import time
from contextlib import redirect_stderr
from pathlib import Path

from workflow_scripts import run
from workflow_scripts.provenance.identity import planned_identity
from workflow_scripts.runtime.job_command import file_options
from workflow_scripts.study.job import Job
from workflow_scripts.study.job_plan import Plan
from workflow_scripts.study.study import Study

SEARCH = {
    "epochs": 5,
    "steps_per_epoch": 2,
    "batch_size": 4,
    "order": 1,
    "init_channels": 16,  # whose loops are compiled: the curvature takes a tenth of the modules' time
    "layers": 3,
    "subset": 24,
    "validation_fraction": 0.5,
    "curvature": {"kind": "dominant", "every": 1},
}
GRID = {"spaces": ["s4"], "data_sets": ["digits"], "l2": [3e-4], "drop_path": [0.2], "seeds": [1]}
STUDY = {
    "study": "killed",
    "title": "Killed",
    "description": "Jobs that are killed.",
    "figures": ["dominant_eigenvalue"],
    "cells": {
        "grids": [{**GRID, "methods": ["darts", "darts_ada", "random_ws"]}],
        "search": SEARCH,
        "stop": {"start": 0, "delta": 1, "window": 1, "factor": 1.0001},
        "adaptive": {"factor": 3, "max_l2": 0.001},
        "random_ws": {"samples": 20, "finalists": 3, "batches": 2},
        "evaluation": {
            "epochs": 8,
            "batch_size": 50,
            "init_channels": 2,
            "layers": 3,
            "subset": {"train": 100, "test": 100},
        },
    },
    "depth": {
        "experiments": {
            "spirals": {"max_depths": [3, 4], "seeds": [1], "data": {"points": 200}, "training": {"epochs": 1500}},
        }
    },
}
KINDS = {
    "darts": "cell_search/s4_digits/darts/",
    "darts_ada": "cell_search/s4_digits/darts_ada/",
    "random_ws": "random_search/",
    "evaluation": "evaluate_genotype/s4_digits/darts/",
    "depth": "depth_search/spirals",
}


def command(job: Job) -> list[str]:
    """The wrapper's arguments, as a rule spells them."""
    arguments = ["--anew", "--root", job.root, "--log", job.log, "--job", planned_identity(job)]
    return arguments + shlex.split(file_options(job.inputs, job.outputs))


def start(job: Job) -> int:
    """Run a job in a forked child; returns its process number."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            with redirect_stderr(io.StringIO()):
                status = run.main(command(job))
        finally:
            os._exit(status)
    return child


def wait_for_checkpoint(child: int, checkpoint: Path) -> None:
    """Return when the job has saved a checkpoint or has ended."""
    while not checkpoint.exists() and os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        time.sleep(0.001)


def finish(child: int) -> int:
    """Wait for a child; its exit status, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def contents(job: Job) -> dict[str, bytes]:
    """The bytes of a job's outputs."""
    files = [file for path in map(Path, job.writes) for file in (sorted(path.rglob("*")) if path.is_dir() else [path])]
    return {file.as_posix(): file.read_bytes() for file in files if file.is_file()}


def kill_repeatedly(job: Job, kills: int, draws: random.Random) -> dict[str, object]:
    """Kill a job and start it again until it was killed `kills` times and has finished after that."""
    log, checkpoint = Path(job.log), Path(f"{job.root}/.checkpoints/{job.name}.pt")
    assert run.main(command(job)) == 0, log.read_text()
    begun = time.monotonic()
    assert finish(start(job)) == 0, log.read_text()
    whole = time.monotonic() - begun
    expected, different = contents(job), []
    hits, lives, status = 0, 0, 0
    while hits < kills or status != 0:
        if status == 0:
            lives += 1
            for path in map(Path, expected):
                path.unlink()
        child = start(job)
        if hits < kills:
            # Every other kill waits for a checkpoint: on a busy machine all random moments may come before the first.
            after_checkpoint = hits % 2 == 1
            if after_checkpoint:
                wait_for_checkpoint(child, checkpoint)
            time.sleep(draws.uniform(0, (0.2 if after_checkpoint else 0.6) * whole))
            os.kill(child, signal.SIGKILL if draws.random() < 0.8 else signal.SIGTERM)
        status = finish(child)
        hits += status in (-signal.SIGKILL, run.TRY_AGAIN)
        assert status in (0, -signal.SIGKILL, -signal.SIGTERM, run.TRY_AGAIN), log.read_text()
        if status == 0 and contents(job) != expected:
            different.append(f"life {lives}, after {hits} kills")
        assert status != 0 or not checkpoint.exists(), "a checkpoint is removed after success"
    resumed = log.read_text().count("going on from the checkpoint")
    return {"kills": hits, "resumed": resumed, "lives": lives, "different": different, "seconds": whole}


def main() -> None:
    """Kill one job of each kind repeatedly; run undisturbed what these jobs need."""
    folder, kills, seed, *kinds = sys.argv[1:]
    os.chdir(folder)
    draws, found = random.Random(int(seed)), {}
    for job in Plan(Study.model_validate(STUDY)).jobs:
        kind = next((kind for kind in kinds if job.name.startswith(KINDS[kind])), None)
        if kind is not None and kind not in found:
            found[kind] = kill_repeatedly(job, int(kills), draws)
        elif "evaluation" in kinds and job.step in ("cell_search", "random_search", "derive_architectures"):
            assert run.main(command(job)) == 0
    print(json.dumps(found))


if __name__ == "__main__":
    main()
