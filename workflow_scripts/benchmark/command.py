"""How fast we are, against the plain reference or the naive way in the same process, or against an earlier checkout.

Each thing is done in both ways in turn, on one thread, data included. Times are medians over the rounds; ratios are
taken round by round, and shown with the lowest and the highest. The plain reference (workflow_scripts/reference) is the
published code's way in current PyTorch: it dispatches about as many operations, and its data loader is the published
one.

    python -m workflow_scripts.benchmark                                   everything; a quarter of an hour
    python -m workflow_scripts.benchmark --only depth data --rounds 3
    python -m workflow_scripts.benchmark --json benchmark.json

With --against, the other is what an earlier checkout does, such as a git worktree: each thing is done in both in turn,
by a process of each with the same Python and packages, and measured by this checkout's code.

    python -m workflow_scripts.benchmark --against ../earlier --only small evaluation
"""

import argparse
import os
import platform
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numba
import numpy as np
import torch

from workflow_scripts.benchmark import cell_search, memory, workflow
from workflow_scripts.benchmark.checkouts import against, is_checkout
from workflow_scripts.benchmark.depth import depth_run
from workflow_scripts.benchmark.genotype_training import evaluation_step
from workflow_scripts.benchmark.job_start import start_of_a_job
from workflow_scripts.benchmark.paired_timing import HEADER, Comparison
from workflow_scripts.benchmark.verification import verification
from workflow_scripts.runtime.command_line import documented_parser
from workflow_scripts.tables.files import write_json

SLOW_ROUNDS = 3  # of steps at paper size and of whole Hessians, at most

Found = Iterator[Comparison | tuple[str, dict[str, Any]]]


def small(rounds: int) -> Found:
    """Search steps at the small setting."""
    compared, counted = cell_search.search_steps("s2", cell_search.SMALL, rounds)
    yield from compared
    yield "arithmetic", counted


def paper(rounds: int) -> Found:
    """Search steps at paper size, and their memory."""
    compared, counted = cell_search.search_steps("s2", cell_search.PAPER, min(rounds, SLOW_ROUNDS))
    yield from compared
    yield "arithmetic", counted
    yield "peak memory", {"setting": counted["setting"]} | memory.peaks("s2", cell_search.PAPER)


def random_search(rounds: int) -> Found:
    """Steps of random search with weight sharing."""
    for space in ("s2", "s5"):
        yield cell_search.random_search_step(space, cell_search.SMALL, rounds)


def curvature(rounds: int) -> Found:
    """The dominant eigenvalue."""
    yield cell_search.curvature("s2", cell_search.SMALL, min(rounds, SLOW_ROUNDS))


def evaluation(rounds: int) -> Found:
    """A step of training a genotype."""
    yield evaluation_step(rounds)


def depth(rounds: int) -> Found:
    """Trainings of the depth search."""
    for max_depth in (5, 20, 50, 100):
        yield depth_run(max_depth, rounds)


def data(rounds: int) -> Found:
    """A batch of images."""
    yield cell_search.data_batch(rounds)


def jobs(rounds: int) -> Found:
    """The graph of jobs of the full grids."""
    yield "graph of jobs, config/paper.yaml", workflow.graph_of_jobs(min(rounds, SLOW_ROUNDS))


def audit(rounds: int) -> Found:
    """Verifying a results folder."""
    yield from verification(min(rounds, SLOW_ROUNDS))


def start(rounds: int) -> Found:
    """From the start of a job's command to its search's first epoch."""
    yield start_of_a_job(min(rounds, SLOW_ROUNDS))


PARTS: dict[str, Callable[[int], Found]] = {
    part.__name__: part
    for part in (small, paper, random_search, curvature, evaluation, depth, data, jobs, audit, start)
}


def main(arguments: list[str] | None = None) -> int:
    """Measure, print a table and write the JSON that was asked for; returns the exit status."""
    parser = documented_parser("benchmark", __doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--rounds", type=_positive, default=7, help="measurements of each, in turn (default 7)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write what was measured to this file")
    parser.add_argument("--against", type=_checkout, metavar="FOLDER", help="compare with this checkout, side by side")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    facts = machine()
    print(f"One thread; {', '.join(f'{key} {value}' for key, value in facts.items())}")
    print(HEADER)
    compared, counted, complaints = list[dict[str, Any]](), list[dict[str, Any]](), list[str]()
    for found in _found(options, complaints):
        if isinstance(found, Comparison):
            print(found.line(), flush=True)
            compared.append(found.numbers())
        else:
            name, numbers = found
            print(f"{name}: " + ", ".join(f"{key} {_short(value)}" for key, value in numbers.items()), flush=True)
            counted.append({"name": name, **numbers})
    print(*complaints, sep="\n", end="\n" if complaints else "", file=sys.stderr)
    if options.json:
        written = {"machine": facts, "compared": compared, "counted": counted}
        write_json(options.json, written)
    return 1 if complaints else 0


def _found(options: argparse.Namespace, complaints: list[str]) -> Found:
    """What the command line asks to measure; what cannot be measured is added to `complaints`."""
    if options.against is None:
        for part in options.only:
            yield from PARTS[part](options.rounds)
        return
    yield "load average", {"before": os.getloadavg()[0]}
    yield from against(options.against, options.only, options.rounds, complaints.append)
    yield "load average", {"after": os.getloadavg()[0]}


def machine() -> dict[str, str]:
    """The processor and the versions that decide how fast things are."""
    versions = {"torch": torch.__version__, "numba": numba.__version__, "numpy": np.__version__}
    return {"processor": _processor(), "Python": platform.python_version(), **versions}


def _processor() -> str:
    """The processor's name, where the system names it."""
    facts = Path("/proc/cpuinfo")
    named = [line for line in facts.read_text().splitlines() if line.startswith("model name")] if facts.exists() else []
    return named[0].partition(":")[2].strip() if named else platform.processor() or platform.machine()


def _short(value: Any) -> str:
    if isinstance(value, list):
        return "(" + " ".join(_short(each) for each in value) + ")"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return number


def _checkout(text: str) -> Path:
    if not is_checkout(folder := Path(text)):
        raise argparse.ArgumentTypeError(f"{text} is not a checkout of this project: it holds no workflow_scripts")
    return folder
