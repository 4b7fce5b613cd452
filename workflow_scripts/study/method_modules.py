"""The methods of the cell search: those read off one search (`cells/methods/`), and those that choose among several.

A new method that reads an architecture off a finished search is one new file there. One that computes with the search's
supernet states `WEIGHTS = True`; its architectures are jobs of their own.
"""

import re
from functools import cache
from pathlib import Path

from workflow_scripts.data.data_set import NAME
from workflow_scripts.study.module_literals import literal
from workflow_scripts.tables.display_names import SELECTING, method_order

KINDS = ("darts", "darts_ada", "random_ws")
"""Kinds of search. A file of `cells/mixings/` is one more: DARTS with another mixing of an edge's operations."""
FOLDER = Path(__file__).parents[1] / "cells" / "methods"
MIXINGS = Path(__file__).parents[1] / "cells" / "mixings"


def method_names() -> list[str]:
    """The names of all methods: the papers' in the order of their table, then others, sorted.

    A file whose name is not a `NAME` does not count.
    """
    return sorted({*_files(FOLDER), *SELECTING}, key=method_order)


def search_kinds() -> list[str]:
    """The kinds of search."""
    return [*KINDS, *sorted(_files(MIXINGS))]


def has_mixing(kind: str) -> bool:
    """Whether a kind of search has a mixing of its own."""
    return kind not in KINDS and kind in _files(MIXINGS)


def _files(folder: Path) -> list[str]:
    return [path.stem for path in folder.glob("*.py") if re.fullmatch(NAME, path.stem)]


@cache
def search_of(method: str) -> str:
    """The kind of search that a method reads. Raises ValueError, in one sentence, where its file does not state one."""
    kind = literal(FOLDER / f"{method}.py", "SEARCH")
    if kind not in search_kinds():
        raise ValueError(f"{method}.py: SEARCH is {kind}; a method reads one of {', '.join(search_kinds())}")
    return str(kind)


@cache
def needs_weights(method: str) -> bool:
    """Whether a method computes with a search's supernet; its file then states `WEIGHTS = True`.

    Raises ValueError, in one sentence, where its kind of search keeps none.
    """
    if method in SELECTING or literal(FOLDER / f"{method}.py", "WEIGHTS") is not True:
        return False
    if (kind := search_of(method)) not in ("darts", "darts_ada"):
        raise ValueError(f"{method}.py: it states WEIGHTS, and searches of the kind {kind} keep none")
    return True


def mixing_module(kind: str) -> str:
    """The module that mixes the operations of an edge in a kind of search."""
    return f"workflow_scripts.cells.mixings.{kind}"


def module_name(method: str) -> str:
    """The module that chooses a method's epoch."""
    return f"workflow_scripts.cells.methods.{method}"
