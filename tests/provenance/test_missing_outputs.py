"""The check at the end of a run, on made-up results that lose outputs in one way at a time."""

import json
import os
import shutil
from pathlib import Path

import pytest
from unreadable_files import deep_file

from workflow_scripts.provenance.attempts import append, begin, read
from workflow_scripts.provenance.kept_outputs import MOST, keep, put_back_missing, snapshot
from workflow_scripts.rehearsal.made_up_results import make_results

ROOT, DATA = Path("results/made_up"), Path("data")
FOLDERS = (ROOT, DATA)
SEARCH = "cell_search/s1_cifar10/darts/l2-0.0003_drop-0_seed-1"
FOLDER = ROOT / "cells/searches/s1_cifar10/darts/l2-0.0003_drop-0_seed-1"
MACHINE = {"host": "node7", "scheduler_job": "4711"}
TITLE = "Outputs of finished jobs were removed or changed from outside:"


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    base = tmp_path_factory.mktemp("made_up")
    make_results(base, searches=12)
    return base


@pytest.fixture(autouse=True)
def results(original, tmp_path, monkeypatch):
    """A folder with results, in which jobs keep their outputs, and where the process runs."""
    shutil.copytree(original, tmp_path / "base")
    monkeypatch.chdir(tmp_path / "base")
    for root in FOLDERS:
        for file in (root / "records").rglob("*.json"):
            record = json.loads(file.read_bytes())
            keep(root, record["job"], record["outputs"])


def attempt(job=SEARCH, root=ROOT, failed=None):
    """Leave the trace of an attempt."""
    trace = root / "attempts" / f"{job}.jsonl"
    append(trace, {"attempt": begin(trace, MACHINE), "ended": "2026-01-01T00:00:00+00:00", "failed": failed})


def test_a_run_whose_outputs_are_there_is_told_nothing():
    before = snapshot(FOLDERS)
    attempt()
    assert put_back_missing(before, FOLDERS) == []


def test_deep_folders_and_links_among_the_traces_are_no_hindrance():
    attempt()
    (ROOT / "attempts" / "link.jsonl").symlink_to("nowhere")
    with deep_file(ROOT / "attempts" / "deep") as end:
        end = end.rename(end.with_suffix(".jsonl"))
        before = snapshot(FOLDERS)
        assert end in before and ROOT / "attempts" / "link.jsonl" not in before
        attempt()
        assert put_back_missing(before, FOLDERS) == []


def test_what_was_removed_is_put_back_and_told():
    (FOLDER / "alphas.npz").touch()
    attempt()
    before = snapshot(FOLDERS)
    attempt()
    content, time = (FOLDER / "alphas.npz").read_bytes(), (FOLDER / "alphas.npz").stat().st_mtime_ns
    (FOLDER / "alphas.npz").unlink()
    line = (
        f"  {SEARCH}: {FOLDER}/alphas.npz went after the job had ended; it was put back from {ROOT}/.kept; "
        "start the same command again"
    )
    assert put_back_missing(before, FOLDERS) == [TITLE, line]
    assert (FOLDER / "alphas.npz").read_bytes() == content
    assert (FOLDER / "alphas.npz").stat().st_mtime_ns == time, "what was made from it does not look outdated"
    begun, ended = read(ROOT / "attempts" / f"{SEARCH}.jsonl", SEARCH).entries[-2:]
    assert (begun["attempt"], ended["failed"], ended["put_back"]) == (3, None, 1)
    assert put_back_missing(before, FOLDERS) == []


def test_a_whole_folder_that_was_removed_is_put_back():
    before = snapshot(FOLDERS)
    attempt()
    shutil.rmtree(FOLDER)
    [_, line] = put_back_missing(before, FOLDERS)
    assert " and 5 more of its outputs went after the job had ended; all were put back from " in line
    assert len(list(FOLDER.iterdir())) == 6


def test_jobs_of_earlier_runs_are_not_looked_at():
    attempt()
    before = snapshot(FOLDERS)
    attempt(failed="JobError")
    (FOLDER / "alphas.npz").unlink()
    assert put_back_missing(before, FOLDERS) == []
    assert not (FOLDER / "alphas.npz").exists()


def test_a_new_record_is_the_end_of_a_job_whose_trace_is_lost():
    before = snapshot(FOLDERS)
    os.utime(ROOT / "records" / f"{SEARCH}.json")
    (FOLDER / "alphas.npz").unlink()
    assert [line.split(": ")[0] for line in put_back_missing(before, FOLDERS)[1:]] == [f"  {SEARCH}"]
    assert (FOLDER / "alphas.npz").exists()


def test_a_data_set_is_put_back_too():
    before = snapshot(FOLDERS)
    attempt("cifar10", DATA)
    (DATA / "cifar10.npz").unlink()
    [_, line] = put_back_missing(before, FOLDERS)
    assert line.startswith("  cifar10: data/cifar10.npz went after the job had ended; it was put back from data/.kept")
    assert (DATA / "cifar10.npz").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda: shutil.rmtree(ROOT / ".kept"), "cannot be put back, because the bytes of "),
        (lambda: (FOLDER / "alphas.npz").write_text("1"), f"; remove {FOLDER}/alphas.npz, then run `snakemake "),
        (lambda: begin(ROOT / "attempts" / f"{SEARCH}.jsonl", MACHINE), "went when the job was started again, and "),
    ],
)
def test_what_cannot_be_put_back_is_told_with_what_to_type(change, message):
    before = snapshot(FOLDERS)
    attempt()
    (FOLDER / "alphas.npz").unlink()
    change()
    [_, line] = put_back_missing(before, FOLDERS)
    assert line.startswith(f"  {SEARCH}: {FOLDER}/alphas.npz ")
    assert message in line
    assert line.endswith(f"run `snakemake {FOLDER}/alphas.npz` with the same options after it")


def test_a_record_that_is_gone_is_told():
    before = snapshot(FOLDERS)
    attempt()
    (ROOT / "records" / f"{SEARCH}.json").unlink()
    [_, line] = put_back_missing(before, FOLDERS)
    assert line.startswith(f"  {SEARCH}: its record {ROOT}/records/{SEARCH}.json cannot be read: it is not there")


def test_many_jobs_are_counted():
    before = snapshot(FOLDERS)
    jobs = sorted(
        file.relative_to(ROOT / "records").as_posix().removesuffix(".json")
        for file in (ROOT / "records/cell_search").rglob("*.json")
    )
    for job in jobs:
        attempt(job)
        next((ROOT / "cells/searches" / job.removeprefix("cell_search/")).iterdir()).unlink()
    lines = put_back_missing(before, FOLDERS)
    assert len(jobs) > MOST
    assert [line.split(": ")[0] for line in lines[1:-1]] == [f"  {job}" for job in jobs[:MOST]]
    assert lines[-1] == f"  and {len(jobs) - MOST} more jobs"
    assert put_back_missing(before, FOLDERS) == [], "those not named are put back, too"
