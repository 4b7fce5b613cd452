"""Watching a study on made-up folders: done, running, failed, killed, stale, and nothing at all."""

import io
import os
import pty
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from workflow_scripts import watch
from workflow_scripts.provenance import attempts
from workflow_scripts.rehearsal.made_up_results import Writer
from workflow_scripts.runtime.job_lock import job_lock, lock_file
from workflow_scripts.runtime.progress import Console as JobConsole
from workflow_scripts.study.job import Job
from workflow_scripts.watching.job_log import progress_of
from workflow_scripts.watching.study_now import StudyWatch
from workflow_scripts.watching.view import View, curve

REPOSITORY = Path(__file__).parents[1]
DEMO = REPOSITORY / "config/demo.yaml"
RESULTS = "results/made_up"
ROOT = Path(RESULTS)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def search(seed, epochs=5):
    name = f"cell_search/s4_digits/darts/seed-{seed}"
    outputs = {"history": [f"{RESULTS}/{name}/history.csv"]}
    return Job(name, "cell_search", {"epochs": epochs, "seed": seed}, {}, outputs, RESULTS)


def make(*jobs):
    for job in jobs:
        Writer().job(job.root, job.name, job.step, job.settings, job.inputs, job.writes)


def begin(job):
    attempts.begin(ROOT / f"attempts/{job.name}.jsonl", {"host": "node1", "scheduler_job": None})
    log = Path(job.log)
    log.parent.mkdir(parents=True, exist_ok=True)
    return log.open("a")


def report(log, done, total=5, **values):
    """What a search reports of epochs up to `done`, one second each."""
    times = iter(range(100))
    console = JobConsole("search", log, console=io.StringIO(), clock=lambda: next(times))
    for epoch in range(1, done + 1):
        console.advance(epoch, total, f"train loss {1 / epoch:.3f}, validation error {90 - epoch:.1f} %")


def shown(*jobs, width=200, terminal=False, everything=False):
    console = Console(file=io.StringIO(), width=width, force_terminal=terminal, highlight=False)
    console.print(View(StudyWatch(jobs, RESULTS).look(), everything))
    return console.file.getvalue().splitlines()


def test_an_empty_study_and_one_that_is_done():
    assert shown(search(1), search(2)) == [
        f"{RESULTS}: 0 of 2 jobs done, no job runs now, 2 left",
        "Time left: unknown; no times are recorded of jobs like those that are left.",
        "left: 2 cell_search",
    ]
    make(search(1), search(2))
    assert shown(search(1), search(2)) == [f"{RESULTS}: 2 of 2 jobs done, no job runs now", "Nothing is left to do."]


def test_a_study_with_jobs_in_every_state():
    jobs = [search(seed) for seed in range(1, 6)]
    done, runs, failed, killed, waits = jobs
    make(done)
    with begin(runs) as log:
        log.write("2026-01-01T00:00:00+00:00 cell_search {}\n")
        report(log, 3)
    with begin(failed) as log:
        log.write("one\nthe last [red]words[/red] of it\x1b[2J\n")
    file = ROOT / f"attempts/{failed.name}.jsonl"
    attempts.append(file, {"attempt": 1, "ended": "2026-01-01", "failed": "JobError", "reason": "no space is left"})
    begin(killed).close()
    lock_file(ROOT, killed.name).parent.mkdir()
    lock_file(ROOT, killed.name).with_suffix(".owner").write_text("{}")
    lock_file(ROOT, killed.name).touch()
    with job_lock(lock_file(ROOT, runs.name), print):
        lines = shown(*jobs)
        small = shown(*jobs, width=30, terminal=True)
    assert lines[0] == f"{RESULTS}: 1 of 5 jobs done, 1 run, 2 failed, 3 left"
    assert lines[1] == "Time left: 5s, if 1 run at once as now."
    assert lines[3] == f"runs: {runs.name}"
    assert lines[4].startswith("  3/5, 2s left  (host ")
    assert lines[5:7] == ["  █▃▁  train loss 0.333", "  █▅▁  validation error % 87"]
    text = "\n".join(lines[7:])
    assert f"failed: {failed.name}: no space is left (2026-01-01)" in text
    assert r"    | the last [red]words[/red] of it\x1b[2J" in text
    assert f"failed: {killed.name}: attempt 1 (" in text
    assert "did not end: it was killed" in text
    assert waits.name not in text
    assert any("━" in line for line in small), "a bar"
    assert max(len(line.split("m")[-1]) for line in small) <= 30


def test_times_are_those_of_jobs_of_the_same_size():
    jobs = [search(1, 5), search(2, 5), search(3, 50), search(4, 500)]
    make(jobs[0], jobs[2])
    watched = StudyWatch(jobs, RESULTS)
    assert watched.look().work_left == 2.0, "a second each, as made up"
    for file, (version, record) in watched.records.items():
        seconds = 10.0 if file.name == "seed-3.json" else 4.0
        watched.records[file] = version, record.model_copy(update={"seconds": seconds})
    assert watched.look().work_left == 4.0 + 7.0, "that of 5 epochs, and the median of all"


def test_a_record_that_changed_is_read_again():
    job = search(1)
    watched = StudyWatch([job], RESULTS)
    assert watched.look().done == 0
    make(job)
    assert watched.look().done == 1
    Path(job.record).write_text("{}")
    assert watched.look().done == 0


def test_a_job_of_other_settings_is_left():
    make(search(1))
    now = StudyWatch([replace(search(1), settings={"epochs": 6, "seed": 1})], RESULTS).look()
    assert (now.done, now.waiting) == (0, {"cell_search": 1})


def test_what_ran_longer_than_expected_and_what_is_not_known():
    make(search(1))
    other = Job("other", "other_step", {}, {}, {"a": [f"{RESULTS}/a"]}, RESULTS)
    started = {"attempt": 1, "started": "2026-01-01T00:00:00+00:00", "host": "node1", "job": None}
    attempts.append(ROOT / f"attempts/{search(2).name}.jsonl", started)
    with job_lock(lock_file(ROOT, search(2).name), print):
        lines = shown(search(1), search(2), search(3), other)
    assert lines[1] == "Time left: 1s, if 1 run at once as now; no times are recorded of 1 other_step."


def test_progress_is_that_of_the_last_attempt():
    attempt = '2026-01-01T00:00:00+00:00 cell_search {"step": 1}'
    first = [attempt, *(f"{done}/9  train loss 0.{done}  1h02m left" for done in (1, 2, 3))]
    found = progress_of(first)
    assert (found.done, found.total, found.left) == (3, 9, 3720.0)
    assert [(point.done, point.values) for point in found.curve] == [(n, {"train loss": n / 10}) for n in (1, 2, 3)]
    assert progress_of([*first, attempt]) is None
    resumed = [*first, attempt, "going on from the checkpoint, at epoch 2", "3/9  train loss 0.7  9s left"]
    assert [point.values["train loss"] for point in progress_of(resumed).curve] == [0.1, 0.2, 0.7]
    back = [*first, "the stop rule fired: back to epoch 0", "2/9  train loss 0.8, eigenvalue -1e-3"]
    assert [point.values for point in progress_of(back).curve] == [
        {"train loss": 0.1},
        {"train loss": 0.8, "eigenvalue": -0.001},
    ]
    depth = progress_of(["10/40  a-run  ELBO -12.5  5s left", "20/40  b  finished after 12 epochs"])
    assert [(point.part, point.values) for point in depth.curve] == [("a-run", {"ELBO": -12.5}), ("b", {})]
    assert progress_of(["MB of a file", "", "7", "1/2 x", "1.2.3"]) is None


def test_a_curve_has_its_extremes_and_fits():
    assert curve([1, 2, 3], 24) == "▁▅█"
    assert curve([5.0], 24) == curve([5.0, 5.0], 1) == "▁"
    assert len(curve(list(range(1000)), 24)) == 24
    assert curve(list(range(16)), 8) == "▁▂▃▄▅▆▇█"


def test_the_command_looks_once_where_no_terminal_is(capsys):
    assert watch.main([str(DEMO)]) == 0
    assert capsys.readouterr().out.startswith("results/demo: 0 of 35 jobs done, no job runs now, 35 left\nTime left: u")
    assert not any(Path().iterdir()), "it only looks"
    assert watch.main(["config/none.yaml"]) == 2
    assert "config/none.yaml: there is no such study" in capsys.readouterr().err


def test_it_watches_until_every_job_is_done(monkeypatch):
    jobs = [search(1), search(2)]
    make(jobs[0])
    monkeypatch.setattr(time, "sleep", lambda _: make(jobs[1]))
    console = Console(file=io.StringIO(), force_terminal=True, width=60, highlight=False)
    watch._watch(StudyWatch(jobs, RESULTS), console, False)
    assert "1 of 2 jobs done" in console.file.getvalue()
    assert "2 of 2 jobs done" in console.file.getvalue()


def test_on_a_terminal_it_goes_on_until_it_is_interrupted():
    master, slave = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "TERM": "xterm", "COLUMNS": "40", "LINES": "30"}
    command = [sys.executable, "-m", "workflow_scripts.watch", str(DEMO)]
    process = subprocess.Popen(
        # Ctrl-C counts, also where the tests themselves were started in the background of a shell.
        command,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        stdout=slave,
        stderr=slave,
        env=environment,
    )
    os.close(slave)
    printed = b""
    while b"left: " not in printed:
        printed += os.read(master, 4096)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    os.close(master)
    assert b"Traceback" not in printed
