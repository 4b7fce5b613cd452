"""The cell search spaces: candidate operations of every edge, read from `cells/spaces/<name>.yaml`.

A cell has two inputs and four intermediate nodes; node i receives an edge from each of its i + 2 predecessors, so a
cell has 2 + 3 + 4 + 5 = 14 edges, listed node by node, predecessor by predecessor. A new space is one new file.
"""

from functools import cache
from pathlib import Path

import yaml

NODES = 4
EDGES = sum(node + 2 for node in range(NODES))
OPERATIONS = (
    "none",
    "noise",
    "skip_connect",
    "max_pool_3x3",
    "avg_pool_3x3",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
FOLDER = Path(__file__).parents[1] / "cells" / "spaces"

Space = dict[str, list[list[str]]]


def space_names() -> list[str]:
    """The names of all search spaces, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


@cache
def load_space(name: str) -> Space:
    """Per cell kind (`normal`, `reduce`) the candidate operations of each of the 14 edges.

    Raises ValueError, in one sentence, when the file does not describe a space.
    """
    path = FOLDER / f"{name}.yaml"
    content = yaml.safe_load(path.read_text())
    if not isinstance(content, dict) or set(content) not in ({"every_edge"}, {"normal", "reduce"}):
        raise ValueError(f"{path.name}: a space has either the key every_edge, or the keys normal and reduce")
    if "every_edge" in content:
        content = {cell: [content["every_edge"]] * EDGES for cell in ("normal", "reduce")}
    for cell, edges in content.items():
        if len(edges) != EDGES:
            raise ValueError(f"{path.name}: {cell} has {len(edges)} edges, a cell has {EDGES}")
        if len({len(candidates) for candidates in edges}) != 1:
            raise ValueError(f"{path.name}: all edges of {cell} need the same number of candidates")
        unknown = {name for candidates in edges for name in candidates} - set(OPERATIONS)
        if unknown:
            raise ValueError(f"{path.name}: unknown operations {sorted(unknown)}; known are {', '.join(OPERATIONS)}")
    return {cell: [list(candidates) for candidates in content[cell]] for cell in ("normal", "reduce")}
