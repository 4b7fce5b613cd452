"""What the log of a job says of its progress: how far it is, and the curve of each number that it reports.

`runtime/progress.py` writes a line for each epoch, `12/50  train loss 0.52, validation error 40.1 %  1m10s left`, and
the wrapper one with settings at the start of each attempt. Numbers of a log are rounded; those of a finished run's
history are not.
"""

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from workflow_scripts.provenance.attempts import LOG_BEGINS
from workflow_scripts.runtime.untrusted_files import UnreadableError, end_of_regular

END_BYTES = 1 << 20
"""Of a log that are read: an attempt of thousands of epochs."""
RESUMED = "going on from the checkpoint, "
LINE = re.compile(r"(\d{1,9})/(\d{1,9})  (.*?)(?:  (\S+) left)?")
DURATION = re.compile(r"(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?")
VALUE = re.compile(r"(\D*?)\s+(-?\d[\d.]*(?:e[+-]?\d+)?)( %)?")

Values = dict[str, float]
"""By the name of a number, with its unit, such as `validation error %`."""


@dataclass(frozen=True)
class Point:
    """The numbers reported once `done` units (epochs) were done; `part` is the part of the job that they are of."""

    done: int
    part: str
    values: Values


@dataclass(frozen=True)
class JobProgress:
    """How far a job is. `left` is in seconds, at its own pace; None where it does not say."""

    done: int
    total: int
    note: str
    left: float | None
    curve: tuple[Point, ...]


def read_progress(log: Path) -> JobProgress | None:
    """The progress that the last attempt in a log reports; None where it reports none yet, or there is no such file."""
    try:
        text = end_of_regular(log, END_BYTES).decode(errors="replace")
    except (FileNotFoundError, UnreadableError):
        return None
    return progress_of(text.splitlines())


def progress_of(lines: list[str]) -> JobProgress | None:
    """The progress in the lines of a log.

    An attempt that goes on from a checkpoint goes on with the curve too. What is reported of a count again, after going
    back, replaces what was reported of it and of what followed.
    """
    latest: re.Match[str] | None = None
    before: list[Point] = []
    curve: list[Point] = []
    for line in lines:
        if LOG_BEGINS.match(line):
            latest, before, curve = None, curve, []
        elif line.startswith(RESUMED):
            curve = before
        elif match := LINE.fullmatch(line):
            latest, done = match, int(match[1])
            while curve and curve[-1].done >= done:
                curve.pop()
            curve.append(_point(done, match[3]))
    if latest is None:
        return None
    return JobProgress(int(latest[1]), int(latest[2]), latest[3].strip(), _seconds(latest[4]), tuple(curve))


def _point(done: int, note: str) -> Point:
    """The numbers of a note, by what stands before each; the part of the job stands before two spaces."""
    part, _, numbers = note.rpartition("  ")
    values: Values = {}
    for text in numbers.split(", "):
        if match := VALUE.fullmatch(text.strip()):
            with suppress(ValueError):  # such as 1.2.3
                values[f"{match[1]}{match[3] or ''}"] = float(match[2])
    return Point(done, part.strip(), values)


def _seconds(text: str | None) -> float | None:
    """Seconds of a text as `runtime.progress.duration` writes it; None of any other."""
    match = DURATION.fullmatch(text or "")
    if match is None or not match[0]:
        return None
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return 3600.0 * hours + 60.0 * minutes + seconds
