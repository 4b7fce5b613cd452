"""Verification: re-hash every file of a results folder, follow every link, compare with the code and study at hand."""

from collections.abc import Iterable, Iterator

from workflow_scripts.provenance.attempts import all_attempts
from workflow_scripts.provenance.check_files import check_outputs, current_files
from workflow_scripts.provenance.check_links import check_links
from workflow_scripts.provenance.check_study import compare_with_study
from workflow_scripts.provenance.check_unrecorded import PAGE, unrecorded_files
from workflow_scripts.provenance.findings import Finding, Verdict, shown
from workflow_scripts.provenance.ledger import Ledger
from workflow_scripts.provenance.notes import notes_on
from workflow_scripts.provenance.waivers import Waivers
from workflow_scripts.runtime.folders import ATTEMPTS, RECORDS, WAIVERS
from workflow_scripts.study.job import Job

VIEWS = ("report.html", PAGE)
"""Pages made from records and results, for reading. The report is a job's output, too; the page of records is not."""


def verify(ledger: Ledger, planned: Iterable[Job] | None, against: str | None = None, rehash: bool = True) -> Verdict:
    """Check a results folder against its records, and its records against `planned`, the study's jobs at hand, if any.

    `against` is a root digest kept elsewhere. Without `rehash`, files that are there are taken to be what was recorded.
    Raises OSError for a file that cannot be read.
    """
    planned = None if planned is None else list(planned)
    verdict = Verdict(str(ledger.folder), ledger.root_digest, jobs=len(ledger.jobs))
    verdict.views = [name for name in VIEWS if (ledger.folder / name).is_file()]
    files = current_files(ledger, verdict, rehash)
    findings = [
        *_records(ledger),
        *check_outputs(ledger, files),
        *check_links(ledger, files),
        *unrecorded_files(ledger),
        *(Finding("record", f"{ledger.root}/{WAIVERS}", fault) for fault in Waivers(ledger.folder).faults),
        *_finished_without_record(ledger, planned),
    ]
    if against is not None and against != ledger.root_digest:
        findings.append(Finding("root", str(ledger.folder), f"its root digest is {ledger.root_digest}, not {against}"))
    verdict.findings = list(dict.fromkeys(findings))
    compare_with_study(ledger, planned, verdict)
    verdict.notes += notes_on(ledger)
    return verdict


def require_sound(ledger: Ledger, what: str) -> None:
    """Refuse to do `what` with results that verification finds fault with; stale ones are sound. Raises ValueError."""
    unsound = [finding for finding in verify(ledger, None).findings if finding.kind != "stale"]
    if unsound:
        raise ValueError(f"only sound results are {what}, and there are {len(unsound)} findings; first, {unsound[0]}")


def _records(ledger: Ledger) -> Iterator[Finding]:
    for file, why in ledger.unreadable.items():
        yield Finding("record", shown(file, ledger), f"this record was altered or is damaged: {why}")
    for job, entry in ledger.jobs.items():
        if entry.record.job != job or entry.record.root != ledger.root:
            cause = f"this record is that of {entry.record.root}/{RECORDS}/{entry.record.job}.json"
            yield Finding("record", shown(entry.file, ledger), cause, job)
        for output in entry.record.outputs:
            if ledger.makers[output.path] is not entry:
                other = ledger.makers[output.path].record.job
                cause = f"it names {output.path}, and so does the record of {other}"
                yield Finding("record", shown(entry.file, ledger), cause, job)


def _finished_without_record(ledger: Ledger, planned: list[Job] | None) -> Iterator[Finding]:
    """Jobs whose attempts say that they ended well, and whose record is not there; not those the study has dropped."""
    dropped = None if planned is None else {job.name for job in planned}
    for attempts in all_attempts(ledger.folder):
        job, ended = attempts.job, attempts.ended_well
        file = ledger.folder / RECORDS / f"{job}.json"
        if not ended or job in ledger.jobs or file in ledger.unreadable or (dropped is not None and job not in dropped):
            continue
        trace = f"{ledger.root}/{ATTEMPTS}/{job}.jsonl"
        cause = f"the record is not there, although {job} ended well ({ended[-1].get('ended')}, says {trace})"
        yield Finding("missing", shown(file, ledger), cause, job)
