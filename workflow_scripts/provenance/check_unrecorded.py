"""What else lies in a results folder: files that no record names, and the places where none needs to."""

import re
from collections.abc import Iterator, Set
from pathlib import Path

from workflow_scripts.cluster.submission_files import is_trace
from workflow_scripts.provenance.findings import Finding
from workflow_scripts.provenance.kept_outputs import kept_at
from workflow_scripts.provenance.ledger import Ledger
from workflow_scripts.provenance.record import MARK
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
