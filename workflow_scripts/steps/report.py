"""Step: the report page of a study, one HTML file that needs nothing else to be read.

Numbers on the page are rounded for reading; the linked CSV files hold them in full.
"""

import base64
import hashlib
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from PIL import Image

from workflow_scripts.report import number_formats
from workflow_scripts.report.certainty import repeated
from workflow_scripts.report.claim_rows import COLUMNS, RULE, comparison, numbers
from workflow_scripts.report.result_tables import results
from workflow_scripts.runtime.page_template import page_template
from workflow_scripts.runtime.progress import Progress
from workflow_scripts.tables.architectures import read_architectures
from workflow_scripts.tables.catalogue import TABLES
from workflow_scripts.tables.claims_file import PAPERS, read_claims
from workflow_scripts.tables.files import read_json
from workflow_scripts.tables.page_colours import PAGE_COLOURS
from workflow_scripts.tables.schema import Table

_FIRST_ROWS = 3
_READABLE_SCALE, _LARGEST_SCALE = 0.34, 0.64
"""Pixels on the page per pixel of a picture: narrower screens scroll it, wider ones do not blow it up."""
_PNG_PIXELS_PER_GIF_PIXEL = 200 / 130
"""By their dots per inch, so that a figure and its animation are equally wide."""


def run(
    settings: dict[str, Any], inputs: dict[str, list[Path]], outputs: dict[str, list[Path]], progress: Progress
) -> None:
    """Write outputs["report"] from the verdicts, the figures' descriptions and pictures, the tables and the settings.

    Animations are the input `gif`, where there are any. Links are relative to the study's folder: figures/, tables/,
    architectures.yaml, claims.json, records/, provenance.html. Raises ValueError when settings["figures"] names a
    figure without a description or a picture.
    """
    paths = {path.stem: path for path in inputs["tables"]}
    tables = {name: table.read(paths[name]) for name, table in TABLES.items() if name in paths}
    architectures = [each for path in inputs.get("architectures", []) for each in read_architectures(path)]
    figures = _figures(settings["figures"], inputs)
    page = page_template(Path(__file__).with_name("report.html.j2")).render(
        colours=PAGE_COLOURS,
        study=settings["study"],
        title=settings["title"],
        description=settings["description"],
        departures=settings["departures"],
        settings=yaml.safe_dump(settings["settings"], sort_keys=True, allow_unicode=True),
        commands=settings["commands"],
        figures=figures,
        titles={figure["name"]: figure["title"] for figure in figures},
        claims=[_claim(claim) for claim in read_claims(inputs["claims"][0])["claims"]],
        claim_rule=RULE,
        comparison_columns=COLUMNS,
        results=[result for result in results(tables, architectures) if result["rows"]],
        repeated=repeated(tables),
        cells=_cell_parts(tables),
        has_depth="depth_runs" in tables,
        tables=[_extract(TABLES[name], frame, paths[name]) for name, frame in tables.items()],
        architectures=[path.name for path in inputs.get("architectures", [])],
    )
    outputs["report"][0].parent.mkdir(parents=True, exist_ok=True)
    outputs["report"][0].write_text(page, encoding="utf-8")
    progress.say(f"report of {len(settings['figures'])} figures and {len(tables)} tables")


def _claim(claim: dict[str, Any]) -> dict[str, Any]:
    """A claim with its paper's name, its comparisons as rows, and effect, interval and n of the one that decided."""
    rows = [comparison(each) for each in claim["evidence"]]
    return {**claim, "paper": PAPERS[claim["paper"]], "comparisons": rows, "deciding": numbers(claim)}


def _figures(names: list[str], inputs: dict[str, list[Path]]) -> list[dict[str, Any]]:
    """The figures in report order, each with its picture as a data URI."""
    described = {each["name"]: each for each in map(read_json, inputs["description"])}
    pictures = {path.stem: path for path in inputs["png"]}
    animations = {path.stem: path for path in inputs.get("gif", [])}
    absent = [name for name in names if name not in described or name not in pictures]
    if absent:
        raise ValueError(f"the report lacks the description or the picture of {', '.join(absent)}")
    figures = []
    for name in names:
        animation = _picture(animations[name]) if name in animations else None
        figures.append({**described[name], "picture": _picture(pictures[name]), "animation": animation})
    return figures


def _picture(path: Path) -> dict[str, Any]:
    """A PNG or GIF as a data URI, and how wide the page shows it."""
    with Image.open(path) as image:
        width, height = image.size
        kind = image.get_format_mimetype()
    pixel = _PNG_PIXELS_PER_GIF_PIXEL if path.suffix == ".gif" else 1.0
    return {
        "uri": f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}",
        "width": width,
        "height": height,
        "smallest_width": round(width * pixel * _READABLE_SCALE),
        "largest_width": round(width * pixel * _LARGEST_SCALE),
    }


def _cell_parts(tables: dict[str, pd.DataFrame]) -> set[str]:
    """The parts of the page's text on the cell search: the searches that were run, and the methods evaluated."""
    parts: set[str] = set()
    if "searches" in tables:
        parts |= {"cells", *tables["searches"]["search"].dropna()}
    if "evaluations" in tables:
        parts |= {"evaluations", *tables["evaluations"]["method"].dropna()}
    return parts


def _extract(table: Table, frame: pd.DataFrame, path: Path) -> dict[str, Any]:
    """A table's columns, each with its meaning and its values in the first rows; long texts stay in the file."""
    shown, first = [column for column in table.columns if column.name != "genotype"], frame.head(_FIRST_ROWS)
    return {
        "name": table.name,
        "columns": [
            {
                "name": column.name,
                "meaning": column.meaning,
                "first": [number_formats.cell(value) for value in first[column.name]],
            }
            for column in shown
        ],
        "shown": len(first),
        "length": len(frame),
        "hidden": [column.name for column in table.columns if column not in shown],
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
