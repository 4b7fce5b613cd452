"""The cell search spaces: candidate operations of every edge, read from `cells/spaces/<name>.yaml`.

A cell has two inputs and four intermediate nodes; node i receives an edge from each of its i + 2 predecessors, so a
cell has 2 + 3 + 4 + 5 = 14 edges, listed node by node, predecessor by predecessor. A new space is one new file.
"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from workflow_scripts.study.module_literals import keys
from workflow_scripts.study.strict_yaml import UnclearValue, load_yaml
from workflow_scripts.tables.genotype import Genotype

NODES = 4
EDGES = sum(node + 2 for node in range(NODES))
FOLDER = Path(__file__).parents[1] / "cells" / "spaces"
OPERATIONS = Path(__file__).parents[1] / "cells" / "operations.py"

Space = dict[str, list[list[str]]]


def space_names() -> list[str]:
    """The names of all search spaces, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


@cache
def operation_names() -> list[str]:
    """The names of all operations. Raises ValueError, in one sentence, where their file cannot be read."""
    return keys(OPERATIONS, "OPERATIONS")


@cache
def load_space(name: str) -> Space:
    """Per cell kind (`normal`, `reduce`) the candidate operations of each of the 14 edges.

    Raises ValueError, in one sentence, when the file does not describe a space.
    """
    path = FOLDER / f"{name}.yaml"
    try:
        content = load_yaml(path.read_text())
    except UnclearValue as error:
        raise ValueError(f"{path.name}: {error.problem}") from None
    except yaml.YAMLError as error:
        raise ValueError(f"{path.name}: this is not valid YAML ({getattr(error, 'problem', error)})") from None
    if not isinstance(content, dict) or set(content) not in ({"every_edge"}, {"normal", "reduce"}):
        raise ValueError(f"{path.name}: a space has either the key every_edge, or the keys normal and reduce")
    if "every_edge" in content:
        content = {cell: [content["every_edge"]] * EDGES for cell in ("normal", "reduce")}
    for cell, edges in content.items():
        if not isinstance(edges, list) or len(edges) != EDGES:
            raise ValueError(f"{path.name}: {cell} is not a list of {EDGES} edges, sorted by node and by predecessor")
        for candidates in edges:
            _check_candidates(path.name, candidates)
        if len({len(candidates) for candidates in edges}) != 1:
            raise ValueError(f"{path.name}: all edges of {cell} need the same number of candidates")
    return {cell: [list(candidates) for candidates in content[cell]] for cell in ("normal", "reduce")}


def misfit(genotype: Genotype, name: str) -> str | None:
    """Why a genotype is no architecture of the space `name`, in a few words; None where it is one."""
    return next(_misfits(genotype, name), None)


def _misfits(genotype: Genotype, name: str) -> Iterator[str]:
    if genotype.nodes != NODES:
        yield f"its cells have {genotype.nodes} nodes, those of a search space {NODES}"
    for kind, edges in (("normal", genotype.normal), ("reduce", genotype.reduce)):
        where, candidates = f"in the {kind} cell", load_space(name)[kind]
        for node in range(NODES):
            entering, candidates = candidates[: node + 2], candidates[node + 2 :]  # by their predecessors
            pair = edges[2 * node : 2 * node + 2]
            for operation, source in pair:
                if operation not in operation_names():
                    yield f"{where} {operation} is no operation; known are {', '.join(operation_names())}"
                allowed = [each for each in entering[source] if each != "none"]
                if operation not in allowed:
                    edge = f"{operation} leads from state {source} to state {node + 2}"
                    yield f"{where} {edge}, which {name} does not allow; it allows {', '.join(allowed)} there"
            if pair[0][1] == pair[1][1]:
                both = f"both operations of state {node + 2} come from state {pair[0][1]}"
                yield f"{where} {both}, which {name} does not allow"


def _check_candidates(file: str, candidates: Any) -> None:
    if not isinstance(candidates, list) or not candidates:
        raise ValueError(f"{file}: the candidates of an edge are a list of operations, here they are {candidates}")
    for operation in candidates:
        if operation not in operation_names():
            raise ValueError(f"{file}: unknown operation {operation}; known are {', '.join(operation_names())}")
    if candidates == ["none"]:
        raise ValueError(f"{file}: an edge has only the candidate none, so that no architecture can be read off it")
    if len(set(candidates)) != len(candidates):
        raise ValueError(f"{file}: an edge names an operation twice: {', '.join(candidates)}")
