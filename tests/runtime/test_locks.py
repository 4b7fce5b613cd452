"""Locks are the kernel's or none: a file system without them is refused in a sentence that says what to do."""

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from workflow_scripts.runtime.device_lease import device_lease
from workflow_scripts.runtime.failures import JobError
from workflow_scripts.runtime.job_lock import holder, job_lock, lock_file
from workflow_scripts.runtime.locks import is_held, lock_problem, mount_of, try_lock

ROOT = Path(__file__).parents[2]
ERRORS = [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP]


@pytest.fixture(params=ERRORS, ids=errno.errorcode.get)
def refused(request, monkeypatch):
    """A kernel that refuses every lock; what it answers, in words."""

    def flock(file, operation):
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr(fcntl, "flock", flock)
    return os.strerror(request.param)


@pytest.fixture
def mounts(tmp_path):
    """A table of mounts whose last line, if given, is of the folder of the test."""

    def write(kind=None, options="rw"):
        file = tmp_path / "mounts"
        mine = f"server:/x {tmp_path} {kind} {options} 0 0\n" if kind else ""
        file.write_text(f"/dev/sda / ext4 rw,relatime 0 0\n{mine}proc {tmp_path}/other proc rw 0 0\n")
        return file

    return write


def test_a_lock_is_held_by_one_and_freed(tmp_path):
    first = try_lock(tmp_path / "a.lock")
    assert try_lock(tmp_path / "a.lock") is None
    first.release()
    again = try_lock(tmp_path / "a.lock")
    assert again is not None
    again.release()


def test_who_holds_a_lock_is_seen_without_taking_it(tmp_path):
    file = lock_file(tmp_path, "group/job")
    assert holder(tmp_path, "group/job") is None
    with job_lock(file, print):
        assert f"process {os.getpid()}" in holder(tmp_path, "group/job")
    assert holder(tmp_path, "group/job") is None
    file.with_suffix(".owner").write_text("left by a kill")
    assert holder(tmp_path, "group/job") is None
    held = try_lock(file)
    assert holder(tmp_path, "group/job") == "its owner is not known"
    held.release()
    file.unlink()
    file.symlink_to(tmp_path)
    assert not is_held(file), "a link"


def test_what_a_soft_lock_of_an_earlier_version_left_locks_nothing(tmp_path):
    (tmp_path / "a.lock").write_text("4711\nhost-that-is-gone\n")
    lock = try_lock(tmp_path / "a.lock")
    assert lock is not None
    lock.release()


def test_a_job_fails_at_once_where_there_are_no_locks(tmp_path, refused):
    with pytest.raises(JobError) as error, job_lock(tmp_path / "locks" / "a.lock", print):
        pytest.fail("without a lock")
    assert str(error.value).startswith(f"{tmp_path / 'locks'} is on a file system (")
    assert f") that gives no locks ({refused}); " in str(error.value)
    assert str(error.value).endswith("use a folder on another file system")


def test_no_device_is_lent_where_there_are_no_locks(tmp_path, refused, monkeypatch):
    monkeypatch.setenv("NAS_DEVICES", "0")
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    with pytest.raises(JobError, match="gives no locks"), device_lease(print, 1, tmp_path):
        pytest.fail("without a lock")


CHILD = """import errno, fcntl, sys
from pathlib import Path
def flock(file, operation):
    raise OSError(errno.ENOSYS, "Function not implemented")
fcntl.flock = flock
from workflow_scripts.runtime.failures import sentence
from workflow_scripts.runtime.job_lock import job_lock
try:
    with job_lock(Path(sys.argv[1]) / "a.lock", print):
        print("held")
except Exception as error:
    sys.exit(sentence(error))
"""


def test_nothing_is_left_that_the_next_process_would_wait_for(tmp_path):
    """Where flock was missing, the lock was a file, and a killed job's stayed there."""
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", CHILD, str(tmp_path)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 1
        assert done.stdout == ""
        assert len(done.stderr.splitlines()) == 1, done.stderr
        assert "that gives no locks (Function not implemented); " in done.stderr


@pytest.mark.parametrize(
    ("kind", "remedy"),
    [
        ("lustre", "have it mounted with `-o flock`, or use a folder on another file system"),
        ("nfs4", "or use a folder on another file system"),
        ("fuse.some", "; use a folder on another file system"),
    ],
)
def test_the_file_system_and_the_remedy_are_named(tmp_path, refused, mounts, kind, remedy):
    message = lock_problem(tmp_path / "results", False, mounts(kind))
    assert message.startswith(
        f"{tmp_path / 'results'} is on a file system ({kind}, mounted at {tmp_path}) that gives no locks ({refused}); "
    )
    assert message.endswith(remedy)


def test_a_folder_with_locks_gives_no_message(tmp_path, mounts):
    for several in (False, True):
        assert lock_problem(tmp_path / "new" / "results", several, mounts("ext4")) is None
        assert lock_problem(tmp_path, several, tmp_path / "no such table") is None
    assert list((tmp_path / "new" / "results").iterdir()) == []


@pytest.mark.parametrize(
    ("kind", "options", "holds"),
    [
        ("lustre", "rw,flock,lazystatfs", True),
        ("lustre", "rw,localflock,lazystatfs", False),
        ("nfs", "rw,vers=3,nolock,local_lock=all,addr=10.0.0.1", False),
        ("nfs", "rw,vers=3,local_lock=flock", False),
        ("nfs4", "rw,vers=4.2,local_lock=none", True),
        ("nfs", "rw,vers=3,local_lock=posix", True),
    ],
)
def test_locks_that_hold_on_one_machine_only(tmp_path, mounts, kind, options, holds):
    table = mounts(kind, options)
    assert lock_problem(tmp_path, False, table) is None
    message = lock_problem(tmp_path, True, table)
    assert (message is None) == holds
    if message is not None:
        assert f"({kind}, mounted at {tmp_path}) whose locks hold on one machine only" in message
        assert "; have it mounted with" in message


def test_a_folder_that_cannot_be_written_is_reported(tmp_path):
    (tmp_path / "results").touch()
    assert "results" in lock_problem(tmp_path / "results" / "deep", False)


def test_the_mount_of_a_folder(tmp_path):
    table = tmp_path / "mounts"
    table.write_text(
        "/dev/sda / ext4 rw 0 0\n"
        "old:/home /home nfs rw,nolock 0 0\n"
        "new:/home /home nfs4 rw 0 0\n"
        "/dev/sdb /home/my\\040results xfs rw 0 0\n"
        "/dev/sdc /homeland btrfs rw 0 0\n"
    )
    assert mount_of(Path("/home/me"), table).kind == "nfs4"
    assert mount_of(Path("/home/my results/a"), table).point == "/home/my results"
    assert mount_of(Path("/homeland"), table).kind == "btrfs"
    assert mount_of(Path("/usr"), table).options == ("rw",)
