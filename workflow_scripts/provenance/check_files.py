"""The files of a results folder: those recorded, hashed again and compared with their records; and all others."""

import re
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from pathlib import Path

from workflow_scripts.cluster.submission_files import is_trace
from workflow_scripts.provenance.differences import DIGITS
from workflow_scripts.provenance.findings import Finding, Verdict
from workflow_scripts.provenance.hashing import regular_size, sha256_of_files
from workflow_scripts.provenance.kept_outputs import kept_at
from workflow_scripts.provenance.ledger import Ledger
from workflow_scripts.provenance.record import MARK, OutputFile, lies_at
from workflow_scripts.provenance.signature import signatures_in
from workflow_scripts.runtime.folders import ATTEMPTS, INPUT_RECORDS, KEPT, LOGS, OWN_WORK, RECORDS, SCHEDULER, WAIVERS
from workflow_scripts.runtime.untrusted_files import found_below

PAGE = "provenance.html"
"""The page of records, made for reading; no job's output."""
UNPROVEN = {LOGS: ".log", ATTEMPTS: ".jsonl", RECORDS: ".json", INPUT_RECORDS: ".json", WAIVERS: ".json"}
"""Folders of the audit itself, and the suffix of their files."""
WRITTEN_ASIDE = (RECORDS, INPUT_RECORDS, WAIVERS, SCHEDULER, KEPT)
"""Folders whose files are written under a temporary name first, as is the page at the top."""
TEMPORARY = re.compile(r"\.(.+)\.\d+")
"""The temporary name of a file whose writing a kill broke off (`runtime/durable.py`)."""


@dataclass(frozen=True)
class CurrentFile:
    """A recorded file as it is now. Without sha256 where its size, in bytes, is that of no recorded file, or none may
    read it."""

    size: int
    sha256: str | None

    def matches(self, recorded: OutputFile) -> bool:
        """Whether size and content are the recorded ones."""
        return (self.size, self.sha256) == (recorded.bytes, recorded.sha256)

    def __str__(self) -> str:
        """A few words for a person."""
        return f"{self.size} bytes, which were not read" if self.sha256 is None else f"sha256 {self.sha256[:DIGITS]}"


Files = Mapping[str, CurrentFile | None]
"""The recorded files that can be looked for, by path; None for one that is not there."""


def current_files(ledger: Ledger, verdict: Verdict, rehash: bool) -> Files:
    """Size and content of every recorded file. One whose size nothing has is not hashed: it may claim any."""
    recorded: dict[str, OutputFile] = {each.path: each for entry in ledger.entries() for each in entry.record.inputs}
    recorded |= {output.path: output for output, _ in ledger.in_force}
    places = {path: place for path in sorted(recorded) if (place := ledger.location(path)) is not None}
    away = sorted(recorded.keys() - places.keys())
    verdict.note("not looked at, because the folder lies apart from the workflow", away)
    # Data sets may be links, results are none.
    sizes = {path: regular_size(place, follow=not lies_at(path, ledger.root)) for path, place in places.items()}
    there = {path: size for path, size in sizes.items() if size is not None}
    verdict.files, verdict.bytes = len(there), sum(there.values())
    known = {each.bytes for each in recorded.values()}
    digests: dict[str, str | None] = {path: recorded[path].sha256 for path in there}
    if rehash:
        found = sha256_of_files(places[path] for path, size in there.items() if size in known)
        digests = {path: found.get(places[path]) for path in there}
    return {path: CurrentFile(there[path], digests[path]) if path in there else None for path in places}


def altered(ledger: Ledger, path: str) -> Finding | None:
    """What is wrong with one recorded output, if it is there and is not what was recorded. Only this file is read."""
    place = ledger.location(path)
    size = None if place is None else regular_size(place, follow=not lies_at(path, ledger.root))
    if place is None or size is None:
        return None
    return next(check_outputs(ledger, {path: CurrentFile(size, sha256_of_files([place])[place])}), None)


def check_outputs(ledger: Ledger, files: Files) -> Iterator[Finding]:
    """Files that are not there, and files that are not what was recorded."""
    written = {output.sha256: output.path for output, _ in ledger.in_force if output.bytes}
    for output, record in ledger.in_force:
        if output.path not in files:
            continue
        seen, job = files[output.path], record.job
        if seen is None:
            yield Finding("missing", output.path, f"it is recorded by {job} ({record.ended}), but not there", job)
        elif not seen.matches(output):
            other = written.get(seen.sha256 or "")
            now = f"the content of {other}" if other not in (None, output.path) else str(seen)
            before = f"sha256 {output.sha256[:DIGITS]}, {output.bytes} bytes"
            cause = f"it was altered after {job} wrote it: recorded is {before}, found {now}"
            yield Finding("altered", output.path, cause, job)


# what no record names -------------------------------------------------------------------------------------------------


def unrecorded_files(ledger: Ledger) -> Iterator[Finding]:
    """Files of the folder that no record names, links, which may lead anywhere, and what is not a file at all.

    Kept bytes are known by their place alone: they are hashed when they are put back.
    """
    recorded = {ledger.location(output.path) for output, _ in ledger.in_force}
    recorded |= {signature.file for signature in signatures_in(ledger.folder)}
    kept = {
        kept_at(ledger.folder, job, each.sha256)
        for job, entry in ledger.jobs.items()
        if entry.record.job == job
        for each in entry.record.outputs
    }
    for part in sorted(ledger.folder.iterdir()):
        for found in found_below(part):
            place = found.path.relative_to(ledger.folder)
            path = f"{ledger.root}/{place.as_posix()}"
            if found.fault is not None:
                yield Finding("unrecorded", path, found.fault)
            elif found.path not in recorded and not _is_passed_over(ledger, place, kept):
                yield Finding("unrecorded", path, "no record says where it came from")


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
