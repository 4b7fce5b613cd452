"""Questions to the records: is a result there, and is it of the settings and the code at hand?"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workflow_scripts.provenance.identity import identity_text, parse_identity, step_code
from workflow_scripts.study.jobs import Jobs

ABSENT = object()


@dataclass(frozen=True)
class State:
    """The state of one job's result: `fresh`, `missing`, `stale` or `without a record`, and why."""

    job: str
    state: str
    reason: str = ""

    def __str__(self) -> str:
        """One line for a person."""
        return f"{self.state}: {self.job}" + (f" ({self.reason})" if self.reason else "")


def state_of(identity: str, outputs: Iterable[str], record_path: str) -> State:
    """Compare a job's identity as it is now with the record of the result that is there."""
    job = record_path.partition("records/")[2].removesuffix(".json")
    if any(not Path(path).exists() for path in outputs):
        return State(job, "missing")
    try:
        record = json.loads(Path(record_path).read_text())
        settings, code, modules = record["settings"], record["code"], dict(record["modules"])
    except (OSError, ValueError, KeyError, TypeError):
        return State(job, "without a record")
    now = parse_identity(identity)
    changed = [f"setting {line}" for line in differences(settings, now.settings)]
    if code != now.code:
        changed += [f"code of {name}" for name in _changed(modules, step_code(now.step, now.modules))]
    return State(job, "stale", "; ".join(changed)) if changed else State(job, "fresh")


def tell_sources(jobs: Jobs, longest: int = 20) -> list[str]:
    """What a person should know before figures are drawn from the runs that are there: which are missing or stale."""
    states = [
        state_of(identity_text(source.step, source.settings), source.outputs, source.record)
        for source in jobs.sources()
    ]
    lines = [f"missing: {what}" for what in jobs.missing]  # complete only once all sources were asked for
    lines += [str(state) for state in states if state.state != "fresh"]
    hidden = len(lines) - longest
    return lines if hidden <= 0 else [*lines[:longest], f"... and {hidden} more"]


def differences(old: Any, new: Any, key: str = "") -> list[str]:
    """The settings whose canonical form differs, as lines `a.b: old -> new`."""
    if isinstance(old, dict) and isinstance(new, dict):
        lines = []
        for name in sorted(old.keys() | new.keys()):
            lines += differences(old.get(name, ABSENT), new.get(name, ABSENT), f"{key}.{name}".lstrip("."))
        return lines
    before, after = ("absent" if value is ABSENT else json.dumps(value, sort_keys=True) for value in (old, new))
    return [] if before == after else [f"{key}: {before} -> {after}"]


def _changed(old: dict[str, str], new: dict[str, str]) -> list[str]:
    return [name for name in sorted(old.keys() | new.keys()) if old.get(name) != new.get(name)]
