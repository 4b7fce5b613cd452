"""What the jobs of a study leave on the disk besides their results.

Small files are counted as a study of 26 jobs and 69 outputs left them on ext4, in blocks of 4 kB.
"""

from collections.abc import Iterator, Sequence

from workflow_scripts.study.cell_job_settings import EvaluationJob, SearchJob, SelectionJob, SupernetJob
from workflow_scripts.study.depth_settings import DepthRun
from workflow_scripts.study.image_sets import load_image_set
from workflow_scripts.study.job import Job

RECORD, ATTEMPTS, LOG = 7_700, 4_100, 4_100
"""Bytes of a job's record, of the trace of its attempts and of its log."""
LOG_OF_AN_EPOCH = 80
"""Bytes that each epoch of a search or a training adds to the log."""
POINTER, METADATA = 4_100, 5_500
"""Bytes of an output's pointer to its job, and of what Snakemake notes of it."""
SUBMISSION = 12_000
"""Bytes of the script, marks and log that a scheduler's job leaves."""
KEPT = (
    "Kept bytes of results are hard links: no more while the results are there, as much as those once they are removed."
)


def image_counts(job: EvaluationJob) -> tuple[int, int]:
    """Training and test images of a training."""
    entry, subset = load_image_set(job.images.data_set), job.training.subset
    return subset.train or entry.train_images, subset.test or entry.test_images


def training_of(job: SelectionJob) -> EvaluationJob:
    """The brief training of each candidate of a selection."""
    return EvaluationJob(images=job.images, training=job.training, seed=1, layout=job.layout)


def beside_results(jobs: Sequence[Job], at_once: int) -> Iterator[str]:
    """Lines that say what the jobs leave, and how large the checkpoints of `at_once` running jobs are."""
    count, outputs = len(jobs), sum(len(job.writes) for job in jobs)
    logs = sum(LOG + LOG_OF_AN_EPOCH * _epochs(job) for job in jobs)
    sizes = sorted(((checkpoint_bytes(job), job.step) for job in jobs), reverse=True)
    (largest, step), running = sizes[0], sum(size for size, _ in sizes[:at_once])
    yield "Besides results, MB on disk:"
    yield _line("records, attempts", count * (RECORD + ATTEMPTS))
    yield _line("logs", logs)
    yield _line("notes on outputs", outputs * (POINTER + METADATA))
    yield _line("scheduler's files", count * SUBMISSION, "where there is one, of one submission a job")
    explained = (
        f"at most, of {at_once} jobs at once; one of {step} has {largest / 1e6:.1f}; each goes when its job ends"
    )
    yield _line("checkpoints", running, explained)
    yield KEPT
    yield "make tidy removes what finished jobs left."


def checkpoint_bytes(job: Job) -> int:
    """Bytes of a job's checkpoint while it runs; 0 where its step keeps none. Loads torch where it keeps one."""
    settings = job.settings
    if not isinstance(settings, SearchJob | SupernetJob | EvaluationJob | SelectionJob) and job.step != "depth_search":
        return 0
    from workflow_scripts.benchmark import checkpoints

    if isinstance(settings, SearchJob):
        return checkpoints.search_checkpoint(settings)
    if isinstance(settings, SupernetJob):
        return checkpoints.search_checkpoint(settings.search)
    if isinstance(settings, EvaluationJob):
        return checkpoints.training_checkpoint(settings, image_counts(settings)[0])
    if isinstance(settings, SelectionJob):
        return checkpoints.training_checkpoint(training_of(settings), settings.weight_images)
    assert isinstance(settings, dict)
    return checkpoints.depth_checkpoint([DepthRun.model_validate(run) for run in settings["runs"].values()])


def _epochs(job: Job) -> int:
    """Lines of progress in a job's log; a depth run has few."""
    settings = job.settings
    if isinstance(settings, SearchJob):
        return settings.search.epochs
    if isinstance(settings, EvaluationJob):
        return settings.training.epochs
    return settings.training.epochs * (len(job.reads) - 1) if isinstance(settings, SelectionJob) else 0


def _line(name: str, size: int, remark: str = "") -> str:
    return f"{name:<24}{size / 1e6:>10.1f}   {remark}".rstrip()
