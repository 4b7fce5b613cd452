"""What the workflow took for every job besides computing, from the files that a run left.

`cluster/submission_files.py` describes what a submission to a scheduler leaves; a job on this machine left none.
"""

from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from workflow_scripts.cluster.submission_files import Submission, submissions
from workflow_scripts.provenance import attempts
from workflow_scripts.provenance.record import Record, RecordError, read_record
from workflow_scripts.runtime.folders import ATTEMPTS
from workflow_scripts.study.job import Job

METADATA = Path(".snakemake/metadata")
"""Where Snakemake notes a job that ended, a file for each of its outputs."""
LONGEST_NAME = 254
"""Characters of one part of such a file's path."""


@dataclass(frozen=True)
class JobFacts:
    """One job of a rehearsal; times in seconds, None where no file states them."""

    name: str
    step: str
    done: bool
    """its record is there"""
    failed: bool
    """its last attempt left no result"""
    attempts: int
    """that the wrapper began"""
    submissions: int
    """to the scheduler; more than attempts where a job was lost before its wrapper began"""
    lost: tuple[str, ...]
    """why the scheduler lost submissions"""
    refused: float
    """how long the scheduler refused it"""
    waiting: float | None = None
    """from its submission to the start of its script"""
    start: float | None = None
    """from there to the wrapper's attempt, whose time is known to the second"""
    wrapper: float | None = None
    """what the script took besides that and besides the step"""
    noticing: float | None = None
    """from the script's end until Snakemake took note of it"""

    @property
    def on_the_node(self) -> float | None:
        """What the script took besides the step."""
        return None if self.start is None or self.wrapper is None else self.start + self.wrapper


def facts_of(job: Job, base: Path = Path()) -> JobFacts:
    """What is known of a job; paths of jobs are from `base`."""
    root = base / job.root
    traced = attempts.read(root / ATTEMPTS / f"{job.name}.jsonl", job.name)
    sent = submissions(root, job.name)
    record = _record(base / job.record)
    times = {} if record is None else _times(job, record, traced, sent, base)
    return JobFacts(
        name=job.name,
        step=job.step,
        done=record is not None,
        failed=traced.failure is not None,
        attempts=sum("started" in entry for entry in traced.entries),
        submissions=len(sent),
        lost=tuple(each.failure for each in sent if each.failure is not None),
        refused=sum(each.facts.get("refused_seconds", 0.0) for each in sent),
        **times,
    )


def _times(
    job: Job, record: Record, traced: attempts.Attempts, sent: list[Submission], base: Path
) -> dict[str, float | None]:
    """The times of the submission that ended well."""
    well = [each for each in sent if each.exit_status == 0 and each.began is not None and each.ended is not None]
    begun = [_seconds(each.get("started")) for each in traced.entries if each.get("attempt") == record.attempt]
    if not well or not begun or begun[0] is None:
        return {}
    one, attempt = well[-1], begun[0]
    assert one.began is not None and one.ended is not None
    submitted = _seconds(one.facts.get("submitted"))
    return {
        "waiting": None if submitted is None else max(0.0, one.began - submitted),
        "start": max(0.0, attempt - one.began),
        "wrapper": max(0.0, one.ended - max(attempt, one.began) - record.seconds),
        "noticing": _noticing(job, one.ended, base),
    }


def _noticing(job: Job, ended: float, base: Path) -> float | None:
    noted = [place.stat().st_mtime for output in job.writes if (place := noted_at(output, base)).is_file()]
    return max(0.0, max(noted) - ended) if noted else None


def noted_at(output: str, base: Path = Path()) -> Path:
    """The file that Snakemake writes when it takes note that an output was made."""
    name = urlsafe_b64encode(output.encode()).decode()
    parts = [name[first : first + LONGEST_NAME] for first in range(0, len(name), LONGEST_NAME)]
    return base.joinpath(METADATA, *(f"@{part}" for part in parts[:-1]), parts[-1])


def _record(file: Path) -> Record | None:
    try:
        return read_record(file)
    except (OSError, RecordError):
        return None


def _seconds(text: Any) -> float | None:
    """Seconds since 1970 of a time in ISO form."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except (TypeError, ValueError):
        return None
