"""Verification: re-hash every file of a results folder, follow every link, compare with the code and study at hand."""

from collections import Counter
from collections.abc import Iterable, Iterator

from workflow_scripts.provenance.attempts import Attempts, all_attempts
from workflow_scripts.provenance.check_files import PAGE, check_outputs, current_files, unrecorded_files
from workflow_scripts.provenance.check_links import check_links
from workflow_scripts.provenance.environment import LOCK_FILE, software
from workflow_scripts.provenance.findings import Finding, Verdict, shown
from workflow_scripts.provenance.ledger import Ledger
from workflow_scripts.provenance.record import InputFile
from workflow_scripts.provenance.staleness import ResultState, record_state, record_state_by_code
from workflow_scripts.provenance.waivers import Waivers
from workflow_scripts.runtime.folders import ATTEMPTS, RECORDS, WAIVERS
from workflow_scripts.study.job import Job
from workflow_scripts.tables.display_names import count

VIEWS = ("report.html", PAGE)
"""Pages made from records and results, for reading. The report is a job's output, too; the page of records is not."""
NOT_COMPARED = {"outputs", "digest", "started", "ended", "seconds"}
"""The fields of a record that two runs of one job may not share, and that decide nothing."""


def verify(ledger: Ledger, planned: Iterable[Job] | None, against: str | None = None, rehash: bool = True) -> Verdict:
    """Check a results folder against its records, and its records against `planned`, the study's jobs at hand, if any.

    `against` is a root digest kept elsewhere. Without `rehash`, files that are there are taken to be what was recorded.
    Raises OSError for a file that cannot be read.
    """
    expected = None if planned is None else {(job.root, job.name): job for job in planned}
    verdict = Verdict(str(ledger.folder), ledger.root_digest, jobs=len(ledger.jobs))
    verdict.views = [name for name in VIEWS if (ledger.folder / name).is_file()]
    files = current_files(ledger, verdict, rehash)
    waivers, traces = Waivers(ledger.folder), list(all_attempts(ledger.folder))
    findings = [
        *_records(ledger),
        *check_outputs(ledger, files),
        *check_links(ledger, files),
        *unrecorded_files(ledger),
        *(Finding("record", f"{ledger.root}/{WAIVERS}", fault) for fault in waivers.faults),
        *_finished_without_record(ledger, traces, expected),
    ]
    if against is not None and against != ledger.root_digest:
        findings.append(Finding("root", str(ledger.folder), f"its root digest is {ledger.root_digest}, not {against}"))
    verdict.findings = list(dict.fromkeys(findings))
    for state in _states(ledger, expected, waivers, verdict):
        changed = "; ".join(state.reasons)
        if state.waiver is not None:
            cause = f"{state.waiver.reason} ({state.waiver.made}): {changed}"
            verdict.waived.append(Finding("waived", state.job, cause, state.job))
        elif state.state == "stale":
            verdict.findings.append(Finding("stale", state.job, changed, state.job))
    _note_conditions(ledger, verdict)
    again = {line for entry in ledger.jobs.values() for read in entry.record.inputs for line in _again(ledger, read)}
    verdict.note("made again since they were read, with the same bytes", sorted(again))
    unreadable = [f"{each.job} ({each.fault})" for each in traces if each.fault is not None]
    verdict.note("traces of attempts that cannot be read", unreadable)
    broken = [f"{each.job} ({len(each.unfinished)})" for each in traces if each.unfinished]
    verdict.note("attempts that were killed, or still run", broken)
    return verdict


def require_sound(ledger: Ledger, what: str) -> None:
    """Refuse to do `what` with results that verification finds fault with; stale ones are sound. Raises ValueError."""
    unsound = [finding for finding in verify(ledger, None).findings if finding.kind != "stale"]
    if unsound:
        found = count(len(unsound), "finding")
        raise ValueError(f"only sound results are {what}, and verification has {found}; first, {unsound[0]}")


def _records(ledger: Ledger) -> Iterator[Finding]:
    for file, why in ledger.unreadable.items():
        yield Finding("record", shown(file, ledger), f"this record was altered or is damaged: {why}")
    for job, entry in ledger.jobs.items():
        if (entry.record.job, entry.record.root) != (job, ledger.root):
            cause = f"this record is that of {entry.record.root}/{RECORDS}/{entry.record.job}.json"
            yield Finding("record", shown(entry.file, ledger), cause, job)
        for output in entry.record.outputs:
            if (maker := ledger.makers[output.path]) is not entry:
                cause = f"it names {output.path}, and so does the record of {maker.record.job}"
                yield Finding("record", shown(entry.file, ledger), cause, job)


Expected = dict[tuple[str, str], Job] | None
"""The study's jobs by results folder and name; None where the study is not at hand."""


def _finished_without_record(ledger: Ledger, traces: Iterable[Attempts], expected: Expected) -> Iterator[Finding]:
    """Jobs whose attempts say that they ended well, and whose record is not there; not those the study has dropped."""
    names = None if expected is None else {name for _, name in expected}
    for job, ended in ((each.job, each.ended_well) for each in traces):
        file = ledger.folder / RECORDS / f"{job}.json"
        if not ended or job in ledger.jobs or file in ledger.unreadable or (names is not None and job not in names):
            continue
        trace = f"{ledger.root}/{ATTEMPTS}/{job}.jsonl"
        cause = f"the record is not there, although {job} ended well ({ended[-1].get('ended')}, says {trace})"
        yield Finding("missing", shown(file, ledger), cause, job)


def _states(ledger: Ledger, expected: Expected, waivers: Waivers, verdict: Verdict) -> Iterator[ResultState]:
    """The state of every result, against the study or else the code alone; what has no counterpart is noted."""
    if expected is None:
        verdict.notes.append(
            "the study's configuration is not at hand: settings were not compared "
            "(of a study that was run with SET, `make study` writes it)"
        )
        yield from (record_state_by_code(entry.record, entry.sha256, waivers) for entry in ledger.entries())
        return
    not_made: list[str] = []
    for (root, name), job in expected.items():
        of_results = root == ledger.root
        made = (ledger.jobs if of_results else ledger.data_sets).get(name)
        if made is not None:
            yield record_state(job, made.record, waivers if of_results else None)
        elif of_results and not job.on_request:
            not_made.append(name)
    verdict.not_made = len(not_made)
    verdict.note("jobs of the study that have no result", not_made)
    others = sorted(name for name in ledger.jobs if (ledger.root, name) not in expected)
    verdict.note("results of jobs that are not part of the study as it is now", others)


def _note_conditions(ledger: Ledger, verdict: Verdict) -> None:
    """Note versions and machines worth knowing."""
    here, records = software(), [entry.record for entry in ledger.jobs.values()]
    made_with = [{**record.software.packages, "python": record.software.python} for record in records]
    for name, version in {"python": here["python"], **here["packages"]}.items():
        found = Counter(versions.get(name) for versions in made_with)
        for other, jobs in found.items() if version is not None else ():
            if other not in (None, version):
                verdict.notes.append(f"made with {name} {other}, at hand is {version}: {jobs} jobs")
    lock = here["lock_sha256"]
    other_lock = sum(record.software.lock_sha256 != lock for record in records) if lock is not None else 0
    if other_lock:
        verdict.notes.append(f"made with another {LOCK_FILE.name}: {other_lock} jobs")
    kinds = Counter(record.machine.processor for record in records)
    if len(kinds) > 1:
        several = ", ".join(f"{name} ({n})" for name, n in kinds.items())
        verdict.notes.append(f"made on several kinds of processor: {several}")
    dirty = sum(bool(record.git.dirty) for record in records)
    if dirty:
        what = "made from a checkout with uncommitted changes"
        verdict.notes.append(f"{what}: {dirty} jobs (the code digests show which)")


def _again(ledger: Ledger, read: InputFile) -> Iterator[str]:
    """The job that made an input, where its record in force is not the one linked to, and what differs in the two."""
    maker, now = ledger.maker(read), ledger.makers.get(read.path)
    # Where the two state other outputs, it is a finding.
    if maker and now and now is not maker and ledger.first_difference(maker, now) is None:
        before, after = (entry.record.model_dump(exclude=NOT_COMPARED) for entry in (maker, now))
        changed = [name for name in before if before[name] != after[name]]
        yield f"{now.record.job} ({', '.join(changed) or 'only the times differ'})"
