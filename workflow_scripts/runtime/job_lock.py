"""One writer per job: a kernel lock, freed on any death, with its owner's name next to it."""

import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from workflow_scripts.runtime.locks import try_lock
from workflow_scripts.runtime.schedulers import scheduler_job, scheduler_name

REPORT_EVERY_SECONDS = 600.0
POLL_SECONDS = 0.2


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
        facts = json.loads(file.read_text())
        return ", ".join(f"{key} {value}" for key, value in facts.items() if value is not None)
    except (OSError, ValueError, AttributeError):
        return "its owner is not known"
