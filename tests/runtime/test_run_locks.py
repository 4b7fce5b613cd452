"""What a run of Snakemake that was killed leaves for the next one, and a run that ends for others."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from filelock import FileLock
from snakemake.persistence.file import FilePersistence

from workflow_scripts.runtime import run_locks
from workflow_scripts.runtime.locks import held, is_free

ROOT = Path(__file__).parents[2]
LOCKING = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from workflow_scripts.runtime.run_locks import end_locks_with_runs
end_locks_with_runs()
rule:
    output: "{{name}}.made"
    shell: "touch {{wildcards.name}}.begun; while [ ! -e {{wildcards.name}}.go ]; do sleep 0.05; done; touch {{output}}"
"""


@pytest.fixture
def start(tmp_path):
    """Start Snakemake for files of the folder of the test."""
    (tmp_path / "Snakefile").write_text(LOCKING)
    started = []

    def start(*files):
        command = [sys.executable, "-m", "snakemake", "--cores", "1", *files]
        process = subprocess.Popen(
            command, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.stderr.close()
        process.stdout.close()
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_for(file):
    deadline = time.monotonic() + 60
    while not file.exists():
        assert time.monotonic() < deadline, f"{file.name} never came"
        time.sleep(0.02)


def test_a_run_goes_on_where_one_was_killed(tmp_path, start):
    killed = start("a.made")
    wait_for(tmp_path / "a.begun")
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    assert list((tmp_path / ".snakemake/locks").glob("*.output.lock"))
    (tmp_path / "a.go").touch()
    _, errors = start("a.made").communicate(timeout=60)
    assert (tmp_path / "a.made").exists(), errors
    assert "the lock of an earlier run, which was killed, is removed" in errors


def test_a_file_that_another_run_makes_is_refused_also_after_a_third_run_ended(tmp_path, start):
    start("a.made")
    wait_for(tmp_path / "a.begun")
    (tmp_path / "b.go").touch()
    other = start("b.made")
    _, errors = other.communicate(timeout=60)
    assert other.returncode == 0, errors
    assert "is removed" not in errors
    refused = start("a.made")
    _, errors = refused.communicate(timeout=60)
    assert refused.returncode == 1
    assert "a run that still goes on makes a.made, too" in errors
    assert "unlock" not in errors


class Persistence(FilePersistence):
    """Snakemake's locks of a run that makes one file of another."""

    path = None

    def __init__(self, path):
        self.path, self._lockdir, self._lockfile = path, str(path / "locks"), {}
        (path / "locks").mkdir(exist_ok=True)

    def all_inputfiles(self):
        return ["a"]

    def all_outputfiles(self):
        return ["b"]


@pytest.fixture
def patched(monkeypatch):
    monkeypatch.setattr(FilePersistence, "lock", FilePersistence.lock)
    run_locks.end_locks_with_runs()


def left_by(path, name="7.output.lock"):
    """The lock file of another run, which makes another file."""
    file = path / "locks" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text("other\n")
    return file


@pytest.mark.usefixtures("patched")
def test_lock_files_are_gone_before_they_are_free(tmp_path, monkeypatch):
    there = []

    @contextmanager
    def watched(file):
        with held(file):
            yield
            there.append(file.exists())

    monkeypatch.setattr(run_locks, "held", watched)
    with Persistence(tmp_path).lock():
        files = list((tmp_path / "locks").iterdir())
        assert [is_free(file) for file in files] == [False, False]
    assert there == [False, False]


@pytest.mark.usefixtures("patched")
def test_nothing_is_removed_where_another_run_may_be_making_its_locks(tmp_path, monkeypatch):
    monkeypatch.setattr(run_locks, "SECONDS", 0.05)
    file = left_by(tmp_path)
    with FileLock(tmp_path / "starting.lock"), Persistence(tmp_path).lock():
        assert file.exists()
    assert file.exists()


@pytest.mark.usefixtures("patched")
def test_nothing_is_removed_where_locks_of_another_machine_are_not_seen(tmp_path, monkeypatch):
    monkeypatch.setattr(run_locks, "hold_on_all_machines", lambda folder: False)
    file = left_by(tmp_path)
    with Persistence(tmp_path).lock():
        assert file.exists()
    assert file.exists()


@pytest.mark.usefixtures("patched")
def test_a_run_that_cannot_write_its_locks_leaves_those_of_others(tmp_path, monkeypatch):
    write = Persistence._write_locks

    def write_one(persistence, kind, keys):
        write(persistence, kind, keys)
        if kind == "output":
            raise OSError("the disk is full")

    monkeypatch.setattr(Persistence, "_write_locks", write_one)
    file = left_by(tmp_path)
    with held(file), pytest.raises(OSError, match="the disk is full"), Persistence(tmp_path).lock():
        pass
    assert [each.name for each in (tmp_path / "locks").iterdir()] == ["7.output.lock"]
