"""The methods of the cell search: those read off one search (`cells/methods/`), and those that choose among several.

A new method that reads an architecture off a finished search is one new file there.
"""

import re
from functools import cache
from pathlib import Path
from typing import Literal, get_args

from workflow_scripts.data.data_set import NAME
from workflow_scripts.study.module_literals import literal
from workflow_scripts.tables.display_names import SELECTING, method_order

SearchKind = Literal["darts", "darts_ada", "random_ws"]
KINDS: tuple[SearchKind, ...] = get_args(SearchKind)
FOLDER = Path(__file__).parents[1] / "cells" / "methods"


def method_names() -> list[str]:
    """The names of all methods: the papers' in the order of their table, then others, sorted.

    A file whose name is not a `NAME` does not count.
    """
    found = {path.stem for path in FOLDER.glob("*.py") if re.fullmatch(NAME, path.stem)}
    return sorted(found | set(SELECTING), key=method_order)


@cache
def search_of(method: str) -> SearchKind:
    """The kind of search that a method reads. Raises ValueError, in one sentence, where its file does not state one."""
    stated = literal(FOLDER / f"{method}.py", "SEARCH")
    for kind in KINDS:
        if stated == kind:
            return kind
    raise ValueError(f"{method}.py: SEARCH is {stated}; a method reads one of {', '.join(KINDS)}")


def module_name(method: str) -> str:
    """The module that chooses a method's epoch."""
    return f"workflow_scripts.cells.methods.{method}"
