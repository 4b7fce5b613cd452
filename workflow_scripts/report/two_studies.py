"""The page that shows two studies side by side: the settings in which they differ, their verdicts, their figures."""

import base64
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workflow_scripts.report import number_formats
from workflow_scripts.report.claim_rows import RULE, numbers
from workflow_scripts.runtime.page_template import page_template
from workflow_scripts.tables.claims_file import PAPERS, claim_order, read_claims
from workflow_scripts.tables.files import damaged, read_json
from workflow_scripts.tables.page_colours import PAGE_COLOURS

PAGES = ("report.html", "provenance.html")
_NOT_MEASURED = ["not measured", *[number_formats.DASH] * 3]
_PNG = b"\x89PNG\r\n\x1a\n"


Words = tuple[str, str, str]  # a claim: paper, place and statement


@dataclass(frozen=True)
class Results:
    """What a results folder says.

    `departures` are the settings that are not the papers': name, here, there. `measured` are the claims with numbers,
    each with verdict, effect, interval and n; `unmeasured` the others. `figures` are described by their names.
    """

    folder: Path
    claims: dict[str, Any]
    departures: list[tuple[str, str, str]]
    measured: dict[Words, list[str]]
    unmeasured: set[Words]
    figures: dict[str, dict[str, str]]

    @property
    def name(self) -> str:
        """The name of the study."""
        return str(self.claims["study"])


def read_results(folder: Path) -> Results:
    """The verdicts and figures of a results folder. Raises ValueError, in one sentence, where they cannot be read."""
    path = folder / "claims.json"
    if not path.is_file():
        raise ValueError(f"{path} is not there; run the study, make run STUDY={folder.name}, first")
    claims = read_claims(path)
    measured, unmeasured = {}, set()
    try:
        departures = [
            (str(name), str(here), str(there)) for rows in claims["departures"].values() for name, here, there in rows
        ]
        for claim in claims["claims"]:
            words = (claim["paper"], claim["place"], claim["statement"])
            claim_order(*words)
            if claim["evidence"]:
                measured[words] = [str(claim["verdict"]), *numbers(claim)]
            else:
                unmeasured.add(words)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise damaged(path, "file of claims", error) from None
    figures = {path.stem: _figure(path) for path in sorted((folder / "figures").glob("*.json"))}
    return Results(folder, claims, departures, measured, unmeasured, figures)


def two_studies(one: Results, other: Results, place: Path) -> str:
    """The page as HTML text; its links hold for a page in the folder `place`."""
    both = (one, other)
    names = list(dict.fromkeys([*one.figures, *other.figures]))
    measured = sorted({*one.measured, *other.measured}, key=lambda words: claim_order(*words))
    open_claims = sorted((one.unmeasured | other.unmeasured) - set(measured), key=lambda words: claim_order(*words))
    return page_template(Path(__file__).with_name("two_studies.html.j2")).render(
        colours=PAGE_COLOURS,
        names=[f"{each.name} ({each.folder})" if one.name == other.name else each.name for each in both],
        folders=[str(each.folder) for each in both],
        links=[_links(each.folder, place) for each in both],
        settings=_settings(both),
        claims=[(_claim(words), [each.measured.get(words, _NOT_MEASURED) for each in both]) for words in measured],
        open_claims=[_claim(words) for words in open_claims],
        rule=RULE,
        figures=[[each.figures.get(name) for each in both] for name in names],
    )


def _figure(description: Path) -> dict[str, str]:
    """A figure with its title, caption, words for the picture, and the picture as a data URI."""
    text, picture = read_json(description), description.with_suffix(".png")
    if any(not isinstance(text.get(key), str) for key in ("title", "caption", "alternative")):
        raise damaged(description, "description of a figure", "it lacks the title, caption or alternative text")
    content = picture.read_bytes()
    if not content.startswith(_PNG):
        raise damaged(picture, "picture", "it is no PNG")
    words = {key: text[key] for key in ("title", "caption", "alternative")}
    return words | {"picture": f"data:image/png;base64,{base64.b64encode(content).decode()}"}


def _links(folder: Path, place: Path) -> dict[str, str]:
    """Where the pages of a results folder are that are there, seen from another folder."""
    there = (folder / page for page in PAGES if (folder / page).is_file())
    return {path.stem: Path(os.path.relpath(path, place)).as_posix() for path in there}


def _claim(words: Words) -> str:
    paper, place, statement = words
    return f"{statement} ({PAPERS[paper]}, {place})"


def _settings(both: tuple[Results, Results]) -> list[tuple[str, str, str]]:
    """The settings in which the studies differ, of those in which one of them differs from the papers."""
    found = [{name: here for name, here, _ in each.departures} for each in both]
    papers = {name: f"{there} (the papers’)" for each in both for name, _, there in each.departures}
    rows = [(name, *(each.get(name, paper) for each in found)) for name, paper in papers.items()]
    return [(name, here, there) for name, here, there in rows if here != there]
