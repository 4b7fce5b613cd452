"""A study at one moment: jobs done and left, jobs that run, jobs that failed, and how long the rest will take.

Everything is read from the files that jobs write; nothing is written, and no lock is taken.
"""

import json
import statistics
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from workflow_scripts.provenance import attempts
from workflow_scripts.provenance.failed_jobs import FailedJob, failed_jobs_of
from workflow_scripts.provenance.job_states import RUNNING, RUNS, JobState, job_states
from workflow_scripts.provenance.record import Record
from workflow_scripts.provenance.staleness import record_or_fault
from workflow_scripts.runtime.folders import ATTEMPTS
from workflow_scripts.study.job import Job
from workflow_scripts.study.settings_model import Model, canonical
from workflow_scripts.watching.job_log import JobProgress, read_progress

SHARE = 0.1
"""Of the time that looking may take."""
OF_A_RUN = ("seed", "data_seed", "weight_seed", "l2", "drop_path")
"""Settings that differ between runs of one size."""


@dataclass(frozen=True)
class RunningJob:
    """A job that runs: by which process, since how many seconds, and what its log says; None where nothing is known."""

    name: str
    where: str
    seconds: float | None
    progress: JobProgress | None


@dataclass(frozen=True)
class StudyNow:
    """A study at one moment; `jobs` is how many it has, `waiting` how many are neither done nor run, by step.

    `work_left` are the seconds of all jobs that are left, one after another, without those in `unknown`, by step.
    """

    results: str
    jobs: int
    done: int
    waiting: Counter[str]
    running: tuple[RunningJob, ...]
    failed: tuple[FailedJob, ...]
    work_left: float
    unknown: Counter[str]

    @property
    def seconds_left(self) -> float:
        """Until the study ends, if as many jobs run at once as now."""
        return self.work_left / max(1, len(self.running))


class StudyWatch:
    """Looks at a study again and again; a record is read again only where its file changed."""

    def __init__(self, planned: Sequence[Job], results: str, folder: Path = Path()) -> None:
        """The study of these jobs; paths are from `folder`."""
        self.planned, self.results, self.folder = planned, results, folder
        self.sizes = {job.record: _size(job.step, job.settings) for job in planned}
        self.records: dict[Path, tuple[tuple[int, int], Record | str | None]] = {}

    def looks(self, seconds: float) -> Iterator[StudyNow]:
        """The study again and again until every job is done, `seconds` between two looks at least.

        What is done with a look counts as looking. Raises as `look`.
        """
        while True:
            begun = time.monotonic()
            now = self.look()
            yield now
            if now.done == now.jobs:
                return
            time.sleep(max(seconds, (time.monotonic() - begun) / SHARE))

    def look(self) -> StudyNow:
        """The study now. Raises ValueError where a waiver is not sound."""
        states = job_states(self.planned, self.results, self.folder, read=self._record, by_content=False)
        running = {each.job.record: self._running(each) for each in states if each.state == RUNNING}
        waiting = [each for each in states if each.state in RUNS]
        work, unknown, typical = 0.0, Counter[str](), self._typical_seconds()
        for each in states:
            if each.state not in (*RUNS, RUNNING):
                continue
            expected = typical.get(self.sizes[each.job.record], typical.get(each.job.step))
            runs = running.get(each.job.record)
            seconds = expected if runs is None else _left(runs, expected)
            if seconds is None:
                unknown[each.job.step] += 1
            else:
                work += seconds
        return StudyNow(
            results=self.results,
            jobs=len(states),
            done=len(states) - len(waiting) - len(running),
            waiting=Counter(each.job.step for each in waiting),
            running=tuple(running.values()),
            failed=tuple(failed_jobs_of(self.planned, self.folder)),
            work_left=work,
            unknown=unknown,
        )

    def _record(self, file: Path) -> Record | str | None:
        try:
            facts = file.stat()
        except OSError:
            return record_or_fault(file)
        version, known = (facts.st_mtime_ns, facts.st_size), self.records.get(file)
        if known is None or known[0] != version:
            known = self.records[file] = version, record_or_fault(file)
        return known[1]

    def _typical_seconds(self) -> dict[str, float]:
        """The median of recorded times: by step, and by step and size."""
        times: dict[str, list[float]] = {}
        for _, record in self.records.values():
            if isinstance(record, Record) and not record.is_copy:
                times.setdefault(record.step, []).append(record.seconds)
                times.setdefault(_size(record.step, record.settings), []).append(record.seconds)
        return {kind: statistics.median(each) for kind, each in times.items()}

    def _running(self, state: JobState) -> RunningJob:
        job = state.job
        traces = attempts.read(self.folder / job.root / ATTEMPTS / f"{job.name}.jsonl", job.name)
        progress = read_progress(self.folder / job.log)
        return RunningJob(job.name, state.reasons[0], _since(traces.entries), progress)


def _size(step: str, settings: Model | Mapping[str, Any]) -> str:
    """A step and the settings that decide how long it takes, as text."""
    return f"{step} {canonical({'settings': _without_runs(json.loads(canonical(settings)))})}"


def _without_runs(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_runs(each) for name, each in value.items() if name not in OF_A_RUN}
    return [_without_runs(each) for each in value] if isinstance(value, list) else value


def _left(running: RunningJob, expected: float | None) -> float | None:
    """Seconds that a running job still takes, by its own pace or else by those recorded; None where neither says."""
    progress = running.progress
    if progress is not None and progress.left is not None:
        return progress.left
    return None if expected is None or running.seconds is None else max(0.0, expected - running.seconds)


def _since(entries: Sequence[Mapping[str, Any]]) -> float | None:
    """Seconds since the last attempt started."""
    started = [entry["started"] for entry in entries if "started" in entry]
    try:
        return max(0.0, (datetime.now(UTC) - datetime.fromisoformat(started[-1])).total_seconds())
    except (IndexError, TypeError, ValueError):
        return None
