"""What is measured in two checkouts in turn, by part: our side of each comparison, without the other.

Run with the code of one checkout (checkout_process.py). A part imports what it measures only when it is asked for, so
that an earlier checkout without it can still run the other parts.
"""

from collections.abc import Callable, Iterator

from workflow_scripts.benchmark.paired_timing import Work

EPOCHS = 100
"""Of a depth training: the same in both checkouts."""

Works = Iterator[Work]


def small() -> Works:
    """Search steps at the small setting."""
    from workflow_scripts.benchmark.cell_search import SMALL, Pair

    yield from Pair("s2", SMALL).steps().values()


def paper() -> Works:
    """Search steps at paper size."""
    from workflow_scripts.benchmark.cell_search import PAPER, Pair

    yield from Pair("s2", PAPER).steps().values()


def random_search() -> Works:
    """Steps of random search with weight sharing."""
    import torch

    from workflow_scripts.benchmark.cell_search import SMALL, Pair, random_search_work

    for space in ("s2", "s5"):
        yield random_search_work(Pair(space, SMALL), torch.Generator().manual_seed(5))


def curvature() -> Works:
    """The dominant eigenvalue."""
    from workflow_scripts.benchmark.cell_search import SMALL, Pair, curvature_work

    pair = Pair("s2", SMALL)
    yield curvature_work(pair, pair.alpha_batch())


def evaluation() -> Works:
    """A step of training a genotype."""
    from workflow_scripts.benchmark.genotype_training import evaluation_work

    yield evaluation_work()


def depth() -> Works:
    """Trainings of the depth search."""
    from workflow_scripts.benchmark.depth import depth_work

    for max_depth in (5, 20, 50, 100):
        yield depth_work(max_depth, EPOCHS)


def data() -> Works:
    """A batch of images."""
    from workflow_scripts.benchmark.cell_search import PAPER, Pair, data_work

    yield data_work(Pair("s2", PAPER))


def jobs() -> Works:
    """The graph of jobs of the full grids."""
    from workflow_scripts.benchmark.workflow import graph_work

    yield graph_work()


def audit() -> Works:
    """Verifying a results folder."""
    from workflow_scripts.benchmark.verification import verification_work

    yield from verification_work()


def start() -> Works:
    """From the start of a job's command to its search's first epoch."""
    from workflow_scripts.benchmark.job_start import job_of_a_search

    with job_of_a_search() as job:
        yield job.work()


WORKS: dict[str, Callable[[], Works]] = {
    part.__name__: part
    for part in (small, paper, random_search, curvature, evaluation, depth, data, jobs, audit, start)
}
