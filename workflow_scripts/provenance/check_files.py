"""The recorded files as they are now: looked at and hashed again, and compared with their records."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from workflow_scripts.provenance.differences import DIGITS
from workflow_scripts.provenance.findings import Finding, Verdict
from workflow_scripts.provenance.hashing import regular_size, sha256_of_files
from workflow_scripts.provenance.ledger import Ledger
from workflow_scripts.provenance.record import OutputFile, lies_at


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
