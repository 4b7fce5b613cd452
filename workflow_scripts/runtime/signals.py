"""What Ctrl-C (SIGINT, to every process at once) and a scheduler's SIGTERM do to a job: one sentence, no traceback.

A job goes through three phases: while its modules load it ends at once; while it works it raises Stopped, so that its
attempt is closed; once it has ended, and Python unloads, it is too late.

This module loads nothing that Python has not loaded already: until it is there, Ctrl-C prints a traceback.
"""

import os
import sys
from types import FrameType

TRY_AGAIN = 75
"""Exit status of a job that was stopped and goes on when it is started again (EX_TEMPFAIL)."""

_HEEDED: list[int] = []
"""Of SIGINT and SIGTERM, those that this process was not started to ignore.

A script starts what it leaves in the background so that Ctrl-C is ignored, also by Snakemake, which would take a job
that heeds it for failed.
"""

CALLED_BY_MACHINE_CODE = ("numba.core.serialize", "llvmlite.binding.executionengine")
"""Modules of compilers that machine code calls, which does not pass on what is raised there."""


def end_on_signals() -> None:
    """End the process with a sentence when it is asked to; for the time before anything is written."""
    sys.excepthook = _after_interrupt  # for as long as the module for signals loads
    _handle(_end)
    sys.excepthook = sys.__excepthook__


def raise_on_signals() -> None:
    """Raise Stopped, once, when the process is asked to end.

    A signal that arrives during a compiled function is handled in Python that numba's machine code calls at its end.
    Raised there, an exception becomes a SystemError, or the process dies (docs/behaviour.md); so it is raised in what
    called the compiled function.
    """
    _handle(_stop)


def ignore_signals() -> None:
    """Let a process that is about to end do so."""
    _handle(None)


def end(status: int) -> None:
    """End the process, all of whose files are closed, without unloading modules: torch takes half a second for that."""
    from contextlib import suppress

    with suppress(OSError):  # nobody reads it any more, or the disk is full
        print(end="", file=sys.stdout, flush=True)
        print(end="", file=sys.stderr, flush=True)
    os._exit(status)


def _handle(handler: object) -> None:
    import signal

    if not _HEEDED:
        asking = (signal.SIGINT, signal.SIGTERM)
        _HEEDED.extend(number for number in asking if signal.getsignal(number) != signal.SIG_IGN)
    for number in _HEEDED:
        signal.signal(number, signal.SIG_IGN if handler is None else handler)  # type: ignore[arg-type]


def _after_interrupt(kind: type[BaseException], error: BaseException, trace: object) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, error.__traceback__)
    else:
        _end_at_once("SIGINT")


def _end(number: int, frame: object) -> None:
    _end_at_once(_name(number))


def _end_at_once(name: str) -> None:
    os.write(2, f"a job was stopped ({name}) before it began; start the workflow again\n".encode())
    os._exit(TRY_AGAIN)


def _stop(number: int, frame: FrameType | None) -> None:
    from workflow_scripts.runtime.failures import Stopped

    ignore_signals()  # once is enough
    stopped = Stopped(_name(number))
    caller = frame
    while caller is not None and caller.f_globals.get("__name__") in CALLED_BY_MACHINE_CODE:
        caller = caller.f_back
    if caller is frame or caller is None:
        raise stopped

    def raise_in_caller(*event: object) -> None:
        sys.settrace(None)
        raise stopped

    caller.f_trace = raise_in_caller  # at its next line or its end
    sys.settrace(lambda *event: None)  # in force, but for no function that begins meanwhile


def _name(number: int) -> str:
    import signal

    return signal.Signals(number).name
