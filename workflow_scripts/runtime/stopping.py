"""What Ctrl-C (SIGINT, to every process at once) and a scheduler's SIGTERM do to a job: one sentence, no traceback.

A job goes through three phases: while its modules load it ends at once; while it works it raises Stopped, so that its
attempt is closed; once it has ended, and Python unloads, it is too late.
"""

import os
import signal
from types import FrameType

from workflow_scripts.runtime.failures import Stopped

SIGNALS = (signal.SIGINT, signal.SIGTERM)
TRY_AGAIN = 75
"""Exit status of a job that was stopped and goes on when it is started again (EX_TEMPFAIL)."""


def end_on_signals() -> None:
    """End the process with a sentence when it is asked to; for the time before anything is written."""
    _handle(_end)


def raise_on_signals() -> None:
    """Raise Stopped, once, when the process is asked to end."""
    _handle(_stop)


def ignore_signals() -> None:
    """Let a process that is about to end do so."""
    _handle(signal.SIG_IGN)


def _handle(handler: "signal._HANDLER") -> None:
    for number in SIGNALS:
        signal.signal(number, handler)


def _end(number: int, frame: FrameType | None) -> None:
    name = signal.Signals(number).name
    os.write(2, f"a job was stopped ({name}) before it began; start the workflow again\n".encode())
    os._exit(TRY_AGAIN)


def _stop(number: int, frame: FrameType | None) -> None:
    ignore_signals()  # once is enough
    raise Stopped(signal.Signals(number).name)
