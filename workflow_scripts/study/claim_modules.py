"""What a claim module says of itself, read by parsing so that no numerical library is loaded.

A new claim is one new file in `workflow_scripts/claims/`.
"""

import re
from functools import cache
from pathlib import Path

from workflow_scripts.data.data_set import NAME
from workflow_scripts.study import module_literals
from workflow_scripts.tables.claims_file import PAPERS, claim_order

FOLDER = Path(__file__).parents[1] / "claims"
STATED = ("PAPER", "PLACE", "STATEMENT", "TABLES", "FIGURE")


def claim_names(paper: str | None = None) -> list[str]:
    """The names of all claims, or of one paper's, in the order of every list of claims."""
    names = [path.stem for path in FOLDER.glob("*.py") if re.fullmatch(NAME, path.stem)]
    papers = {name: str(stated(name, "PAPER")) for name in names}
    chosen = [name for name in names if paper in (None, papers[name])]
    return sorted(chosen, key=lambda name: claim_order(papers[name], str(stated(name, "PLACE")), name))


@cache
def stated(claim: str, name: str) -> str | tuple[str, ...]:
    """A literal of `STATED` of a claim module. Raises ValueError, in one sentence, where it is absent or unknown."""
    place, allowed = f"workflow_scripts/claims/{claim}.py", PAPERS if name == "PAPER" else None
    value: str | tuple[str, ...] = module_literals.stated(FOLDER / f"{claim}.py", name, place, allowed)
    return value


def module_name(claim: str) -> str:
    """The module that judges a claim."""
    return f"workflow_scripts.claims.{claim}"
