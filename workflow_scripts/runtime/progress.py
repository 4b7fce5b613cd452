"""Progress that a person can read: a bar on a terminal, plain lines elsewhere.

A step reports `advance(done, total, note)`. The wrapper decides where that goes: always to the job's log, and to the
console at most once every few seconds, and at the end, because several jobs share it.
"""

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TextIO

from workflow_scripts.runtime.printable import visible


class Progress(Protocol):
    """What a step may say while it works."""

    def advance(self, done: int, total: int, note: str = "") -> None:
        """Say that `done` of `total` units are finished; `note` holds the latest numbers, e.g. `loss 0.52`."""

    def say(self, text: str) -> None:
        """Say one line."""


class Silent:
    """Progress for tests and for calls from other programs."""

    def advance(self, done: int, total: int, note: str = "") -> None:
        """Say nothing."""

    def say(self, text: str) -> None:
        """Say nothing."""


class Console:
    """Progress to a log file and, thinned out, to the console.

    `name` is the job's short name. A line is `name  12/50 epochs  loss 0.52  1m10s left`.
    """

    def __init__(
        self,
        name: str,
        log: TextIO,
        console: TextIO = sys.stderr,
        every_seconds: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Write every line to `log`; to `console` at most one in `every_seconds`, and the last."""
        self.name, self.log, self.console, self.every, self.clock = name, log, console, every_seconds, clock
        self.shown = clock()
        self.first: tuple[int, float] = (0, self.shown)
        self.latest: tuple[int, int] | None = None

    def advance(self, done: int, total: int, note: str = "") -> None:
        """Say how far the work is and how long the rest takes, at the pace since its first report.

        What was before it, compiling or work that a checkpoint held, is of another pace. Other work begins where the
        total changes, or less is done than before.
        """
        now = self.clock()
        if self.latest is None or total != self.latest[1] or done < self.latest[0]:
            self.first = done, now
        self.latest = done, total
        before, since = self.first
        left = (now - since) / (done - before) * (total - done) if done > before else float("nan")
        line = visible(f"{done}/{total}  {note}" + (f"  {duration(left)} left" if done < total else ""))
        print(line, file=self.log, flush=True)
        if done >= total or now - self.shown >= self.every:
            self.shown = now
            share = int(10 * done / total) if total else 10
            print(f"  {self.name}  [{'#' * share}{'.' * (10 - share)}] {line}", file=self.console, flush=True)

    def say(self, text: str) -> None:
        """Say one line in both places."""
        print(visible(text), file=self.log, flush=True)
        print(f"  {self.name}  {visible(text)}", file=self.console, flush=True)


@contextmanager
def warnings_shown(progress: Progress) -> Iterator[None]:
    """Say, while inside, what modules of the project warn of or tell by `logging`."""
    handler = _WarningsShown(progress)
    logger = logging.getLogger(__name__.partition(".")[0])
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.setLevel(level)
        logger.removeHandler(handler)


class _WarningsShown(logging.Handler):
    def __init__(self, progress: Progress) -> None:
        super().__init__(logging.INFO)
        self.progress = progress

    def emit(self, record: logging.LogRecord) -> None:
        self.progress.say(record.getMessage())


def duration(seconds: float) -> str:
    """Seconds as a person reads them: `2h05m`, `1m10s`, `9s`; `?` for NaN."""
    if seconds != seconds:
        return "?"
    minutes, rest = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02d}m" if hours else f"{minutes}m{rest:02d}s" if minutes else f"{rest}s"
