"""Verification: re-hash every file of a results folder, follow every link, compare with the code and study at hand."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from workflow_scripts.provenance.attempts import FOLDER as ATTEMPTS
from workflow_scripts.provenance.attempts import all_attempts
from workflow_scripts.provenance.code_digest import ROOT, module_path
from workflow_scripts.provenance.hashing import sha256_of_files
from workflow_scripts.provenance.identity import identity_text, parse_identity, step_code
from workflow_scripts.provenance.ledger import RECORDS, Entry, Ledger
from workflow_scripts.provenance.links import LINKED
from workflow_scripts.provenance.queries import SHOWN, changes, module_changes
from workflow_scripts.provenance.record import InputFile, Record, software
from workflow_scripts.provenance.waivers import FOLDER as WAIVERS
from workflow_scripts.provenance.waivers import Waivers
from workflow_scripts.study.planned import PlannedJob

VIEWS = ("report.html", "provenance.html")
"""Pages made from records and results, for reading."""
TRACES = ("logs", ATTEMPTS)
"""Folders of what jobs said and when they were tried; no record vouches for them."""
TIMESTAMP = ".snakemake_timestamp"


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
    verdict = Verdict(str(ledger.folder), ledger.root_digest, jobs=len(ledger.jobs))
    verdict.views = [name for name in VIEWS if (ledger.folder / name).is_file()]
    digests = _hash(ledger, verdict, rehash)
    findings = [
        *_records(ledger),
        *_outputs(ledger, digests),
        *_links(ledger, digests),
        *_unrecorded(ledger),
        *_finished_without_record(ledger),
    ]
    if against is not None and against != ledger.root_digest:
        findings.append(Finding("root", str(ledger.folder), f"its root digest is {ledger.root_digest}, not {against}"))
    verdict.findings = list(dict.fromkeys(findings))
    _compare_with_study(ledger, planned, verdict)
    verdict.notes += _notes(ledger)
    return verdict


def _hash(ledger: Ledger, verdict: Verdict, rehash: bool) -> dict[str, str | None]:
    """The sha256 of every recorded path that can be looked for; None for one that is not there."""
    recorded = {each.path: each.sha256 for entry in ledger.entries() for each in entry.record.inputs}
    recorded |= {path: _recorded(entry, path) for path, entry in ledger.makers.items()}
    places = {path: place for path in sorted(recorded) if (place := ledger.at(path)) is not None}
    if rehash:
        found = sha256_of_files(places.values())
    else:
        found = {place: recorded[path] if place.is_file() else None for path, place in places.items()}
    there = [place for place, digest in found.items() if digest is not None]
    verdict.files, verdict.bytes = len(there), sum(place.stat().st_size for place in there)
    away = sorted(recorded.keys() - places.keys())
    if away:
        verdict.notes.append(f"not looked at, because the folder lies apart from the workflow: {_some(away)}")
    return {path: found[place] for path, place in places.items()}


def _recorded(entry: Entry, path: str) -> str:
    """The sha256 that a record states of an output."""
    return next(output.sha256 for output in entry.record.outputs if output.path == path)


def _records(ledger: Ledger) -> Iterator[Finding]:
    for file, why in ledger.unreadable.items():
        yield Finding("record", _shown(file, ledger), f"this record was altered or is damaged: {why}")
    for job, entry in ledger.jobs.items():
        if entry.record.job != job or entry.record.root != ledger.root:
            cause = f"this record is that of {entry.record.root}/{RECORDS}/{entry.record.job}.json"
            yield Finding("record", _shown(entry.file, ledger), cause, job)


def _outputs(ledger: Ledger, digests: dict[str, str | None]) -> Iterator[Finding]:
    """Files that are not there, and files that are not what was recorded."""
    written = {
        output.sha256: output.path for entry in ledger.entries() for output in entry.record.outputs if output.bytes
    }
    for entry in ledger.entries():
        for output in entry.record.outputs:
            if output.path not in digests or ledger.makers[output.path] is not entry:
                continue
            digest = digests[output.path]
            if digest is None:
                cause = f"it is recorded by {entry.record.job} ({entry.record.ended}), but not there"
                yield Finding("missing", output.path, cause, entry.record.job)
            elif digest != output.sha256:
                other = written.get(digest)
                now = f"sha256 {digest[:SHOWN]}" if other is None else f"the content of {other}"
                before = f"sha256 {output.sha256[:SHOWN]}"
                cause = f"it was altered after {entry.record.job} wrote it: recorded is {before}, found {now}"
                yield Finding("altered", output.path, cause, entry.record.job)


def _links(ledger: Ledger, digests: dict[str, str | None]) -> Iterator[Finding]:
    """Inputs whose making is not recorded as their reader says."""
    told: Counter[str] = Counter()
    for entry in ledger.entries():
        for read in entry.record.inputs:
            finding = _link(ledger, entry, read, digests)
            if finding is not None:
                told[finding.path] += 1
                if told[finding.path] == 1:
                    yield finding


def _link(ledger: Ledger, entry: Entry, read: InputFile, digests: dict[str, str | None]) -> Finding | None:
    reader = entry.record.job
    if read.record is None:
        return _source(ledger, entry, read, digests)
    maker, now = ledger.maker(read), ledger.makers.get(read.path)
    if maker is None:
        if now is None:
            file = f"the record of the job that wrote {read.path}"
            if any(_could_tell(path, read, ledger) for path in ledger.unreadable):
                return None  # told already, by the record's name
            return Finding("link", file, f"{reader} links to it, and it is not there", reader)
        file = _shown(now.file, ledger)
        other = f"another record of it (sha256 {read.record[:SHOWN]})"
        cause = f"{reader} links to {other}: it was altered, or the earlier one deleted"
        return Finding("record", file, cause, now.record.job)
    if not any((output.path, output.sha256) == (read.path, read.sha256) for output in maker.record.outputs):
        cause = f"it does not tell of {read.path} (sha256 {read.sha256[:SHOWN]}), which {reader} says it does"
        return Finding("record", _shown(maker.file, ledger), cause, maker.record.job)
    if now is not None and now is not maker and _recorded(now, read.path) != read.sha256:
        cause = f"{read.path} was made anew by {now.record.job} ({now.record.ended}) after {reader} read it"
        return Finding("stale", reader, cause, reader)
    return None


def _could_tell(file: Path, read: InputFile, ledger: Ledger) -> bool:
    """Whether an unreadable record may be the one that an input's reader links to."""
    return file.stem == read.record or file.is_relative_to(ledger.folder / RECORDS) or ledger.base is not None


def _source(ledger: Ledger, entry: Entry, read: InputFile, digests: dict[str, str | None]) -> Finding | None:
    """A file that no job made: fetched from outside, or one of the repository."""
    reader = entry.record.job
    if read.path in ledger.makers:
        cause = f"{reader} read it in a state that no recorded job wrote"
        return Finding("altered", read.path, cause, reader)
    given = [path for paths in entry.record.arguments.inputs.values() for path in paths]
    fetched = not any(read.path == path or read.path.startswith(f"{path}/") for path in given)
    if fetched and not _is_declared(entry.record, read):
        cause = (
            f"{reader} was made from it with sha256 {read.sha256[:SHOWN]}, which the data set's module does not name"
        )
        return Finding("altered", read.path, cause, reader)
    digest = digests.get(read.path)
    if digest is None and read.path in digests:
        if fetched:
            return None  # its checksum is recorded; the file itself may be thrown away
        return Finding("missing", read.path, f"{reader} read it, and it is not there", reader)
    if digest is not None and digest != read.sha256:
        cause = f"{reader} read it with sha256 {read.sha256[:SHOWN]}, found {digest[:SHOWN]}"
        return Finding("altered", read.path, cause, reader)
    if not fetched and read.path.startswith(f"{ledger.root}/"):
        return Finding("unrecorded", read.path, f"{reader} read it, and no record tells where it came from", reader)
    return None


def _is_declared(record: Record, read: InputFile) -> bool:
    """Whether the code at hand names a fetched file's checksum; True where it names none, or is not at hand."""
    texts = [path.read_text() for module in record.chosen_modules if (path := module_path(module)) is not None]
    return not texts or any(read.sha256 in text for text in texts) or not any("sha256" in text for text in texts)


def _unrecorded(ledger: Ledger) -> Iterator[Finding]:
    """Files of the folder that nothing tells of."""
    recorded = {ledger.at(output.path) for entry in ledger.entries() for output in entry.record.outputs}
    for file in _files(ledger.folder):
        place = file.relative_to(ledger.folder)
        known = place.parts[0] in (*TRACES, RECORDS, LINKED, WAIVERS) if len(place.parts) > 1 else place.name in VIEWS
        if place.parts[0] in (RECORDS, LINKED, WAIVERS):
            known = file.suffix == ".json"
        if not known and file not in recorded:
            yield Finding("unrecorded", f"{ledger.root}/{place.as_posix()}", "no record tells where it came from")


def _files(folder: Path) -> Iterator[Path]:
    """The files below a folder, but hidden ones, which belong to the workflow's own work."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir() and not path.is_symlink():
            yield from _files(path)
        else:
            yield path


def _finished_without_record(ledger: Ledger) -> Iterator[Finding]:
    """Jobs whose attempts say that they ended well, and whose record is not there."""
    for attempts in all_attempts(ledger.folder):
        job, ended = attempts.job, attempts.ended_well
        file = ledger.folder / RECORDS / f"{job}.json"
        if ended and job not in ledger.jobs and file not in ledger.unreadable:
            cause = f"the record is not there, although {job} ended well ({ended[-1].get('ended')})"
            yield Finding("missing", _shown(file, ledger), cause, job)


def _compare_with_study(ledger: Ledger, planned: Iterable[PlannedJob] | None, verdict: Verdict) -> None:
    """Stale and waived jobs: against the study where it is at hand, else against the code alone."""
    waivers = Waivers(ledger.folder)
    if planned is None:
        verdict.notes.append("the study's configuration is not at hand: settings were not compared")
        for entry in ledger.entries():
            changed = _code_changes(entry.record)
            if changed:
                finding = Finding("stale", entry.record.job, "; ".join(changed), entry.record.job)
                verdict.findings.append(finding)
        return
    expected = {(job.root, job.name): job for job in planned}
    not_made: list[str] = []
    for (root, name), job in expected.items():
        made = ledger.jobs.get(name) if root == ledger.root else ledger.data.get(name)
        if made is None:
            if root == ledger.root:
                not_made.append(name)
            continue
        now = identity_text(job.step, job.settings, job.modules)
        changed = changes(made.record, parse_identity(now))
        if not changed:
            continue
        if root == ledger.root and waivers.kept(name, now) is not None:
            waiver = waivers.all[name]
            verdict.waived.append(
                Finding("waived", name, f"{waiver.reason} ({waiver.made}): {'; '.join(changed)}", name)
            )
        else:
            verdict.findings.append(Finding("stale", name, "; ".join(changed), name))
    if not_made:
        verdict.notes.append(f"jobs of the study that have no result: {_some(not_made)}")
    others = sorted(name for name in ledger.jobs if (ledger.root, name) not in expected)
    if others:
        verdict.notes.append(f"results of jobs that are no part of the study as it is now: {_some(others)}")


def _code_changes(record: Record) -> list[str]:
    try:
        return module_changes(record.modules, step_code(record.step, record.chosen_modules))
    except (FileNotFoundError, ValueError) as error:
        return [f"the code at hand cannot be compared: {error}"]


def _notes(ledger: Ledger) -> list[str]:
    """Versions, machines and attempts worth knowing."""
    notes = []
    here = software()
    records = [entry.record for entry in ledger.jobs.values()]
    notes += _versions("python", here["python"], (record.software.python for record in records))
    for package, version in here["packages"].items():
        if version is not None:
            notes += _versions(package, version, (record.software.packages.get(package) for record in records))
    if here["lock_sha256"] is not None:
        other = [record for record in records if record.software.lock_sha256 != here["lock_sha256"]]
        if other:
            notes.append(f"made with another {(ROOT / 'envs' / 'requirements.txt').name}: {len(other)} jobs")
    processors = Counter(record.machine.processor for record in records)
    if len(processors) > 1:
        notes.append(
            "made on several kinds of processor: " + ", ".join(f"{name} ({n})" for name, n in processors.items())
        )
    dirty = sum(bool(record.git.dirty) for record in records)
    if dirty:
        notes.append(f"made from a checkout with uncommitted changes: {dirty} jobs (the code digests tell which)")
    traces = all_attempts(ledger.folder)
    broken = [f"{attempts.job} ({len(attempts.unfinished)})" for attempts in traces if attempts.unfinished]
    if broken:
        notes.append(f"attempts that were killed, or still run: {_some(broken)}")
    return notes


def _versions(name: str, here: str, recorded: Iterable[str | None]) -> list[str]:
    others = Counter(version for version in recorded if version is not None and version != here)
    return [f"made with {name} {version}, at hand is {here}: {count} jobs" for version, count in others.items()]


def _some(names: list[str], most: int = 3) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _shown(file: Path, ledger: Ledger) -> str:
    """A file of the audit as records would name it."""
    if file.is_relative_to(ledger.folder):
        return f"{ledger.root}/{file.relative_to(ledger.folder).as_posix()}"
    return file.relative_to(ledger.base).as_posix() if ledger.base is not None else file.as_posix()
