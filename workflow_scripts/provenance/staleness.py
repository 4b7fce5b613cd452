"""Is a result there, and is it of the settings and the code at hand; if not, what changed?"""

from dataclasses import dataclass
from pathlib import Path

from workflow_scripts.provenance.differences import differences, module_changes
from workflow_scripts.provenance.identity import Identity, parse_identity, planned_identity, step_code
from workflow_scripts.provenance.record import Record, RecordError, read_record
from workflow_scripts.provenance.waivers import Waiver, Waivers
from workflow_scripts.study.job import Job
from workflow_scripts.study.job_plan import Plan


@dataclass(frozen=True)
class ResultState:
    """The state of one job's result: `fresh`, `missing`, `stale`, `waived` or `without a record`, and why."""

    job: str
    state: str
    reasons: tuple[str, ...] = ()
    waiver: Waiver | None = None
    """by which a stale result is kept"""

    def __str__(self) -> str:
        """One line for a person."""
        return f"{self.state}: {self.job}" + (f" ({'; '.join(self.reasons)})" if self.reasons else "")


def record_or_fault(file: Path) -> Record | str | None:
    """The record in a file; the reason where the file is none; None where there is no file."""
    try:
        return read_record(file)
    except FileNotFoundError:
        return None
    except (OSError, RecordError) as error:
        return str(error)


def result_state(job: Job, record: Record | str | None, waivers: Waivers, folder: Path = Path()) -> ResultState:
    """The state of a job's outputs and of what `record_or_fault` found of its record; paths are from `folder`."""
    absent = [path for path in job.writes if not (folder / path).exists()]
    if absent:
        return ResultState(job.name, "missing", () if absent == job.writes else (f"{absent[0]} is not there",))
    if not isinstance(record, Record):
        return ResultState(job.name, "without a record", () if record is None else (record,))
    return record_state(job, record, waivers)


def record_state(job: Job, record: Record, waivers: Waivers | None) -> ResultState:
    """The state of a job's record under its settings and code as they are now: `fresh`, `stale` or `waived`.

    Without `waivers` for a data set, whose results none keeps.
    """
    identity = planned_identity(job)
    changed = tuple(_changes(record, parse_identity(identity)))
    if changed and waivers is not None and waivers.kept(job.name, identity) is not None:
        return ResultState(job.name, "waived", changed, waivers.all[job.name])
    return ResultState(job.name, "stale" if changed else "fresh", changed)


def record_state_by_code(record: Record, sha256: str, waivers: Waivers) -> ResultState:
    """The state of a record with this sha256 under its step's code at hand, where its study's settings are not."""
    try:
        changed = tuple(module_changes(record.modules, step_code(record.step, record.chosen_modules)))
    except (FileNotFoundError, ValueError) as error:
        changed = (f"the code at hand cannot be compared: {error}",)
    waiver = waivers.all.get(record.job)
    if changed and waiver is not None and waiver.record == sha256:
        return ResultState(record.job, "waived", changed, waiver)
    return ResultState(record.job, "stale" if changed else "fresh", changed)


def _changes(record: Record, now: Identity) -> list[str]:
    """What differs between a record and its job's identity now: settings, and digests of modules, old -> new."""
    changed = [f"setting {line}" for line in differences(record.settings, now.settings)]
    if record.step != now.step:
        changed.append(f"step: {record.step} -> {now.step}")
    if record.code != now.code:
        changed += module_changes(record.modules, step_code(now.step, now.modules))
    return changed


def source_warnings(plan: Plan, longest: int = 20) -> list[str]:
    """What a person should know before figures are drawn from the runs that are there: which are missing or stale."""
    waivers = Waivers(plan.places.results)
    states = [result_state(source, record_or_fault(Path(source.record)), waivers) for source in plan.source_jobs]
    lines = [f"missing: {what}" for what in plan.runs.missing]
    lines += [str(state) for state in states if state.state != "fresh"]
    hidden = len(lines) - longest
    return lines if hidden <= 0 else [*lines[:longest], f"... and {hidden} more"]
