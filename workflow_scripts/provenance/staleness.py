"""Is a result there, and is it of the settings and the code at hand; if not, what changed? Keeping stale ones."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from workflow_scripts.provenance.differences import differences, module_changes
from workflow_scripts.provenance.hashing import sha256_of_recorded
from workflow_scripts.provenance.identity import parse_identity, planned_identity, step_code
from workflow_scripts.provenance.ledger import Entry, Ledger
from workflow_scripts.provenance.record import Record, RecordError, digest_of, lies_at, now, read_record
from workflow_scripts.provenance.waivers import Waiver, Waivers
from workflow_scripts.study.job import Job
from workflow_scripts.study.job_plan import Plan


@dataclass(frozen=True)
class ResultState:
    """The state of one job's result: `fresh`, `missing`, `stale`, `waived` or `without a record`, and why."""

    job: str
    state: str
    reasons: tuple[str, ...] = ()
    waiver: Waiver | None = None  # by which a stale result is kept

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
    """The state of a record under its job's settings and code at hand; no `waivers` for a data set: none keeps it."""
    here = parse_identity(planned_identity(job))
    changed = [f"setting {line}" for line in differences(record.settings, here.settings)]
    changed += [f"step: {record.step} -> {here.step}"] if record.step != here.step else []
    if record.code != here.code:
        changed += module_changes(record.modules, step_code(here.step, here.modules))
    waiver = waivers.all[job.name] if changed and waivers and waivers.kept(job) else None
    return _state(job.name, changed, waiver)


def record_state_by_code(record: Record, sha256: str, waivers: Waivers) -> ResultState:
    """The state of a record with this sha256 under its step's code at hand, where its study's settings are not."""
    try:
        changed = module_changes(record.modules, step_code(record.step, record.chosen_modules))
    except (FileNotFoundError, ValueError) as error:
        changed = [f"the code at hand cannot be compared: {error}"]
    waiver = waivers.all.get(record.job)
    return _state(record.job, changed, waiver if waiver is not None and waiver.record == sha256 else None)


def _state(job: str, changed: list[str], waiver: Waiver | None) -> ResultState:
    if not changed:
        return ResultState(job, "fresh")
    return ResultState(job, "stale" if waiver is None else "waived", tuple(changed), waiver)


def source_warnings(plan: Plan, longest: int = 20) -> list[str]:
    """What a person should know before figures are drawn from the runs that are there: which are missing or stale."""
    waivers = Waivers(plan.places.results)
    states = [result_state(source, record_or_fault(Path(source.record)), waivers) for source in plan.source_jobs]
    lines = [f"missing: {what}" for what in plan.runs.missing]
    lines += [str(state) for state in states if state.state != "fresh"]
    hidden = len(lines) - longest
    return lines if hidden <= 0 else [*lines[:longest], f"... and {hidden} more"]


class WaiverError(Exception):
    """A result that cannot be waived; its text is one sentence."""


def waive(ledger: Ledger, path: str, reason: str, planned: Iterable[Job]) -> list[Path]:
    """Keep the stale results at or below a recorded path on purpose; returns the waivers' files.

    Raises WaiverError where nothing there is stale, or a file does not match its record.
    """
    if not reason.strip():
        raise WaiverError("a waiver needs a reason, in words that say later why the result was kept")
    expected = {job.name: job for job in planned if job.root == ledger.root}
    waivers = Waivers(ledger.folder)
    waivers.require_sound()
    new = []
    for name, entry in ledger.jobs.items():
        if name not in expected or not any(lies_at(output.path, path) for output in entry.record.outputs):
            continue
        found = record_state(expected[name], entry.record, waivers)
        if found.state != "stale":
            continue
        _require_as_recorded(ledger, entry)
        identity, changes = digest_of(planned_identity(expected[name]).encode()), list(found.reasons)
        new.append(Waiver(job=name, reason=reason, made=now(), record=entry.sha256, identity=identity, changes=changes))
    if not new:
        raise WaiverError(f"{path}: no result there is stale, so there is nothing to waive")
    return [waivers.write(waiver) for waiver in new]


def _require_as_recorded(ledger: Ledger, entry: Entry) -> None:
    sizes = {place: each.bytes for each in entry.record.outputs if (place := ledger.location(each.path)) is not None}
    found = sha256_of_recorded(sizes, ledger.folder)
    for output in entry.record.outputs:
        place = ledger.location(output.path)
        if place is None or found[place] != output.sha256:
            raise WaiverError(f"{output.path} does not match its record, so it cannot be kept; see verify")
