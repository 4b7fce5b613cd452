"""Verification: re-hash every file of a results folder, follow every link, compare with the code and study at hand."""

import re
import stat
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from workflow_scripts.cluster.submission import is_trace
from workflow_scripts.provenance.attempts import all_attempts
from workflow_scripts.provenance.fetched import undeclared
from workflow_scripts.provenance.hashing import sha256_of_files
from workflow_scripts.provenance.identity import parse_identity, planned_identity, step_code
from workflow_scripts.provenance.kept import kept_files
from workflow_scripts.provenance.ledger import DATA_ROOT, Entry, Ledger
from workflow_scripts.provenance.notes import notes_on, some
from workflow_scripts.provenance.queries import DIGITS, changes, module_changes
from workflow_scripts.provenance.record import InputFile, OutputFile, Record, lies_at
from workflow_scripts.provenance.signature import signatures_in
from workflow_scripts.provenance.waivers import Waiver, Waivers
from workflow_scripts.runtime.folders import ATTEMPTS, KEPT, LINKED, LOGS, OWN_WORK, RECORDS, SCHEDULER, WAIVERS
from workflow_scripts.runtime.reading import found_below
from workflow_scripts.study.job_list import PlannedJob

PAGE = "provenance.html"
VIEWS = ("report.html", PAGE)
"""Pages made from records and results, for reading. The report is a job's output, too; the page of records is not."""
UNPROVEN = {LOGS: ".log", ATTEMPTS: ".jsonl", RECORDS: ".json", LINKED: ".json", WAIVERS: ".json"}
"""Folders of the audit itself, and the suffix of their files."""
MARK = ".snakemake_timestamp"
"""What Snakemake puts into a folder that is an output: an empty file."""
WRITTEN_ASIDE = (RECORDS, LINKED, WAIVERS, SCHEDULER, KEPT)
"""Folders whose files are written under a temporary name first, as is the page at the top."""
TEMPORARY = re.compile(r"\.(.+)\.\d+")
"""The temporary name of a file whose writing a kill broke off (`runtime/durable.py`)."""


@dataclass(frozen=True)
class Finding:
    """Something that does not hold: its kind, the file or job it is about, and the cause in one sentence."""

    kind: str
    path: str
    cause: str
    job: str | None = None

    def __str__(self) -> str:
        """One line for a person."""
        return f"{self.kind}: {self.path}: {self.cause}"


@dataclass
class Verdict:
    """All that verification found. Findings are faults; notes are worth knowing and are none."""

    folder: str
    root_digest: str
    files: int = 0
    bytes: int = 0
    jobs: int = 0
    findings: list[Finding] = field(default_factory=list)
    waived: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    views: list[str] = field(default_factory=list)
    signed: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The verdict as plain values."""
        return asdict(self)


def verify(
    ledger: Ledger, planned: Iterable[PlannedJob] | None, against: str | None = None, rehash: bool = True
) -> Verdict:
    """Check a results folder against its records, and its records against `planned`, the study's jobs at hand, if any.

    `against` is a root digest kept elsewhere. Without `rehash`, files that are there are taken to be what was recorded.
    Raises OSError for a file that cannot be read.
    """
    planned = None if planned is None else list(planned)
    verdict = Verdict(str(ledger.folder), ledger.root_digest, jobs=len(ledger.jobs))
    verdict.views = [name for name in VIEWS if (ledger.folder / name).is_file()]
    files = _look(ledger, verdict, rehash)
    findings = [
        *_records(ledger),
        *_outputs(ledger, files),
        *_links(ledger, files),
        *_unrecorded(ledger),
        *_broken_waivers(ledger),
        *_finished_without_record(ledger, planned),
    ]
    if against is not None and against != ledger.root_digest:
        findings.append(Finding("root", str(ledger.folder), f"its root digest is {ledger.root_digest}, not {against}"))
    verdict.findings = list(dict.fromkeys(findings))
    _compare_with_study(ledger, planned, verdict)
    verdict.notes += notes_on(ledger)
    return verdict


def require_sound(ledger: Ledger, what: str) -> None:
    """Refuse to do `what` with results that verification finds fault with; stale ones are sound. Raises ValueError."""
    unsound = [finding for finding in verify(ledger, None).findings if finding.kind != "stale"]
    if unsound:
        raise ValueError(f"only sound results are {what}, and there are {len(unsound)} findings; first, {unsound[0]}")


@dataclass(frozen=True)
class Seen:
    """A recorded file as it is now. Without sha256 where its size, in bytes, is that of no recorded file, or none may
    read it."""

    size: int
    sha256: str | None

    def is_as(self, recorded: OutputFile) -> bool:
        """Whether size and content are the recorded ones."""
        return (self.size, self.sha256) == (recorded.bytes, recorded.sha256)

    def __str__(self) -> str:
        """A few words for a person."""
        return f"{self.size} bytes, which were not read" if self.sha256 is None else f"sha256 {self.sha256[:DIGITS]}"


Files = Mapping[str, Seen | None]
"""The recorded files that can be looked for, by path; None for one that is not there."""


def _look(ledger: Ledger, verdict: Verdict, rehash: bool) -> Files:
    """Size and content of every recorded file. One whose size nothing has is not hashed: it may claim any."""
    recorded: dict[str, OutputFile] = {each.path: each for entry in ledger.entries() for each in entry.record.inputs}
    recorded |= {output.path: output for output, _ in _in_force(ledger)}
    places = {path: place for path in sorted(recorded) if (place := ledger.at(path)) is not None}
    away = sorted(recorded.keys() - places.keys())
    if away:
        verdict.notes.append(f"not looked at, because the folder lies apart from the workflow: {some(away)}")
    sizes = {path: _size(place, lies_at(path, ledger.root)) for path, place in places.items()}
    there = {path: size for path, size in sizes.items() if size is not None}
    verdict.files, verdict.bytes = len(there), sum(there.values())
    known = {each.bytes for each in recorded.values()}
    digests: dict[str, str | None] = {path: recorded[path].sha256 for path in there}
    if rehash:
        found = sha256_of_files(places[path] for path, size in there.items() if size in known)
        digests = {path: found.get(places[path]) for path in there}
    return {path: Seen(there[path], digests[path]) if path in there else None for path in places}


def _size(file: Path, of_results: bool) -> int | None:
    """The size of a regular file, in bytes; None where there is none. Data sets may be links, results are none."""
    try:
        state = file.stat(follow_symlinks=not of_results)
    except OSError:
        return None
    return state.st_size if stat.S_ISREG(state.st_mode) else None


def _in_force(ledger: Ledger) -> Iterator[tuple[OutputFile, Entry]]:
    """Every output with the record that vouches for it."""
    for entry in {id(entry): entry for entry in ledger.makers.values()}.values():
        for output in entry.record.outputs:
            if ledger.makers[output.path] is entry:
                yield output, entry


def _records(ledger: Ledger) -> Iterator[Finding]:
    for file, why in ledger.unreadable.items():
        yield Finding("record", _shown(file, ledger), f"this record was altered or is damaged: {why}")
    for job, entry in ledger.jobs.items():
        if entry.record.job != job or entry.record.root != ledger.root:
            cause = f"this record is that of {entry.record.root}/{RECORDS}/{entry.record.job}.json"
            yield Finding("record", _shown(entry.file, ledger), cause, job)
        for output in entry.record.outputs:
            if ledger.makers[output.path] is not entry:
                other = ledger.makers[output.path].record.job
                cause = f"it tells of {output.path}, and so does the record of {other}"
                yield Finding("record", _shown(entry.file, ledger), cause, job)


def _outputs(ledger: Ledger, files: Files) -> Iterator[Finding]:
    """Files that are not there, and files that are not what was recorded."""
    written = {output.sha256: output.path for output, _ in _in_force(ledger) if output.bytes}
    for output, entry in _in_force(ledger):
        if output.path not in files:
            continue
        seen, job = files[output.path], entry.record.job
        if seen is None:
            cause = f"it is recorded by {job} ({entry.record.ended}), but not there"
            yield Finding("missing", output.path, cause, job)
        elif not seen.is_as(output):
            other = written.get(seen.sha256 or "")
            now = f"the content of {other}" if other not in (None, output.path) else str(seen)
            before = f"sha256 {output.sha256[:DIGITS]}, {output.bytes} bytes"
            cause = f"it was altered after {job} wrote it: recorded is {before}, found {now}"
            yield Finding("altered", output.path, cause, job)


def _links(ledger: Ledger, files: Files) -> Iterator[Finding]:
    """Inputs whose making is not recorded as their reader says."""
    told = set()
    for entry in ledger.entries():
        for read in entry.record.inputs:
            finding = _link(ledger, entry, read, files)
            # Of a record that many read, one reader is told.
            key = None if finding is None else (finding.path, finding.cause if finding.kind == "stale" else "")
            if finding is not None and key not in told:
                told.add(key)
                yield finding


def _link(ledger: Ledger, entry: Entry, read: InputFile, files: Files) -> Finding | None:
    reader = entry.record.job
    if read.record is None:
        return _source(ledger, entry, read, files)
    maker, now = ledger.maker(read), ledger.makers.get(read.path)
    if maker is None:
        if now is None:
            file = f"the record of the job that wrote {read.path}"
            if any(_could_tell(path, read, ledger) for path in ledger.unreadable):
                return None  # told already, by the record's name
            return Finding("link", file, f"{reader} links to it, and it is not there", reader)
        file = _shown(now.file, ledger)
        other = f"another record of it (sha256 {read.record[:DIGITS]})"
        cause = f"{reader} links to {other}: it was altered, or the earlier one deleted"
        return Finding("record", file, cause, now.record.job)
    if maker.record.root not in (ledger.root, DATA_ROOT):
        cause = f"{reader} links to it, and it is of a job in {maker.record.root}, whose files are not looked at"
        return Finding("record", _shown(maker.file, ledger), cause, reader)
    if maker.record.root != ledger.root and read.record not in ledger.linked:
        cause = f"{reader} links to it, and the results folder's copy of it is not there"
        return Finding("missing", f"{ledger.root}/{LINKED}/{read.record}.json", cause, reader)
    written = ledger.outputs(maker).get(read.path)
    if written is None or (written.sha256, written.bytes) != (read.sha256, read.bytes):
        cause = f"it does not tell of {read.path} (sha256 {read.sha256[:DIGITS]}), which {reader} says it does"
        return Finding("record", _shown(maker.file, ledger), cause, maker.record.job)
    if now is None:
        return Finding("missing", read.path, f"{reader} read it, and no record in force states it any more", reader)
    if now is maker:
        return None
    if ledger.outputs(now)[read.path].sha256 != read.sha256:
        cause = f"{read.path} was made anew by {now.record.job} ({now.record.ended}) after {reader} read it"
        return Finding("stale", reader, cause, reader)
    # A forger may exchange an output that nobody read, with the record, and leave the true record where it was linked.
    exchanged = ledger.exchanged(maker, now)
    if exchanged is not None:
        cause = (
            f"it tells of another {exchanged} than the record that {reader} links to: the file was "
            f"exchanged, or the job made again and {reader} not"
        )
        return Finding("record", _shown(now.file, ledger), cause, now.record.job)
    return None


def _could_tell(file: Path, read: InputFile, ledger: Ledger) -> bool:
    """Whether an unreadable record may be the one that an input's reader links to."""
    return file.stem == read.record or file.is_relative_to(ledger.folder / RECORDS) or ledger.base is not None


def _source(ledger: Ledger, entry: Entry, read: InputFile, files: Files) -> Finding | None:
    """A file that no job made: fetched from outside, or one of the repository."""
    reader = entry.record.job
    if read.path in ledger.makers:
        cause = f"{reader} read it in a state that no recorded job wrote"
        return Finding("altered", read.path, cause, reader)
    fetched = not entry.record.was_given(read.path)
    if fetched and (fault := undeclared(entry.record, read)) is not None:
        return Finding("altered", read.path, f"{reader} was made from it, and {fault}", reader)
    seen = files.get(read.path)
    if seen is None and read.path in files:
        if fetched:
            return None  # its checksum is recorded; the file itself may be thrown away
        return Finding("missing", read.path, f"{reader} read it, and it is not there", reader)
    if seen is not None and not seen.is_as(read):
        cause = f"{reader} read it with sha256 {read.sha256[:DIGITS]} ({read.bytes} bytes), found {seen}"
        return Finding("altered", read.path, cause, reader)
    if not fetched and read.path.split("/")[0] in (DATA_ROOT, ledger.root.split("/")[0]):
        return Finding("unrecorded", read.path, f"{reader} read it, and no record tells where it came from", reader)
    return None


def _unrecorded(ledger: Ledger) -> Iterator[Finding]:
    """Files of the folder that nothing tells of, links, which may lead anywhere, and what is no file at all.

    Kept bytes are known by their place alone: they are hashed when they are put back.
    """
    recorded = {ledger.at(output.path) for output, _ in _in_force(ledger)}
    recorded |= {signature.file for signature in signatures_in(ledger.folder)}
    kept = {
        file
        for job, entry in ledger.jobs.items()
        if entry.record.job == job
        for file in kept_files(entry.record, ledger.folder)
    }
    for part in sorted(ledger.folder.iterdir()):
        for found in found_below(part):
            place = found.path.relative_to(ledger.folder)
            path = f"{ledger.root}/{place.as_posix()}"
            if found.fault is not None:
                yield Finding("unrecorded", path, found.fault)
            elif found.path not in recorded and not _is_passed_over(ledger, place, kept):
                yield Finding("unrecorded", path, "no record tells where it came from")


def _is_passed_over(ledger: Ledger, place: Path, kept: Set[Path]) -> bool:
    """Whether nothing needs to vouch for a file at a place below the folder: docs/provenance.md lists these places."""
    if place.name == MARK:
        return (ledger.folder / place).stat().st_size == 0
    if len(place.parts) > 1 and place.parts[0] in OWN_WORK:
        return True
    temporary = TEMPORARY.fullmatch(place.name)
    if temporary is not None and (place.parts[0] in WRITTEN_ASIDE or place.parent == Path()):
        place = place.with_name(temporary[1])
    if ledger.folder / place in kept:
        return True
    of_audit = len(place.parts) > 1 and UNPROVEN.get(place.parts[0]) == place.suffix
    return of_audit or is_trace(place) or place.as_posix() == PAGE


def _broken_waivers(ledger: Ledger) -> Iterator[Finding]:
    yield from (Finding("record", f"{ledger.root}/{WAIVERS}", fault) for fault in Waivers(ledger.folder).faults)


def _finished_without_record(ledger: Ledger, planned: list[PlannedJob] | None) -> Iterator[Finding]:
    """Jobs whose attempts say that they ended well, and whose record is not there; not those the study has dropped."""
    dropped = None if planned is None else {job.name for job in planned}
    for attempts in all_attempts(ledger.folder):
        job, ended = attempts.job, attempts.ended_well
        file = ledger.folder / RECORDS / f"{job}.json"
        if not ended or job in ledger.jobs or file in ledger.unreadable or (dropped is not None and job not in dropped):
            continue
        trace = f"{ledger.root}/{ATTEMPTS}/{job}.jsonl"
        cause = f"the record is not there, although {job} ended well ({ended[-1].get('ended')}, says {trace})"
        yield Finding("missing", _shown(file, ledger), cause, job)


def _compare_with_study(ledger: Ledger, planned: Iterable[PlannedJob] | None, verdict: Verdict) -> None:
    """Stale and waived jobs: against the study where it is at hand, else against the code alone."""
    waivers = Waivers(ledger.folder)
    if planned is None:
        verdict.notes.append("the study's configuration is not at hand: settings were not compared")
        for entry in ledger.entries():
            changed = _code_changes(entry.record)
            waiver = waivers.all.get(entry.record.job)
            if changed and waiver is not None and waiver.record == entry.sha256:
                verdict.waived.append(_waived(waiver, changed))
            elif changed:
                finding = Finding("stale", entry.record.job, "; ".join(changed), entry.record.job)
                verdict.findings.append(finding)
        return
    expected = {(job.root, job.name): job for job in planned}
    not_made: list[str] = []
    for (root, name), job in expected.items():
        made = ledger.jobs.get(name) if root == ledger.root else ledger.data_sets.get(name)
        if made is None:
            if root == ledger.root:
                not_made.append(name)
            continue
        now = planned_identity(job)
        changed = changes(made.record, parse_identity(now))
        if not changed:
            continue
        if root == ledger.root and waivers.kept(name, now) is not None:
            verdict.waived.append(_waived(waivers.all[name], changed))
        else:
            verdict.findings.append(Finding("stale", name, "; ".join(changed), name))
    if not_made:
        verdict.notes.append(f"jobs of the study that have no result: {some(not_made)}")
    others = sorted(name for name in ledger.jobs if (ledger.root, name) not in expected)
    if others:
        verdict.notes.append(f"results of jobs that are no part of the study as it is now: {some(others)}")


def _waived(waiver: Waiver, changed: list[str]) -> Finding:
    return Finding("waived", waiver.job, f"{waiver.reason} ({waiver.made}): {'; '.join(changed)}", waiver.job)


def _code_changes(record: Record) -> list[str]:
    try:
        return module_changes(record.modules, step_code(record.step, record.chosen_modules))
    except (FileNotFoundError, ValueError) as error:
        return [f"the code at hand cannot be compared: {error}"]


def _shown(file: Path, ledger: Ledger) -> str:
    """A file of the audit as records would name it."""
    if file.is_relative_to(ledger.folder):
        return f"{ledger.root}/{file.relative_to(ledger.folder).as_posix()}"
    return file.relative_to(ledger.base).as_posix() if ledger.base is not None else file.as_posix()
