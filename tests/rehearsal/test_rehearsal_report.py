"""The report on a rehearsal is computed from the files in its results folder."""

import json
import os
from contextlib import chdir
from datetime import UTC, datetime, timedelta

import pytest
import yaml
from workflow.workflow_copy import ROOT as REPOSITORY

from workflow_scripts.rehearsal import head_node
from workflow_scripts.rehearsal.made_up_results import Writer
from workflow_scripts.rehearsal.overhead import facts_of, noted_at
from workflow_scripts.rehearsal.rehearsal_report import report
from workflow_scripts.study.job_plan import Plan
from workflow_scripts.study.rehearsal import rehearsal_of
from workflow_scripts.study.study import Layer, load_study

TINY = yaml.safe_load((REPOSITORY / "tests/workflow/tiny.yaml").read_text())
RESULTS = "results/tiny-rehearsal"
BEGUN = datetime(2026, 1, 1, tzinfo=UTC)
LOAD = head_node.Load(
    seconds=100, processor_seconds=20, largest_share=1.5, largest_memory_mb=410, largest_load=3.2, processors=4
)


@pytest.fixture
def jobs():
    return list(Plan(rehearsal_of(load_study([Layer("tiny.yaml", TINY)]))).jobs)


def at(seconds, precision="milliseconds"):
    return (BEGUN + timedelta(seconds=seconds)).isoformat(timespec=precision)


def submit(base, job, number, **files):
    folder = base / RESULTS / "scheduler" / job.name / str(number)
    folder.mkdir(parents=True)
    for name, content in files.items():
        file = folder / (name if isinstance(content, str) else f"{name}.json")
        file.write_text(content if isinstance(content, str) else json.dumps(content))


def finish(base, job):
    """The record of a job whose step took one second, and its trace."""
    with chdir(base):
        Writer().job(job.root, job.name, job.step, {}, {}, job.writes)
    attempt(base, job, {"attempt": 1, "started": at(8, "seconds")}, {"attempt": 1, "ended": at(9), "failed": None})


def attempt(base, job, *entries):
    trace = base / RESULTS / "attempts" / f"{job.name}.jsonl"
    trace.parent.mkdir(parents=True, exist_ok=True)
    trace.write_text("".join(json.dumps(entry) + "\n" for entry in entries))


def note(base, job, seconds):
    for output in job.writes:
        file = noted_at(output, base)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        os.utime(file, ((BEGUN + timedelta(seconds=seconds)).timestamp(),) * 2)


def clock(seconds):
    return f"{(BEGUN + timedelta(seconds=seconds)).timestamp():.3f}"


@pytest.fixture
def rehearsed(tmp_path, jobs):
    """One search ran at once, one was lost and refused first, and a training failed."""
    one, other = (job for job in jobs if job.step == "cell_search")
    finish(tmp_path, one)
    submit(tmp_path, one, 1, submission={"id": "1", "submitted": at(0), "refused_seconds": 0.0})
    submit(tmp_path, one, 2, started="", submission={})  # cut short
    submit(
        tmp_path,
        one,
        10,
        submission={"id": "3", "submitted": at(0), "refused_seconds": 0.0},
        started=f"{clock(5.5)} node1\n",
        exit=f"0 {clock(10)}\n",
    )
    note(tmp_path, one, 13)
    finish(tmp_path, other)
    gone = {"noticed": at(3), "reason": "NODE_FAIL"}
    submit(tmp_path, other, 1, submission={"id": "4", "submitted": at(0), "refused_seconds": 61.0}, failure=gone)
    submit(
        tmp_path,
        other,
        2,
        submission={"id": "5", "submitted": at(6), "refused_seconds": 0.0},
        started=f"{clock(6.5)} node2\n",
        exit=f"0 {clock(9.5)}\n",
    )
    training = next(job for job in jobs if job.step == "evaluate_genotype")
    failed = {"attempt": 1, "ended": at(9), "failed": "OSError", "reason": "the disk is full"}
    attempt(tmp_path, training, {"attempt": 1, "started": at(8)}, failed)
    head_node.keep(LOAD, tmp_path / RESULTS)
    return tmp_path


def test_the_times_of_a_job_are_taken_from_the_submission_that_ended_well(rehearsed, jobs):
    one, other = (facts_of(job, rehearsed) for job in jobs if job.step == "cell_search")
    assert (one.waiting, one.start, one.wrapper, one.noticing) == pytest.approx((5.5, 2.5, 1.0, 3.0))
    assert (one.submissions, one.attempts, one.lost, one.refused) == (3, 1, (), 0.0)
    assert (other.waiting, other.start, other.wrapper) == pytest.approx((0.5, 1.5, 0.5))
    assert other.noticing is None, "Snakemake has not taken note of it"
    assert (other.submissions, other.lost, other.refused) == (2, ("NODE_FAIL",), 61.0)


def test_the_report_tells_jobs_failures_overhead_and_needs(rehearsed, jobs):
    lines = list(report(jobs, "tiny", 1000, RESULTS, rehearsed))
    cells = [line.split() for line in lines]
    assert lines[0] == f"{RESULTS}: {len(jobs)} jobs planned; the study tiny has 1,000"
    assert ["cell_search", "2", "2", "0", "2", "5"] in cells
    assert ["evaluate_genotype", "4", "0", "1", "1", "0"] in cells
    assert ["all", str(len(jobs)), "2", "1", "3", "5"] in cells
    assert any(line.endswith("the disk is full (2026-01-01T00:00:09.000+00:00)") for line in lines)
    assert "Lost by the scheduler: 1 times: NODE_FAIL" in lines
    assert "Refused by the scheduler for a while: 1 job, at most 1m01s" in lines
    rows = {words[0]: words[1:4] for words in cells if words}
    assert rows["waiting"] == ["3.0", "5.5", "2"]
    assert rows["start"] == ["2.0", "2.5", "2"]
    assert rows["wrapper"] == ["0.8", "1.0", "2"]
    assert rows["noticing"] == ["3.0", "3.0", "1"]
    assert (
        "Snakemake and what it started on its machine used at most 150% of a processor, 20% on average, and 410 MB; "
        "the machine's load was at most 3.2 of 4." in lines
    )
    assert "Beside computing, tiny will need for its 1,000 jobs, by 2 jobs of the rehearsal:" in lines
    assert "- on the nodes 45m50s, 2.8 s a job, by 2 jobs" in lines
    assert "- of a processor where Snakemake runs 2h46m, 10.00 s a job" in lines
    files = [path for path in (rehearsed / RESULTS / "records").rglob("*") if path.is_file()]
    kilobytes = sum(path.stat().st_size for path in files) / 2e3
    assert f"- in records/ {kilobytes:,.1f} MB in 1,000 files, {kilobytes:,.1f} kB a job" in lines
    assert any(line.startswith("- in scheduler/ ") for line in lines)


def test_a_rehearsal_that_has_not_begun_is_told_without_numbers(tmp_path, jobs):
    lines = list(report(jobs, "tiny", 1000, RESULTS, tmp_path))
    assert "No job was submitted to a scheduler, so there are no times of waiting and starting." in lines
    assert "The load of this machine was not watched." in lines
    assert lines[-1] == "No job is done, so what tiny will need is not known."


def test_damaged_files_of_a_scheduler_are_passed_over(rehearsed, jobs):
    one = next(job for job in jobs if job.step == "cell_search")
    folder = rehearsed / RESULTS / "scheduler" / one.name / "10"
    for name in ("submission.json", "started", "exit"):
        (folder / name).write_text("[0 \x00")
    facts = facts_of(one, rehearsed)
    assert (facts.done, facts.waiting, facts.start) == (True, None, None)
