"""The numbers of runs as TensorBoard's event files, one folder for each run; nothing is there twice.

A run that has its history is one file, which names the time of the history, and is written whole. Of a run that goes
on, each process that writes begins a file and adds to it. A file begins with TensorBoard's mark of a start, by which it
forgets what it read of the run in earlier files. These stay: removed, they would stop a TensorBoard that reads them.
"""

import os
import time
from pathlib import Path
from typing import BinaryIO

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

from workflow_scripts.watching.run_curves import Measured, RunCurves

PREFIX = "events.out.tfevents."


class EventFiles:
    """The event files of a study, written by this process."""

    def __init__(self, folder: Path) -> None:
        """`folder` is that of the study; one for each run is made in it."""
        self.folder = folder
        self.going_on: dict[str, tuple[Path, list[Measured]]] = {}

    def write(self, run: RunCurves) -> bool:
        """Write what is new of a run; returns whether there was something."""
        place = self.folder / run.name
        if run.history is None:
            return self._add(place, run)
        changed = run.history.stat().st_mtime_ns
        latest = max((file.name for file in place.glob(f"{PREFIX}*")), default="")
        if latest.endswith(f".{changed}.whole"):
            return False
        file = _new_file(place, f"{changed}.whole")
        temporary = place / f".{changed}.{os.getpid()}"
        with temporary.open("wb") as stream:
            _begin(stream)
            _append(stream, run.points)
        temporary.replace(file)
        self.going_on.pop(run.name, None)
        return True

    def _add(self, place: Path, run: RunCurves) -> bool:
        """Add the points that the log has got; where it went back, begin anew."""
        known = self.going_on.get(run.name)
        if not run.points or (known is not None and known[1] == run.points):
            return False
        file, written = known or (None, [])
        if file is None or run.points[: len(written)] != written:
            file, written = _new_file(place, "live"), []
            with file.open("wb") as stream:
                _begin(stream)
        with file.open("ab") as stream:
            _append(stream, run.points[len(written) :])
        self.going_on[run.name] = file, list(run.points)
        return True


def _new_file(place: Path, end: str) -> Path:
    """A file that TensorBoard reads after all that are there: it goes by their names."""
    place.mkdir(parents=True, exist_ok=True)
    return place / f"{PREFIX}{time.time_ns():020}.{end}"


def _begin(file: BinaryIO) -> None:
    now, start = time.time(), SessionLog(status=SessionLog.START)
    for event in (Event(wall_time=now, file_version="brain.Event:2"), Event(wall_time=now, step=0, session_log=start)):
        RecordWriter(file).write(event.SerializeToString())


def _append(file: BinaryIO, points: list[Measured]) -> None:
    now = time.time()
    for epoch, values in points:
        summary = Summary(value=[Summary.Value(tag=name, simple_value=value) for name, value in values.items()])
        RecordWriter(file).write(Event(wall_time=now, step=epoch, summary=summary).SerializeToString())
