"""The citation of a result: CITATION.cff (Citation File Format 1.2.0), and Zenodo's form of the same facts.

Sources: https://github.com/citation-file-format/citation-file-format/blob/main/schema-guide.md;
https://developers.zenodo.org/#representation, the attribute `metadata` of a deposition.
"""

import html
import json
from typing import Any

import yaml

from workflow_scripts.publishing.result import Result
from workflow_scripts.runtime.module_code import ROOT

SOFTWARE = ROOT / "CITATION.cff"
LICENCE = "Apache-2.0"


def citation_file(result: Result) -> str:
    """CITATION.cff of a result, which refers to the software and to all that the software refers to."""
    software = _software()
    used = {key: software[key] for key in ("type", "title", "authors", "version", "license")}
    entries = {
        "cff-version": "1.2.0",
        "message": "If you use these results, please cite them, the software and the papers that it reproduces.",
        "type": "dataset",
        "title": result.title,
        "abstract": result.description,
        "authors": [_person(author) for author in result.authors],
        "version": result.version,
        "date-released": result.day,
        "license": LICENCE,
        "identifiers": [
            {"type": "other", "value": f"sha256:{result.root_digest}", "description": "root digest of the records"}
        ],
        "references": [used, *software["references"]],
    }
    return yaml.safe_dump(entries, sort_keys=False, allow_unicode=True, width=120)


def zenodo_file(result: Result) -> str:
    """`.zenodo.json` of a result."""
    entries = {
        "title": result.title,
        "upload_type": "dataset",
        "description": f"<p>{html.escape(result.description)}</p>",
        "creators": [{"name": author} for author in result.authors],
        "publication_date": result.day,
        "version": result.version,
        "access_right": "open",
        "license": LICENCE,
        "keywords": ["neural architecture search", "reproducibility", "provenance", "Snakemake"],
        "references": [f"{each.citation} ({each.description})" for each in result.data_sets],
        "related_identifiers": [
            {"identifier": reference["url"], "relation": "references", "scheme": "url"}
            for reference in _software()["references"]
        ],
        "notes": f"Root digest of the records: sha256 {result.root_digest}. The terms of the data: DATA_TERMS.md.",
    }
    return json.dumps(entries, indent=1, ensure_ascii=False) + "\n"


def family_and_given(author: str) -> tuple[str, str] | None:
    """A name written as `Family, Given`; None for a name without a comma, of which no part is known."""
    family, comma, given = (part.strip() for part in author.partition(","))
    return (family, given) if comma else None


def _person(author: str) -> dict[str, str]:
    names = family_and_given(author)
    return {"name": author} if names is None else {"family-names": names[0], "given-names": names[1]}


def _software() -> dict[str, Any]:
    software: dict[str, Any] = yaml.safe_load(SOFTWARE.read_text(encoding="utf-8"))
    return software
