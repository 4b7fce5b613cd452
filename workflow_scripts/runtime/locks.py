"""Kernel locks on files (flock), and what to do on a file system that has none.

Every lock of the program is taken here, because the kernel frees it on any death of its owner. A file system without
such locks is refused: a lock that is only a file is left behind by a kill, and the next job waits for it forever.
"""

import errno
import fcntl
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from workflow_scripts.runtime.failures import JobError, sentence

MOUNTS = Path("/proc/self/mounts")
NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP}
"""What a file system answers that has no locks, or whose lock server does not answer."""
HELD = {errno.EACCES, errno.EAGAIN}
"""What a file system answers while another process holds a lock."""
LUSTRE = "have it mounted with `-o flock`"
NFS = "have it mounted without `nolock` and `local_lock`, with the lock service (rpc.statd) of its server running"
ELSEWHERE = "use a folder on another file system"


@dataclass(frozen=True)
class Mount:
    """A file system as it is mounted: its type, where, and its options."""

    kind: str
    point: str
    options: tuple[str, ...]

    @property
    def locks_hold_here_only(self) -> bool:
        """Whether other machines that mount it do not see the locks taken on this one."""
        return "localflock" in self.options or bool({"local_lock=flock", "local_lock=all"} & set(self.options))


def try_lock(file: Path) -> FileLock | None:
    """Take a lock, which the caller releases; None while another process holds it. Raises JobError where none can be.

    The folder must be there.
    """
    lock = FileLock(file, fallback_to_soft=False)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return None
    except OSError as error:
        if error.errno in NO_LOCKS:
            raise JobError(_refusal(file.parent, error, MOUNTS)) from error
        raise
    return lock


def is_held(file: Path) -> bool:
    """Whether a process holds a lock, here or on another machine that shares the file system; only looks.

    A file that is not there, or is none of ours, is held by nobody.
    """
    return _refusal_of_shared(file) in HELD


def is_free(file: Path) -> bool:
    """Whether a file is there and no process holds a lock on it; not where that cannot be known. Only looks."""
    return _refusal_of_shared(file) is None


def _refusal_of_shared(file: Path) -> int | None:
    """What the system answers to a shared lock, which is had at once or not at all; None where it was had."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return errno.ENOENT
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno
    finally:
        os.close(descriptor)
    return None


@contextmanager
def held(file: Path) -> Iterator[None]:
    """Hold a lock on a file that is there, whose content stays; none where it cannot be had at once."""
    descriptor = os.open(file, os.O_RDWR | os.O_CLOEXEC)
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def lock_if_possible(file: Path, seconds: float) -> Iterator[bool]:
    """Hold a lock, or none where it cannot be had within this time; gives whether it is held."""
    lock = FileLock(file, timeout=seconds, fallback_to_soft=False)
    with suppress(OSError, Timeout):
        lock.acquire()
    try:
        yield lock.is_locked
    finally:
        lock.release()


def hold_on_all_machines(folder: Path) -> bool:
    """Whether locks in a folder are seen by every machine that shares it, as far as its mount tells."""
    mount = mount_of(folder)
    return mount is None or not mount.locks_hold_here_only


def lock_problem(folder: Path, several_machines: bool, mounts: Path = MOUNTS) -> str | None:
    """Why locks in a folder do not hold, in one sentence that says what to do; None where they do.

    The folder is made where it is missing, and a lock is taken in it. With `several_machines`, processes on several
    machines share the folder. `mounts` is a table in the form of /proc/mounts.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                return _refusal(folder, error, mounts)
    except OSError as error:
        return sentence(error)
    mount = mount_of(folder, mounts)
    if several_machines and mount is not None and mount.locks_hold_here_only:
        return (
            f"{folder} is on a file system ({mount.kind}, mounted at {mount.point}) whose locks hold on one machine "
            f"only, so jobs on two machines could write the same files; {_remedy(mount)}"
        )
    return None


def mount_of(folder: Path, mounts: Path = MOUNTS) -> Mount | None:
    """The file system that a folder is on; None where the table of mounts cannot be read."""
    try:
        lines = mounts.read_text(errors="replace").splitlines()
    except OSError:
        return None
    found = None
    for line in lines:
        _, point, kind, options, *_ = (re.sub(r"\\([0-7]{3})", _unescaped, part) for part in line.split(" "))
        # Of two at the same place, the later one is seen.
        if folder.resolve().is_relative_to(point) and (found is None or len(point) >= len(found.point)):
            found = Mount(kind, point, tuple(options.split(",")))
    return found


def _unescaped(match: re.Match[str]) -> str:
    """A space and the like, as the table of mounts writes them."""
    return chr(int(match[1], 8))


def _refusal(folder: Path, error: OSError, mounts: Path) -> str:
    mount = mount_of(folder, mounts)
    where = "a file system" if mount is None else f"a file system ({mount.kind}, mounted at {mount.point})"
    reason = os.strerror(error.errno) if error.errno is not None else str(error)
    return f"{folder} is on {where} that gives no locks ({reason}); {_remedy(mount)}"


def _remedy(mount: Mount | None) -> str:
    kind = "" if mount is None else mount.kind
    remedy = LUSTRE if kind == "lustre" else NFS if kind.startswith("nfs") else None
    return ELSEWHERE if remedy is None else f"{remedy}, or {ELSEWHERE}"
