"""The trace of every attempt of a job, also of one that was killed: `<root>/attempts/<job>.jsonl`."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workflow_scripts.provenance.record import now
from workflow_scripts.runtime.folders import ATTEMPTS
from workflow_scripts.runtime.untrusted_files import UnreadableError, found_below, read_regular

LOG_BEGINS = re.compile(r"\d{4}-\d\d-\d\dT\S+ [a-z_]+ \{")
"""The line with which an attempt begins in the job's log: when, the step, and its settings as JSON."""


@dataclass(frozen=True)
class Attempts:
    """What the file of one job holds: a line when an attempt starts, and one when it ends."""

    job: str
    entries: list[dict[str, Any]]
    fault: str | None = None  # why the file cannot be read, in a few words

    @property
    def unfinished(self) -> list[dict[str, Any]]:
        """The starts of attempts that never ended: killed, or running still."""
        closed = {entry.get("attempt") for entry in self.entries if "ended" in entry}
        return [entry for entry in self.entries if "started" in entry and entry.get("attempt") not in closed]

    @property
    def ended_well(self) -> list[dict[str, Any]]:
        """The ends of attempts that succeeded."""
        return [entry for entry in self.entries if "ended" in entry and entry.get("failed", "") is None]

    @property
    def failure(self) -> str | None:
        """Why the last attempt left no result; None where it did or there was none. Not asked of a job that runs."""
        last = self.entries[-1] if self.entries else {}
        if "started" in last:
            where = f"on {last.get('host')}" + (f", scheduler's job {last['job']}" if last.get("job") else "")
            killed = "it was killed (by a time limit, for memory, or with its machine)"
            return f"attempt {last['attempt']} ({last['started']}, {where}) did not end: {killed}"
        failed = last.get("failed")
        return None if failed is None else f"{last.get('reason') or failed} ({last.get('ended')})"


def begin(file: Path, machine: Mapping[str, Any]) -> int:
    """Note that an attempt starts; returns its number, from 1."""
    number = len([entry for entry in read(file, "").entries if "started" in entry]) + 1
    append(file, {"attempt": number, "started": now(), "host": machine["host"], "job": machine["scheduler_job"]})
    return number


def append(file: Path, entry: Mapping[str, Any]) -> None:
    """Add a line."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as lines:
        lines.write(json.dumps(entry, sort_keys=True) + "\n")


def read(file: Path, job: str, start: int = 0) -> Attempts:
    """The attempts of a job, from byte `start` of its file; no line that a kill cut off. Raises UnreadableError."""
    try:
        content = read_regular(file)
    except FileNotFoundError:
        content = b""
    except UnreadableError as error:
        raise UnreadableError(f"{file}: {error}") from None
    entries = []
    for line in content[start:].decode(errors="replace").splitlines():
        with suppress(ValueError, RecursionError):
            value = json.loads(line)
            if isinstance(value, dict) and isinstance(value.get("attempt"), int):
                entries.append(value)
    return Attempts(job, entries)


def all_attempts(root: Path) -> Iterator[Attempts]:
    """The attempts of every job of a results folder, sorted by job; of a file that cannot be read, why not."""
    for found in found_below(root / ATTEMPTS):
        if found.path.suffix == ".jsonl":
            job = found.path.relative_to(root / ATTEMPTS).as_posix().removesuffix(".jsonl")
            try:
                yield read(found.path, job)
            except UnreadableError as error:
                yield Attempts(job, [], str(error))
