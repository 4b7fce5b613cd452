"""One writer per job: a kernel lock, freed on any death, with its owner's name next to it."""

import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from workflow_scripts.runtime.folders import LOCKS
from workflow_scripts.runtime.locks import is_held, try_lock
from workflow_scripts.runtime.scheduler_dialects import scheduler_job, scheduler_name
from workflow_scripts.runtime.untrusted_files import UnreadableError, read_regular

REPORT_EVERY_SECONDS = 600.0
POLL_SECONDS = 0.2


def lock_file(root: Path, job: str) -> Path:
    """The lock of a job whose results are in `root`."""
    return root / LOCKS / f"{job.replace('/', '.')}.lock"


def holder(root: Path, job: str) -> str | None:
    """The process that runs a job now, as `host a, process 12`; None where the job does not run. Only looks.

    Its name is written once it has the lock and stays where it is killed, so only a lock with a name is looked at.
    """
    file = lock_file(root, job)
    owner = file.with_suffix(".owner")
    return _owner(owner) if os.path.lexists(owner) and is_held(file) else None


@contextmanager
def job_lock(file: Path, say: Callable[[str], None]) -> Iterator[bool]:
    """Hold a job's lock; wait for whoever holds it, and say so. Yields whether it was waited for.

    Raises JobError where the file system has no locks.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    owner = file.with_suffix(".owner")
    waited, reported = False, -REPORT_EVERY_SECONDS
    while (lock := try_lock(file)) is None:
        waited = True
        if time.monotonic() - reported > REPORT_EVERY_SECONDS:
            reported = time.monotonic()
            say(f"another process makes the same outputs ({_owner(owner)}); waiting for it to end")
        time.sleep(POLL_SECONDS)
    try:
        owner.write_text(json.dumps(_me()))
        yield waited
    finally:
        owner.unlink(missing_ok=True)
        lock.release()


def _me() -> dict[str, str | int | None]:
    scheduler, job = scheduler_name(os.environ), scheduler_job(os.environ)
    return {"host": socket.gethostname(), "process": os.getpid(), "scheduler": scheduler, "job": job}


def _owner(file: Path) -> str:
    try:
        facts = json.loads(read_regular(file))
        return ", ".join(f"{key} {value}" for key, value in facts.items() if value is not None)
    except (OSError, UnreadableError, ValueError, AttributeError, RecursionError):
        return "its owner is not known"
