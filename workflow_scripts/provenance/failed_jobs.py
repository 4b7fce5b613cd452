"""Every job that left no result and does not run now, and why: from its attempts, and what its scheduler reported."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from workflow_scripts.cluster.submission_files import Submission, latest_submissions
from workflow_scripts.provenance.attempts import LOG_BEGINS, Attempts, all_attempts
from workflow_scripts.runtime.folders import LOGS
from workflow_scripts.runtime.job_lock import holder
from workflow_scripts.runtime.untrusted_files import UnreadableError, end_of_regular
from workflow_scripts.study.job import Job

LOG_LINES, END_BYTES = 3, 10_000
WIDTH = 160


@dataclass(frozen=True)
class FailedJob:
    """A job without a result: why, and its logs by what they are."""

    job: str
    why: str
    logs: dict[str, Path]

    def lines(self) -> Iterator[str]:
        """Why, and the last lines of every log, without settings."""
        yield f"{self.job}: {self.why}"
        for name, log in self.logs.items():
            yield f"    {name}: {log}"
            with suppress(FileNotFoundError, UnreadableError):
                lines = end_of_regular(log, END_BYTES).decode(errors="replace").splitlines()
                said = [line for line in lines if not LOG_BEGINS.match(line)]
                yield from (f"    | {line[:WIDTH]}" for line in said[-LOG_LINES:])


def failed_jobs(root: Path) -> Iterator[FailedJob]:
    """Every job whose last attempt or submission left no result, and that does not run now; sorted by name."""
    attempts = {each.job: each for each in all_attempts(root)}
    submissions = latest_submissions(root)
    for job in sorted({*attempts, *submissions}):
        submission = submissions.get(job)
        reasons = list(_reasons(attempts.get(job, Attempts(job, [])), submission))
        if reasons and holder(root, job) is None:
            logs = {"log": root / LOGS / f"{job}.log"}
            logs |= {} if submission is None else {"scheduler's log": submission.output}
            yield FailedJob(job, "; ".join(reasons), logs)


def failed_jobs_of(planned: Iterable[Job], base: Path = Path()) -> Iterator[FailedJob]:
    """The failed jobs of a study, not those that it no longer has; paths are from `base`."""
    names = {(job.root, job.name) for job in planned}
    for root in sorted({root for root, _ in names}):
        yield from (each for each in failed_jobs(base / root) if (root, each.job) in names)


def failures(root: Path) -> Iterator[str]:
    """The lines of all failed jobs of a results folder."""
    return (line for failed in failed_jobs(root) for line in failed.lines())


def _reasons(attempts: Attempts, submission: Submission | None) -> Iterator[str]:
    if attempts.fault is not None:
        yield f"the trace of its attempts cannot be read: {attempts.fault}"
    if attempts.failure is not None:
        yield attempts.failure
    if submission is None:
        return
    number = submission.facts.get("id")
    last = next((entry for entry in reversed(attempts.entries) if "started" in entry), None)
    began = last is not None and str(last.get("job")) == str(number)
    if attempts.failure is None and attempts.entries and (began or submission.exit_status == 0):
        return
    if submission.failure is not None:
        yield submission.failure
    elif submission.waiting is not None:
        yield f"scheduler's job {number} waits, and will until something changes: {submission.waiting}"
    elif submission.exit_status not in (None, 0) and not began:
        yield f"scheduler's job {number} ended with status {submission.exit_status} before the job's wrapper began"
