"""Making waivers: keeping stale results on purpose."""

from collections.abc import Iterable
from pathlib import Path

from workflow_scripts.provenance.hashing import sha256_of_recorded
from workflow_scripts.provenance.identity import planned_identity
from workflow_scripts.provenance.ledger import Entry, Ledger
from workflow_scripts.provenance.record import digest_of, lies_at, now
from workflow_scripts.provenance.staleness import record_state
from workflow_scripts.provenance.waivers import Waiver, Waivers
from workflow_scripts.study.job import Job


class WaiverError(Exception):
    """A result that cannot be waived; its text is one sentence."""


def waive(ledger: Ledger, path: str, reason: str, planned: Iterable[Job]) -> list[Path]:
    """Keep the stale results at or below a recorded path; returns the waivers' files.

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
        _check(ledger, entry)
        identity, changes = digest_of(planned_identity(expected[name]).encode()), list(found.reasons)
        new.append(Waiver(job=name, reason=reason, made=now(), record=entry.sha256, identity=identity, changes=changes))
    if not new:
        raise WaiverError(f"{path}: no result there is stale, so there is nothing to waive")
    return [waivers.write(waiver) for waiver in new]


def _check(ledger: Ledger, entry: Entry) -> None:
    sizes = {place: each.bytes for each in entry.record.outputs if (place := ledger.location(each.path)) is not None}
    found = sha256_of_recorded(sizes, ledger.folder)
    for output in entry.record.outputs:
        place = ledger.location(output.path)
        if place is None or found[place] != output.sha256:
            raise WaiverError(f"{output.path} does not match its record, so it cannot be kept; see verify")
