"""Where a job's submissions to a scheduler leave their traces: `<root>/scheduler/<job>/<n>/`, with n from 1.

| file | content |
|---|---|
| `script.sh` | what the scheduler was given |
| `submission.json` | the scheduler's number of the job, when it took it, and how long it had refused it |
| `output.log` | what the scheduler caught of the script's output, and printed itself |
| `started` | when the script began (seconds since 1970), and on which host |
| `exit` | the script's exit status, and when it ended |
| `missing` | when the scheduler was first found not to list the job any more |
| `waiting` | why the scheduler leaves the job waiting, where that will not change by itself |
| `failure.json` | why there is no result, where the scheduler knows it: refused, killed, or gone with its node |

Only the standard library is used here, because a program that is started for every job imports this module. The files
may be a stranger's: anything but a regular file, or one too large for its kind, is treated as not there.
"""

import json
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from workflow_scripts.runtime.folders import SCHEDULER
from workflow_scripts.runtime.untrusted_files import found_below, read_regular

FILES = ("script.sh", "submission.json", "output.log", "started", "exit", "missing", "waiting", "failure.json")
REGISTER = Path(".snakemake/cluster")
"""From the digits of the scheduler's number of a job to the folder of its submission."""
MOST_BYTES = 1 << 16
"""Of a file with a few words or numbers."""


@dataclass(frozen=True)
class Submission:
    """One submission of one job."""

    job: str
    folder: Path

    @property
    def number(self) -> int:
        """Which submission of the job it is, from 1."""
        return int(self.folder.name)

    @property
    def output(self) -> Path:
        """What the scheduler caught of the script's output."""
        return self.folder / "output.log"

    @property
    def facts(self) -> dict[str, Any]:
        """The content of `submission.json`; nothing where the scheduler has not taken the job."""
        return _read_json(self.folder / "submission.json")

    @property
    def failure(self) -> str | None:
        """Why there is no result, as far as the scheduler knows."""
        reason = _read_json(self.folder / "failure.json").get("reason")
        return reason if isinstance(reason, str) else None

    @property
    def waiting(self) -> str | None:
        """Why the job waits in the queue, where that will not change by itself; None once it has begun."""
        if (self.folder / "started").exists() or self.failure is not None:
            return None
        return _first_line(self.folder / "waiting")

    @property
    def exit_status(self) -> int | None:
        """The exit status of its script; None where it has not ended by itself."""
        status, _, _ = (_first_line(self.folder / "exit") or "").partition(" ")
        return int(status) if re.fullmatch(r"[0-9]{1,9}", status) else None

    @property
    def began(self) -> float | None:
        """When its script began, in seconds since 1970; None where it has not."""
        return _number((_first_line(self.folder / "started") or "").partition(" ")[0])

    @property
    def ended(self) -> float | None:
        """When its script ended, in seconds since 1970; None where it has not ended by itself."""
        return _number((_first_line(self.folder / "exit") or "").partition(" ")[2])

    def has_begun(self) -> bool:
        """Whether its script has started to run."""
        return (self.folder / "started").exists()

    def note(self, name: str, content: str | Mapping[str, Any]) -> None:
        """Write one of the files, under a temporary name and moved."""
        text = content if isinstance(content, str) else json.dumps(content, sort_keys=True)
        write(self.folder / name, text + "\n")


def new_submission(root: Path, job: str) -> Submission:
    """The folder of the next submission of a job."""
    place = root / SCHEDULER / job
    place.mkdir(parents=True, exist_ok=True)
    number = max((each.number for each in submissions(root, job)), default=0) + 1
    (place / str(number)).mkdir()
    return Submission(job, place / str(number))


def submissions(root: Path, job: str) -> list[Submission]:
    """All submissions of a job, the first one first."""
    place = root / SCHEDULER / job
    found = [Submission(job, path) for path in place.iterdir() if path.name.isdecimal()] if place.is_dir() else []
    return sorted(found, key=lambda submission: submission.number)


def latest_submissions(root: Path) -> dict[str, Submission]:
    """The last submission of every job that has one, by job, sorted."""
    found: dict[str, Submission] = {}
    scripts = (each.path for each in found_below(root / SCHEDULER) if each.path.name == "script.sh" and not each.fault)
    for folder in (script.parent for script in scripts):
        job = folder.parent.relative_to(root / SCHEDULER).as_posix()
        if folder.name.isdecimal() and (job not in found or found[job].number < int(folder.name)):
            found[job] = Submission(job, folder)
    return dict(sorted(found.items()))


def is_trace(place: Path) -> bool:
    """Whether a path below a results folder is where a submission leaves a trace."""
    parts = place.parts
    return len(parts) > 3 and parts[0] == SCHEDULER and parts[-2].isdecimal() and place.name in FILES


def register(number: str, submission: Submission) -> None:
    """Remember which submission the scheduler's job number is."""
    write(REGISTER / digits_of(number), f"{submission.job}\n{submission.folder}\n")


def registered(number: str) -> Submission | None:
    """The submission that the scheduler's job number is."""
    try:
        job, folder, *_ = (REGISTER / digits_of(number)).read_text().splitlines()
    except (OSError, ValueError):
        return None
    return Submission(job, Path(folder))


def digits_of(number: str) -> str:
    """The digits that a scheduler's number of a job begins with: its lists shorten what follows them."""
    return re.match(r"\d*", number)[0]  # type: ignore[index]


def write(path: Path, text: str) -> None:
    """Write a file under a temporary name and move it into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text)
    os.replace(temporary, path)


def now() -> str:
    """The time in UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def one_line(text: str) -> str:
    """Text on one line, without what programs put before each line, and not longer than a few lines of a terminal."""
    parts = (re.sub(r"^\w+: error: ", "", line.strip()) for line in text.splitlines())
    return "; ".join(dict.fromkeys(part for part in parts if part))[:600]


def _first_line(path: Path) -> str | None:
    try:
        return read_regular(path, MOST_BYTES).decode(errors="replace").split("\n", 1)[0]
    except (OSError, ValueError):
        return None


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(read_regular(path, MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
