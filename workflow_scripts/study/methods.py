"""The methods of the cell search: those read off one search (`cells/methods/`), and those that choose among several.

A new method that reads an architecture off a finished search is one new file there.
"""

from functools import cache
from pathlib import Path
from typing import Literal

from workflow_scripts.study.literals import literal
from workflow_scripts.tables.names import METHOD_NAMES

SearchKind = Literal["darts", "darts_ada", "random_ws"]
KINDS: tuple[SearchKind, ...] = ("darts", "darts_ada", "random_ws")
SELECTING = ("r_darts_l2", "r_darts_dp")
"""Methods that choose among the architectures of several searches."""
FOLDER = Path(__file__).parents[1] / "cells" / "methods"


def method_names() -> list[str]:
    """The names of all methods: the papers' in the order of their table, then others, sorted."""
    found = {path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__"} | set(SELECTING)
    return [name for name in METHOD_NAMES if name in found] + sorted(found - set(METHOD_NAMES))


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
