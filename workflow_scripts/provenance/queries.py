"""Questions to the records: is a result there, and is it of the settings and the code at hand?"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest
from pathlib import Path
from typing import Any

from workflow_scripts.provenance.identity import Identity, parse_identity, planned_identity, step_code
from workflow_scripts.provenance.record import Record, RecordError, read_record
from workflow_scripts.provenance.waivers import Waivers
from workflow_scripts.study.job_plan import Job, Plan

ABSENT = object()
DIGITS = 8
"""Digits of a digest that a person is shown."""
SHORT = 60
"""Characters of two lists, together, that are shown whole; of longer ones only the entries that differ are."""


@dataclass(frozen=True)
class State:
    """The state of one job's result: `fresh`, `missing`, `stale`, `waived` or `without a record`, and why."""

    job: str
    state: str
    reasons: tuple[str, ...] = ()

    def __str__(self) -> str:
        """One line for a person."""
        return f"{self.state}: {self.job}" + (f" ({'; '.join(self.reasons)})" if self.reasons else "")


def recorded(file: Path) -> Record | str | None:
    """The record in a file; the reason where the file is none; None where there is no file."""
    try:
        return read_record(file)
    except FileNotFoundError:
        return None
    except (OSError, RecordError) as error:
        return str(error)


def state_of(job: Job, record: Record | str | None, waivers: Waivers, folder: Path = Path()) -> State:
    """Compare a job as it is now with what `recorded` found of its result; paths are from `folder`."""
    absent = [path for path in job.writes if not (folder / path).exists()]
    if absent:
        return State(job.name, "missing", () if len(absent) == len(job.writes) else (f"{absent[0]} is not there",))
    if not isinstance(record, Record):
        return State(job.name, "without a record", () if record is None else (record,))
    now = planned_identity(job)
    changed = changes(record, parse_identity(now))
    if not changed:
        return State(job.name, "fresh")
    return State(job.name, "stale" if waivers.kept(job.name, now) is None else "waived", tuple(changed))


def changes(record: Record, now: Identity) -> list[str]:
    """What differs between a record and its job's identity now: settings, and digests of modules, old -> new."""
    changed = [f"setting {line}" for line in differences(record.settings, now.settings)]
    if record.step != now.step:
        changed.append(f"step: {record.step} -> {now.step}")
    if record.code != now.code:
        changed += module_changes(record.modules, step_code(now.step, now.modules))
    return changed


def module_changes(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """The modules whose digest differs, as lines `code of a.b: old -> new`."""
    return [
        f"code of {name}: {old.get(name, 'absent')[:DIGITS]} -> {new.get(name, 'absent')[:DIGITS]}"
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]


def tell_sources(plan: Plan, longest: int = 20) -> list[str]:
    """What a person should know before figures are drawn from the runs that are there: which are missing or stale."""
    waivers = Waivers(plan.places.results)
    states = [state_of(source, recorded(Path(source.record)), waivers) for source in plan.sources]
    lines = [f"missing: {what}" for what in plan.runs.missing]
    lines += [str(state) for state in states if state.state != "fresh"]
    hidden = len(lines) - longest
    return lines if hidden <= 0 else [*lines[:longest], f"... and {hidden} more"]


def differences(old: Any, new: Any, key: str = "") -> list[str]:
    """The settings whose canonical form differs, as lines `a.b: old -> new`; long lists entry by entry, `a.2: ...`.

    An entry that is gone has its old position, one that was added its new one, both from 0.
    """
    if isinstance(old, dict) and isinstance(new, dict):
        lines = []
        for name in sorted(old.keys() | new.keys()):
            lines += differences(old.get(name, ABSENT), new.get(name, ABSENT), f"{key}.{name}".lstrip("."))
        return lines
    before, after = _shown(old), _shown(new)
    if before == after:
        return []
    if isinstance(old, list) and isinstance(new, list) and len(before) + len(after) > SHORT:
        changed = _entries(old, new)
        return [line for at, one, other in changed for line in differences(one, other, f"{key}.{at}".lstrip("."))]
    return [f"{key}: {before} -> {after}"]


def _entries(old: list[Any], new: list[Any]) -> Iterator[tuple[int, Any, Any]]:
    """The entries that differ, with their position; what was put in or taken out moves the others, and is no change."""
    changed = SequenceMatcher(None, [_shown(each) for each in old], [_shown(each) for each in new], autojunk=False)
    for what, start, end, new_start, new_end in changed.get_opcodes():
        if what != "equal":
            for at, new_at in zip_longest(range(start, end), range(new_start, new_end)):
                before = ABSENT if at is None else old[at]
                yield new_at if at is None else at, before, ABSENT if new_at is None else new[new_at]


def _shown(value: Any) -> str:
    return "absent" if value is ABSENT else json.dumps(value, sort_keys=True)
