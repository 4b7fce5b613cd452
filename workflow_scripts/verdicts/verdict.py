"""From evidence to a verdict: a claim is undecided unless its intervals say otherwise."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from workflow_scripts.tables.display_names import count
from workflow_scripts.verdicts.evidence import CONFIDENCE, Evidence, effect, interval

Word = Literal["holds", "fails", "undecided"]


@dataclass(frozen=True)
class Finding:
    """One piece of evidence with its effect, its interval (both absent where there are too few values) and its word."""

    evidence: Evidence
    effect: float | None
    interval: tuple[float, float] | None
    word: Word


@dataclass(frozen=True)
class Verdict:
    """What the tables of a study say of a claim, and why, in a sentence."""

    word: Word
    reason: str
    findings: tuple[Finding, ...] = ()


def verdict(evidence: Sequence[Evidence], needs: str) -> Verdict:
    """The verdict on a claim from all its evidence.

    It holds where every interval lies within what the claim says, and fails where one lies outside. `needs` says what
    a study must have for the claim to be measured; it is the reason where there is no evidence.
    """
    if not any(each.n for each in evidence):
        return Verdict("undecided", f"not measured: it needs {needs}")
    confidence = 1 - (1 - CONFIDENCE) / len(evidence)
    findings = tuple(_finding(each, confidence) for each in evidence)
    against = [each for each in findings if each.word == "fails"]
    open_ones = [each for each in findings if each.word == "undecided"]
    if against:
        return Verdict("fails", f"an interval lies outside the claim: {against[0].evidence.what}", findings)
    if open_ones:
        return Verdict("undecided", _why_open(open_ones, len(findings)), findings)
    held = f"{count(len(findings), 'interval lies', 'intervals lie')} within the claim; {findings[0].evidence.what}"
    return Verdict("holds", held, findings)


def _finding(evidence: Evidence, confidence: float) -> Finding:
    found = interval(evidence, confidence)
    return Finding(evidence, effect(evidence), found, _word(evidence, found))


def _word(evidence: Evidence, found: tuple[float, float] | None) -> Word:
    if found is None:
        return "undecided"
    least = float("-inf") if evidence.least is None else evidence.least
    most = float("inf") if evidence.most is None else evidence.most
    if least <= found[0] and found[1] <= most:
        return "holds"
    return "fails" if found[1] < least or found[0] > most else "undecided"


def _why_open(open_ones: list[Finding], all_of_them: int) -> str:
    """Why a claim is undecided: the first comparison that is open, and how many more are."""
    first = open_ones[0]
    if not first.evidence.n:
        why = "not measured"
    elif first.interval is None:
        why = f"n = {first.evidence.n} is too few, or does not vary, for an interval"
    else:
        why = "the interval reaches past what the claim says"
    return f"{len(open_ones)} of {count(all_of_them, 'comparison')} open; {first.evidence.what}: {why}"
