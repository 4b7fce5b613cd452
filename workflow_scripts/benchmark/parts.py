"""What is measured against the plain reference, or against the naive way, by part.

A part imports what it measures when it runs, so that the command line is read without torch.
"""

from collections.abc import Callable, Iterator
from typing import Any

from workflow_scripts.benchmark.paired_timing import Comparison

SLOW_ROUNDS = 3  # of steps at paper size and of whole Hessians, at most

Found = Iterator[Comparison | tuple[str, dict[str, Any]]]


def small(rounds: int) -> Found:
    """Search steps at the small setting."""
    from workflow_scripts.benchmark.cell_search import SMALL, search_steps

    compared, counted = search_steps("s2", SMALL, rounds)
    yield from compared
    yield "arithmetic", counted


def paper(rounds: int) -> Found:
    """Search steps at paper size, and their memory."""
    from workflow_scripts.benchmark.cell_search import PAPER, search_steps
    from workflow_scripts.benchmark.memory import peaks

    compared, counted = search_steps("s2", PAPER, min(rounds, SLOW_ROUNDS))
    yield from compared
    yield "arithmetic", counted
    yield "peak memory", {"setting": counted["setting"]} | peaks("s2", PAPER)


def random_search(rounds: int) -> Found:
    """Steps of random search with weight sharing."""
    from workflow_scripts.benchmark.cell_search import SMALL, random_search_step

    for space in ("s2", "s5"):
        yield random_search_step(space, SMALL, rounds)


def curvature(rounds: int) -> Found:
    """The dominant eigenvalue."""
    from workflow_scripts.benchmark.cell_search import SMALL, curvature

    yield curvature("s2", SMALL, min(rounds, SLOW_ROUNDS))


def evaluation(rounds: int) -> Found:
    """A step of training a genotype."""
    from workflow_scripts.benchmark.genotype_training import evaluation_step

    yield evaluation_step(rounds)


def depth(rounds: int) -> Found:
    """Trainings of the depth search."""
    from workflow_scripts.benchmark.depth import depth_run

    for max_depth in (5, 20, 50, 100):
        yield depth_run(max_depth, rounds)


def data(rounds: int) -> Found:
    """A batch of images."""
    from workflow_scripts.benchmark.cell_search import data_batch

    yield data_batch(rounds)


def jobs(rounds: int) -> Found:
    """The graph of jobs of the full grids."""
    from workflow_scripts.benchmark.workflow import graph_of_jobs

    yield "graph of jobs, config/paper.yaml", graph_of_jobs(min(rounds, SLOW_ROUNDS))


def audit(rounds: int) -> Found:
    """Verifying a results folder."""
    from workflow_scripts.benchmark.verification import verification

    yield from verification(min(rounds, SLOW_ROUNDS))


def start(rounds: int) -> Found:
    """From the start of a job's command to its search's first epoch."""
    from workflow_scripts.benchmark.job_start import start_of_a_job

    yield start_of_a_job(min(rounds, SLOW_ROUNDS))


PARTS: dict[str, Callable[[int], Found]] = {
    part.__name__: part
    for part in (small, paper, random_search, curvature, evaluation, depth, data, jobs, audit, start)
}
