"""The trace of attempts, and what is reported of the jobs that failed."""

import errno
from types import SimpleNamespace
from typing import Any

from workflow_scripts.provenance.attempts import all_attempts, append, begin, read
from workflow_scripts.provenance.failed_jobs import failed_jobs_of, failures
from workflow_scripts.runtime.failures import JobError, Stopped, sentence
from workflow_scripts.runtime.job_lock import job_lock, lock_file

MACHINE = {"host": "node1", "scheduler_job": "77"}


def test_failures_are_told_with_the_end_of_their_logs(tmp_path):
    for job, ends in {
        "good": [{"failed": None}],
        "mended": [{"failed": "ValueError", "reason": "bad"}, {"failed": None}],
        "broken": [{"failed": "OSError", "reason": "no space is left for a; free some"}],
        "group/killed": [],
    }.items():
        file = tmp_path / "attempts" / f"{job}.jsonl"
        for end in ends or [None]:
            number = begin(file, MACHINE)
            if end is not None:
                append(file, {"attempt": number, "ended": "2026-01-01T00:00:00+00:00", **end})
    log = tmp_path / "logs" / "broken.log"
    log.parent.mkdir()
    log.write_text('one\ntwo\nthree\nfour\n2026-01-01T00:00:00+00:00 figure {"settings": {}}\n')
    lines = list(failures(tmp_path))
    assert lines == [
        "broken: no space is left for a; free some (2026-01-01T00:00:00+00:00)",
        f"    log: {log}",
        "    | two",
        "    | three",
        "    | four",
        lines[5],
        f"    log: {tmp_path / 'logs/group/killed.log'}",
    ]
    assert lines[5].startswith("group/killed: attempt 1 (")
    assert "on node1, scheduler's job 77) did not end: it was killed (by a time limit" in lines[5]
    assert [attempts.job for attempts in all_attempts(tmp_path)] == ["broken", "good", "group/killed", "mended"]
    assert len(read(tmp_path / "attempts/mended.jsonl", "mended").ended_well) == 1


def test_a_job_that_the_study_no_longer_has_is_not_named(tmp_path):
    for name in ("kept", "dropped"):
        begin(tmp_path / f"results/tiny/attempts/{name}.jsonl", MACHINE)
    planned: list[Any] = [SimpleNamespace(root="results/tiny", name=name) for name in ("kept", "good")]
    assert [failed.job for failed in failed_jobs_of(planned, tmp_path)] == ["kept"]


def test_a_job_that_runs_has_not_failed(tmp_path):
    begin(tmp_path / "attempts/group/long.jsonl", MACHINE)
    with job_lock(lock_file(tmp_path, "group/long"), print):
        assert list(failures(tmp_path)) == []
    assert next(failures(tmp_path)).startswith("group/long: attempt 1 (")


def test_every_failure_is_a_sentence(tmp_path):
    full = OSError(28, "No space left on device")
    full.filename = "results/a.csv"
    denied = PermissionError(13, "Permission denied")
    denied.filename = "results"
    read_only = OSError(errno.EROFS, "Read-only file system", "results/logs")
    (tmp_path / "results").touch()
    in_the_way = NotADirectoryError(errno.ENOTDIR, "Not a directory", str(tmp_path / "results" / "logs" / "a"))
    assert sentence(full) == "no space is left for results/a.csv; free some, then start the workflow again"
    assert sentence(denied) == "results: there is no permission for this; change it, then start the workflow again"
    assert sentence(read_only).startswith("results/logs: its file system can only be read; make it writable, or put")
    assert sentence(in_the_way).startswith(f"{tmp_path / 'results'}: there is a file where a folder should be; move it")
    for error in (MemoryError(), RuntimeError("CUDA out of memory. Tried"), RuntimeError("can't allocate memory: 9")):
        assert sentence(error) == "there is not enough memory; give the job more, or run fewer at once"
    assert sentence(Stopped("SIGTERM")).startswith("it was stopped (SIGTERM); started again, it goes on")
    assert sentence(JobError("the input a\n is missing")) == "the input a is missing"
    assert sentence(KeyError("a")) == "KeyError('a')"
