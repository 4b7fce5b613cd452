"""What the signatures of a results folder say of it, as part of the verdict on the folder."""

from pathlib import Path

from workflow_scripts.provenance.findings import Finding, Verdict
from workflow_scripts.provenance.ledger import Ledger
from workflow_scripts.provenance.notes import first_few
from workflow_scripts.provenance.signature import check, signatures_in, signed_text
from workflow_scripts.runtime.folders import SIGNATURES


def check_signatures(ledger: Ledger, signers: Path | None, verdict: Verdict) -> None:
    """Add to a verdict who signed the folder, and a finding for every signature that does not hold, or for none.

    `signers` is a file of those whose signatures the caller takes; without it a note says that nothing was checked.
    Raises SignatureError where signatures cannot be checked.
    """
    place = f"{ledger.root}/{SIGNATURES}"
    if signers is None:
        keys = [each.fingerprint for each in signatures_in(ledger.folder)]
        if keys:
            verdict.notes.append(f"signatures that were not checked, since no signers were given: {first_few(keys)}")
        return
    checked = check(ledger.folder, signed_text(ledger.root, ledger.root_digest), signers)
    if not checked:
        verdict.findings.append(Finding("signature", place, "there is no signature in it"))
    for each in checked:
        if each.fault is not None:
            verdict.findings.append(Finding("signature", f"{place}/{each.signature.file.name}", each.fault))
        else:
            who = f"{', '.join(each.signers)} with the key {each.signature.fingerprint}"
            verdict.signed.append(f"signed by {who}, over the root digest {ledger.root_digest}")
