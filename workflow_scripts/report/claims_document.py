"""The document `docs/claims.md`, written from the verdicts of studies."""

from collections.abc import Iterator, Sequence
from typing import Any

from workflow_scripts.report.claim_rows import COLUMNS, RULE, comparison, scale
from workflow_scripts.tables.claims_file import PAPERS
from workflow_scripts.tables.display_names import count

WORDS = ("holds", "fails", "undecided")

_HEAD = f"""# What the papers claim, and what of it holds

This page is generated: `.venv/bin/python -m workflow_scripts.gather_claims --docs STUDY` adds the verdicts of a study
to `docs/claims/` and writes it from all that are there. Each claim is a file of `workflow_scripts/claims/`, which says
what is compared. `make claims` prints the same for the studies at hand. Sections of RobustDARTS are numbered as its
introduction numbers them (arXiv 1909.09656v2); of Variational Depth Search (arXiv 2002.02797) the part is named.

{RULE}

A study speaks for its own scale; [below](#the-scale-of-each-study) is where its settings differ from the paper's.
"""


def document(claims: Sequence[dict[str, str]], studies: Sequence[dict[str, Any]]) -> str:
    """The text, of claims (name, paper, place, statement) in their order, and of the files of claims of studies.

    A claim is missing where a study was judged before it was stated. Raises ValueError, in one sentence, where a study
    judged a claim that is stated otherwise now.
    """
    parts = [_HEAD]
    for paper, title in PAPERS.items():
        about = [study for study in studies if paper in study["departures"]]
        stated = [claim for claim in claims if claim["paper"] == paper]
        found = {
            claim["name"]: [(study, each) for study in about for each in _verdicts(study, claim)] for claim in stated
        }
        parts.append(f"## {title}\n\n{_summary(stated, found)}")
        parts += [_section(claim, found[claim["name"]]) for claim in stated]
    parts.append(f"## The scale of each study\n\n{_scales(studies)}")
    return "\n".join(parts)


def readme_line(paper: str, claims: Sequence[dict[str, str]], studies: Sequence[dict[str, Any]]) -> str:
    """One line on a paper: how many of its claims hold, fail or are undecided in the studies."""
    stated = [claim for claim in claims if claim["paper"] == paper]
    about = [study for study in studies if paper in study["departures"]]
    words = [_together([each["verdict"] for study in about for each in _verdicts(study, claim)]) for claim in stated]
    numbers = {word: sum(word == each for each in words) for word in _TOGETHER}
    counts = [count(number, *_TOGETHER[word]) for word, number in numbers.items()]
    return f"**{PAPERS[paper]}**, {count(len(stated), 'claim')}: {', '.join(counts)}."


_TOGETHER = {
    "holds": ("holds in a study and fails in none", "hold in a study and fail in none"),
    "fails": ("fails in one", "fail in one"),
    "undecided": ("is undecided", "are undecided"),
}


def _together(words: list[str]) -> str:
    """The verdict of several studies: one that fails outweighs those that hold, and these outweigh undecided ones."""
    return next((word for word in ("fails", "holds") if word in words), "undecided")


def _verdicts(study: dict[str, Any], claim: dict[str, str]) -> list[dict[str, Any]]:
    """The verdict of a study on a claim, none where it was not judged."""
    found = [each for each in study["claims"] if each["name"] == claim["name"]]
    if any(each[key] != claim[key] for each in found for key in claim):
        raise ValueError(
            f"the verdicts of {study['study']} are not on the claim {claim['name']} as it is stated now; "
            f"run make run STUDY={study['study']} and write the document again"
        )
    return found


def _summary(claims: list[dict[str, str]], found: dict[str, list]) -> str:
    rows = []
    for claim in claims:
        by_word = {
            word: [study["study"] for study, verdict in found[claim["name"]] if verdict["verdict"] == word]
            for word in WORDS
        }
        rows.append(
            [f"[{_cell(claim['statement'])}](#{claim['name']})", claim["place"], *map(", ".join, by_word.values())]
        )
    return _table(("claim", "in the paper", *(f"{word} in" if word != "undecided" else word for word in WORDS)), rows)


def _section(claim: dict[str, str], verdicts: list[tuple[dict[str, Any], dict[str, Any]]]) -> str:
    lines = [f"### {claim['name']}\n\n{claim['statement']} ({claim['place']})\n"]
    if not verdicts:
        lines.append("Undecided: no study here has judged it.\n")
    for study, verdict in verdicts:
        differ = scale(study["departures"][claim["paper"]])
        lines.append(f"**{study['study']}** ({differ}): {verdict['verdict']}; {verdict['reason']}.\n")
        if verdict["evidence"]:
            lines.append(_table(COLUMNS, [comparison(each) for each in verdict["evidence"]]))
    return "\n".join(lines)


def _scales(studies: Sequence[dict[str, Any]]) -> str:
    rows = [
        [study["study"], PAPERS[paper], *departure]
        for study in studies
        for paper, departures in study["departures"].items()
        for departure in departures or [["none", "", ""]]
    ]
    return _table(("study", "paper", "setting", "here", "there"), rows)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(_rows(columns, rows)) + "\n"


def _rows(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield "|" + "---|" * len(columns)
    yield from (f"| {' | '.join(map(_cell, row))} |" for row in rows)


def _cell(text: str) -> str:
    """Text in a cell of a table, in which a bar would end it."""
    return str(text).replace("|", "\\|")
