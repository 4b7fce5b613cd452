"""Stale and waived results: against the study where it is at hand, else against the code alone."""

from collections.abc import Iterable

from workflow_scripts.provenance.findings import Finding, Verdict
from workflow_scripts.provenance.ledger import Ledger
from workflow_scripts.provenance.notes import first_few
from workflow_scripts.provenance.staleness import ResultState, record_state, record_state_by_code
from workflow_scripts.provenance.waivers import Waivers
from workflow_scripts.study.job import Job


def compare_with_study(ledger: Ledger, planned: Iterable[Job] | None, verdict: Verdict) -> None:
    """Add to a verdict which results are stale or waived, and which jobs and results have no counterpart."""
    waivers = Waivers(ledger.folder)
    if planned is None:
        verdict.notes.append(
            "the study's configuration is not at hand: settings were not compared "
            "(of a study that was run with SET, `make study` writes it)"
        )
        for entry in ledger.entries():
            _add(record_state_by_code(entry.record, entry.sha256, waivers), verdict)
        return
    expected = {(job.root, job.name): job for job in planned}
    not_made: list[str] = []
    for (root, name), job in expected.items():
        of_results = root == ledger.root
        made = (ledger.jobs if of_results else ledger.data_sets).get(name)
        if made is not None:
            _add(record_state(job, made.record, waivers if of_results else None), verdict)
        elif of_results and not job.on_request:
            not_made.append(name)
    verdict.not_made = len(not_made)
    if not_made:
        verdict.notes.append(f"jobs of the study that have no result: {first_few(not_made)}")
    others = sorted(name for name in ledger.jobs if (ledger.root, name) not in expected)
    if others:
        verdict.notes.append(f"results of jobs that are not part of the study as it is now: {first_few(others)}")


def _add(state: ResultState, verdict: Verdict) -> None:
    changed = "; ".join(state.reasons)
    if state.waiver is not None:
        cause = f"{state.waiver.reason} ({state.waiver.made}): {changed}"
        verdict.waived.append(Finding("waived", state.job, cause, state.job))
    elif state.state == "stale":
        verdict.findings.append(Finding("stale", state.job, changed, state.job))
