"""What is measured in two checkouts in turn: the rows of the comparison with an earlier checkout.

Run with the code of one checkout (checkout_process.py). A row imports what it measures only when it is asked for, so
that an earlier checkout without it can still run the other rows. Each is a generator, which removes what it made when
it is closed.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Literal

from workflow_scripts.benchmark.paired_timing import Work

Works = Generator[Work]


@dataclass(frozen=True)
class Row:
    """A row, which may have several lines.

    `process` is `kept` where one process of each checkout measures every round after a first that does not count, `new`
    where each round has a process of its own, and `cold` where that process also has to compile its loops.
    Long rows take minutes and are asked for; they are measured once, and at once.
    """

    works: Callable[[], Works]
    process: Literal["kept", "new", "cold"] = "kept"
    long: bool = False


def first_order() -> Works:
    """Search steps of first order, at the size of the study `laptop`."""
    as_in_a_job()
    from workflow_scripts.benchmark.cell_search import LAPTOP, SHORT, Pair

    for space in ("s4", "s1"):
        yield Pair(space, LAPTOP).steps(SHORT)[1]


def second_order() -> Works:
    """Search steps of second order, at the small setting."""
    as_in_a_job()
    from workflow_scripts.benchmark.cell_search import SMALL, Pair

    yield Pair("s2", SMALL).steps()[2]


def second_order_paper() -> Works:
    """The same at paper size."""
    as_in_a_job()
    from workflow_scripts.benchmark.cell_search import PAPER, Pair

    yield Pair("s2", PAPER).steps()[2]


def training() -> Works:
    """Trainings from scratch, of three sizes."""
    as_in_a_job()
    from workflow_scripts.benchmark.genotype_training import TRAININGS, training_work

    for size in TRAININGS:
        yield training_work(size)


def curvature() -> Works:
    """The dominant eigenvalue, and the full Hessian."""
    as_in_a_job()
    from workflow_scripts.benchmark.cell_search import SMALL, Pair, curvature_work, hessian_work

    pair = Pair("s2", SMALL)
    batch = pair.alpha_batch()
    yield curvature_work(pair, batch)
    yield hessian_work(pair, batch)


def random_search() -> Works:
    """A step of random search with weight sharing."""
    as_in_a_job()
    import torch

    from workflow_scripts.benchmark.cell_search import SMALL, Pair, random_search_work

    yield random_search_work(Pair("s5", SMALL), torch.Generator().manual_seed(5))


def search() -> Works:
    """A whole search of the study `laptop`."""
    as_in_a_job()
    from workflow_scripts.benchmark.whole_search import search_work

    yield search_work("s4")


def cold_step() -> Works:
    """The first step of a search, which compiles its loops."""
    as_in_a_job()
    from workflow_scripts.benchmark.cell_search import LAPTOP, Pair

    yield Pair("s4", LAPTOP).first_step()


def image_depth() -> Works:
    """A training of the depth search on images."""
    as_in_a_job()
    from workflow_scripts.benchmark.depth import image_work

    yield image_work()


def job_start() -> Works:
    """From the start of a job's command to its search's first epoch."""
    from workflow_scripts.benchmark.job_start import job_of_a_search

    with job_of_a_search() as job:
        yield job.work()


def status() -> Works:
    """`make status` of the papers' grids."""
    from workflow_scripts.benchmark.workflow import status_works

    yield from status_works()


def demo() -> Works:
    """`make demo`."""
    from workflow_scripts.benchmark.workflow import study_works

    yield from study_works("demo")


def laptop() -> Works:
    """`make run STUDY=laptop`, without fetching its images."""
    from workflow_scripts.benchmark.workflow import study_works

    yield from study_works("laptop", first="data/fashion_mnist.npz")


def memory() -> Works:
    """The memory of search steps at paper size."""
    as_in_a_job()
    from workflow_scripts.benchmark.memory import memory_work

    yield memory_work()


def spiral_depth() -> Works:
    """Trainings of the depth search on spirals."""
    as_in_a_job()
    from workflow_scripts.benchmark.depth import depth_work

    for max_depth in (5, 20, 50, 100):
        yield depth_work(max_depth, epochs=100)


def data() -> Works:
    """A batch of images."""
    as_in_a_job()
    from workflow_scripts.benchmark.cell_search import PAPER, Pair, data_work

    yield data_work(Pair("s2", PAPER))


ROWS: dict[str, Row] = {
    "first_order": Row(first_order),
    "second_order": Row(second_order),
    "second_order_paper": Row(second_order_paper),
    "training": Row(training),
    "curvature": Row(curvature),
    "random_search": Row(random_search),
    "search": Row(search, long=True),
    "cold_step": Row(cold_step, process="cold"),
    "image_depth": Row(image_depth),
    "job_start": Row(job_start),
    "status": Row(status),
    "demo": Row(demo, long=True),
    "laptop": Row(laptop, long=True),
    "memory": Row(memory, process="new"),
    "spiral_depth": Row(spiral_depth),
    "data": Row(data),
}


def as_in_a_job() -> None:
    """Let the checkout's modules be found by today's names, and torch compute as in a job."""
    from workflow_scripts.benchmark.earlier_names import give_todays_names
    from workflow_scripts.runtime.device import make_deterministic

    give_todays_names()
    make_deterministic(1)
