"""What jobs left behind goes, what anybody may need stays, and the audit says the same before and after."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from workflow_scripts.provenance.ledger import read_ledger
from workflow_scripts.provenance.verify import verify
from workflow_scripts.rehearsal.made_up_results import make_results
from workflow_scripts.runtime.job_lock import job_lock
from workflow_scripts.tidy import OLD_SECONDS, TidyError, tidy

REPOSITORY = Path(__file__).parents[1]
DONE = "cell_search/s1_cifar10/darts/l2-0.0003_drop-0_seed-1"
KILLED = "cell_search/s2_cifar10/darts/l2-0.0003_drop-0_seed-1"
"""Finished once, then begun anew and killed."""
DROPPED = "cell_search/s3_cifar10/darts/l2-0.0003_drop-0_seed-1"
"""No longer in the study, and never finished."""


def write(file, text="left behind"):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def attempt(root, job, *entries):
    lines = [json.dumps({"attempt": number, **entry}) for number, entry in entries]
    write(root / "attempts" / f"{job}.jsonl", "\n".join(lines) + "\n")


@pytest.fixture
def root(tmp_path):
    root = make_results(tmp_path, 4)
    ended = [(1, {"started": "then"}), (1, {"ended": "then", "failed": None})]
    attempt(root, DONE, *ended)
    attempt(root, KILLED, *ended, (2, {"started": "later", "host": "node"}))
    (root / "records" / f"{DROPPED}.json").unlink()
    attempt(root, DROPPED, (1, {"started": "then", "host": "node"}))
    return root


@pytest.fixture
def planned(root):
    names = {
        path.relative_to(root / "records").with_suffix("").as_posix() for path in (root / "records").rglob("*.json")
    }
    assert {DONE, KILLED} <= names
    return names


def left_by(root, job):
    """What a job leaves that was killed and, with a scheduler, was submitted twice."""
    return [
        write(root / ".checkpoints" / f"{job}.pt"),
        write(root / ".scratch" / job / "history" / "0" / "history.csv"),
        write(root / "scheduler" / job / "1" / "log"),
        write(root / "scheduler" / job / "2" / "log"),
    ]


def state(root):
    """Every file of a folder and its bytes."""
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_what_finished_and_dropped_jobs_left_goes_and_nothing_else(root, planned):
    before = state(root)
    gone = [*left_by(root, DONE), *left_by(root, DROPPED)]
    killed = left_by(root, KILLED)
    removed = tidy(root, planned)
    assert not any(path.exists() for path in gone)
    assert not (root / "scheduler" / DONE).exists()
    assert all(path.exists() for path in killed), "it goes on from its checkpoint"
    assert state(root) == before | {path: path.read_bytes() for path in killed}
    assert removed.files == {"checkpoints": 2, "scratch": 2, "scheduler": 4}
    assert removed.bytes == {kind: count * len("left behind") for kind, count in removed.files.items()}


def test_a_job_that_runs_is_left_alone(root, planned):
    left = left_by(root, DONE)
    lock = root / ".locks" / f"{DONE.replace('/', '.')}.lock"
    with job_lock(lock, print):
        removed = tidy(root, planned)
        assert all(path.exists() for path in (*left, lock, lock.with_suffix(".owner")))
        assert removed.running == {DONE}
    assert tidy(root, planned).running == set()
    assert not any(path.exists() for path in (*left, lock))


def test_a_dry_run_tells_the_same_and_removes_nothing(root, planned):
    for job in (DONE, DROPPED):
        left_by(root, job)
    write(root / ".locks" / "one.lock", "")
    before = state(root)
    expected = tidy(root, planned, dry_run=True)
    assert state(root) == before
    removed = tidy(root, planned)
    assert (expected.files, expected.bytes) == (removed.files, removed.bytes)
    assert removed.files["locks"] == 1


def test_locks_that_nobody_holds_go(root, planned):
    free = [write(root / ".locks" / name, "") for name in ("a.lock", "a.owner", "b.owner")]
    tidy(root, planned)
    assert not any(path.exists() for path in free)


def test_kept_bytes_stay_as_long_as_a_record_names_them(root, planned):
    record = json.loads((root / "records" / f"{DONE}.json").read_text())
    output = record["outputs"][0]
    link, copy = (root / ".kept" / DONE / each["sha256"] for each in record["outputs"][:2])
    link.parent.mkdir(parents=True)
    link.hardlink_to(root.parents[1] / output["path"])
    write(copy)  # the only one: the result is gone
    earlier = write(root / ".kept" / DONE / ("0" * 64))
    dropped = write(root / ".kept" / DROPPED / output["sha256"])
    damaged = write(root / ".kept" / KILLED / ("1" * 64))
    (root / "records" / f"{KILLED}.json").write_text("no record")
    removed = tidy(root, planned)
    assert link.exists()
    assert copy.exists()
    assert damaged.exists(), "a record that cannot be read may name it"
    assert not earlier.exists()
    assert not dropped.exists()
    assert removed.files == {"kept bytes": 2}


def test_only_bytes_that_are_freed_are_counted(root, planned):
    result = next((root / "tables").rglob("*.csv"))
    kept = root / ".kept" / DONE / ("0" * 64)
    kept.parent.mkdir(parents=True)
    kept.hardlink_to(result)
    removed = tidy(root, planned)
    assert (removed.files["kept bytes"], removed.bytes["kept bytes"]) == (1, 0)
    assert result.exists()


def test_temporary_files_go_when_they_are_old(root, planned):
    old, new = (write(root / "records" / f".{name}.json.123") for name in ("old", "new"))
    timestamp = write(root / "depth" / ".snakemake_timestamp")
    for path in (old, timestamp):
        os.utime(path, (0, time.time() - OLD_SECONDS - 60))
    tidy(root, planned)
    assert not old.exists()
    assert new.exists(), "it may be being written"
    assert timestamp.exists()


def test_the_schedulers_folders_stay_while_snakemake_holds_its_lock(root, planned):
    *others, first, second = left_by(root, DONE)
    lock = write(root.parents[1] / ".snakemake/locks/0.input.lock")
    assert tidy(root, planned).workflow_runs
    assert first.exists()
    assert not any(path.exists() for path in others)
    lock.unlink()
    tidy(root, planned)
    assert not first.exists()
    assert not second.exists()


@pytest.mark.parametrize("place", [".kept", ".checkpoints", ".scratch", ".locks", "scheduler", "records", "attempts"])
@pytest.mark.parametrize("below", ["", "cell_search", DONE])
def test_where_a_link_may_lead_elsewhere_nothing_is_removed(root, planned, tmp_path, place, below):
    left_by(root, DONE)
    write(root / ".kept" / DONE / ("0" * 64))
    write(root / ".locks" / "one.lock", "")
    link, elsewhere = root / place / below, tmp_path / "elsewhere"
    if link.is_dir():
        link.rename(elsewhere)
    else:
        write(elsewhere / "a.lock", "")
        link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(elsewhere)
    before = (state(root), state(elsewhere))
    with pytest.raises(TidyError, match=f"^{link} is a link, so nothing is removed"):
        tidy(root, planned)
    assert (state(root), state(elsewhere)) == before


def test_a_results_folder_that_is_a_link_is_tidied(root, planned, tmp_path):
    *left, first, second = left_by(root, DONE)
    old = write(root / "tables" / ".old.csv.123")
    os.utime(old, (0, time.time() - OLD_SECONDS - 60))
    root.rename(tmp_path / "moved")
    root.symlink_to(tmp_path / "moved")
    tidy(root, planned)
    assert not any(path.exists() for path in (*left, first, second, old))


def test_the_audit_says_the_same_before_and_after(root, planned):
    before = verify(read_ledger(root), None).as_json()
    for job in (DONE, DROPPED):
        *left, first, second = left_by(root, job)
    write(root / ".locks" / "one.lock", "")
    tidy(root, planned)
    assert not any(path.exists() for path in (*left, first, second))
    assert verify(read_ledger(root), None).as_json() == before


def run(folder, *arguments):
    command = [sys.executable, "-m", "workflow_scripts.tidy", *arguments]
    environment = {"PYTHONPATH": str(REPOSITORY), "PATH": "/usr/bin:/bin"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_the_command_tells_what_it_removed(tmp_path):
    file = write(tmp_path / "results/demo/.locks/one.lock", "")
    study = str(REPOSITORY / "config/demo.yaml")
    done = run(tmp_path, study, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "results/demo: 1 files, 0.000 MB would be removed"
    assert file.exists()
    done = run(tmp_path, study)
    assert done.stdout.splitlines() == [
        "locks                  1 files       0.000 MB removed",
        "results/demo: 1 files, 0.000 MB removed",
    ]
    assert not file.exists()


def test_a_mistake_is_reported_in_a_sentence(tmp_path):
    done = run(tmp_path, "config/demp.yaml")
    assert (done.returncode, done.stdout) == (2, "")
    assert "did you mean demo?" in done.stderr


def test_a_link_is_refused_in_a_sentence(tmp_path):
    outside = write(tmp_path / "elsewhere/one.lock", "")
    (tmp_path / "results/demo").mkdir(parents=True)
    (tmp_path / "results/demo/.locks").symlink_to(outside.parent)
    done = run(tmp_path, str(REPOSITORY / "config/demo.yaml"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("results/demo/.locks is a link, so nothing is removed")
    assert outside.exists()
