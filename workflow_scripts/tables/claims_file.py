"""The file `claims.json` of a study: the verdict on each claim of the papers, and the numbers that it rests on.

Keys: version, study; `departures`, by paper the settings that are not the paper's, each with its value here and there;
`tables`, the sha256 of each table that was read; `claims`, each with name, paper, place, statement, figure, verdict,
reason and `evidence`: what is compared, what one value is, kind, values, step, claimed (least and most), effect,
interval, word.
"""

import re
from pathlib import Path
from typing import Any

from workflow_scripts.tables.files import damaged, read_json, write_json

VERSION = 1
PAPERS = {"robustdarts": "RobustDARTS", "depth": "Variational Depth Search"}
"""The papers in the order of every list of claims, and their names."""
KEYS = {"version", "study", "departures", "tables", "claims"}
CLAIM_KEYS = {"name", "paper", "place", "statement", "figure", "verdict", "reason", "evidence"}
EVIDENCE_KEYS = {"what", "each", "kind", "values", "step", "claimed", "effect", "interval", "word"}


def claim_order(paper: str, place: str, name: str) -> tuple[int, str, str, str]:
    """Sorts claims by their paper, then by the first section that their place names, then by place and name."""
    section = re.search(r"\d+", place)
    return (list(PAPERS).index(paper), section[0] if section else "", place, name)


def write_claims(path: Path, content: dict[str, Any]) -> None:
    """Write the verdicts of a study. Raises ValueError where a key is missing or unknown."""
    _require_keys(content)
    write_json(path, content)


def read_claims(path: Path) -> dict[str, Any]:
    """The verdicts of a study. Raises ValueError, in one sentence that names the file, where it is not such a file."""
    content = read_json(path)
    try:
        _require_keys(content)
    except (ValueError, TypeError, AttributeError) as error:
        raise damaged(path, "file of claims", error) from None
    return content


def _require_keys(content: dict[str, Any]) -> None:
    if set(content) != KEYS or content["version"] != VERSION:
        raise ValueError(f"its keys are {sorted(content)}, version {content.get('version')}; this code has {VERSION}")
    for claim in content["claims"]:
        for part, keys in [(claim, CLAIM_KEYS), *((each, EVIDENCE_KEYS) for each in claim.get("evidence", ()))]:
            if set(part) != keys:
                raise ValueError(f"an entry has the keys {sorted(part)}, the schema has {sorted(keys)}")
