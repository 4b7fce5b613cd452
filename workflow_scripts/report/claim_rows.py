"""How verdicts on claims are written for people, on the report page, in `docs/claims.md` and by `make claims`."""

from typing import Any

from workflow_scripts.report import number_formats

RULE = (
    "A claim holds where every interval lies within what it says, fails where one lies outside, and is undecided "
    "otherwise. The intervals of a claim in a study have a confidence of 95 % together: each of k has 1 - 0.05 / k "
    "(Bonferroni). Nothing corrects for the number of claims or of studies. The interval of a mean or a rank "
    "correlation holds two: the bootstrap's, over independent searches, networks or pairs of them, and the textbook "
    "one (Student, Fisher), which is wider with few seeds. That of a share is Clopper and Pearson's."
)
COLUMNS = ("comparison", "kind", "n", "effect", "interval", "claimed", "verdict")


def comparison(evidence: dict[str, Any]) -> list[str]:
    """The cells of one comparison, as `COLUMNS` names them."""
    counted = f"{len(evidence['values'])} ({evidence['each']})" if evidence["values"] else "0"
    return [
        evidence["what"],
        evidence["kind"],
        counted,
        _number(evidence["effect"]),
        _interval(evidence),
        _claimed(*evidence["claimed"]),
        evidence["word"],
    ]


def scale(departures: list[Any]) -> str:
    """How far the scale of a study is from the paper's, in a few words."""
    if not departures:
        return "the paper's settings"
    return f"{len(departures)} {'setting differs' if len(departures) == 1 else 'settings differ'}"


def numbers(claim: dict[str, Any]) -> list[str]:
    """Effect, interval and n of the comparison that decided a claim: the first with its verdict, or else the first.

    Three dashes where nothing was measured.
    """
    alike = [each for each in claim["evidence"] if each["word"] == claim["verdict"]]
    for each in [*alike, *claim["evidence"]][:1]:
        return [_number(each["effect"]), _interval(each), str(len(each["values"]))]
    return [number_formats.DASH] * 3


def _interval(evidence: dict[str, Any]) -> str:
    """`0.17 to 0.35`, or a dash where there are too few values for an interval."""
    found = evidence["interval"]
    return number_formats.DASH if found is None else f"{_number(found[0])} to {_number(found[1])}"


def _claimed(least: float | None, most: float | None) -> str:
    if least is None or most is None:
        return f"at most {most:g}" if least is None else f"at least {least:g}"
    return f"{least:g} to {most:g}"


def _number(value: float | None) -> str:
    return number_formats.DASH if value is None else f"{value:.3g}"
