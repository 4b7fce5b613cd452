"""The columns of the page's graph, from data on the left to figures on the right."""

from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

_Kind = tuple[str, int]


def columns(steps: Sequence[str], parents: Sequence[set[int]]) -> list[int]:
    """The column of every node, from 0: right of all it was made from, and the same for all nodes of a step.

    A step is as far right as its readers allow. Steps that feed each other, as trainings feed the choice of an
    architecture that is trained again, take several columns. A file, whose step is "", is just left of its readers.
    """
    order, above = _without_cycles(parents)
    kinds = _kinds([step or f"file {node}" for node, step in enumerate(steps)], order, above)
    earlier: dict[_Kind, set[_Kind]] = {kind: set() for kind in kinds}
    below: dict[_Kind, set[_Kind]] = {kind: set() for kind in kinds}
    for node in order:
        for parent in above[node]:
            earlier[kinds[node]].add(kinds[parent])
            below[kinds[parent]].add(kinds[node])
    sequence = list(TopologicalSorter(earlier).static_order())
    place: dict[_Kind, int] = {}
    for kind in sequence:
        place[kind] = max((place[each] + 1 for each in earlier[kind]), default=0)
    for kind in reversed(sequence):
        place[kind] = min((place[each] - 1 for each in below[kind]), default=place[kind])
    first = min(place.values(), default=0)
    return [place[kind] - first for kind in kinds]


def _without_cycles(parents: Sequence[set[int]]) -> tuple[list[int], list[set[int]]]:
    """An order in which all parents come first, and the parents; false records may form cycles, which are cut."""
    above = [set(each) for each in parents]
    while True:
        try:
            return list(TopologicalSorter(dict(enumerate(above))).static_order()), above
        except CycleError as error:
            earlier, later = error.args[1][:2]
            above[later].discard(earlier)


def _kinds(steps: Sequence[str], order: Sequence[int], above: Sequence[set[int]]) -> list[_Kind]:
    """Nodes that share a column: those of a step; where steps feed each other, those equally deep among them."""
    feeds: dict[str, set[str]] = {step: set() for step in steps}
    for node in order:
        for parent in above[node]:
            feeds[steps[parent]].add(steps[node])
    reached = {step: _reached(step, feeds) for step in feeds}
    depth = [0] * len(steps)
    for node in order:
        fed_back = (parent for parent in above[node] if steps[parent] in reached[steps[node]])
        depth[node] = max((depth[parent] + 1 for parent in fed_back), default=0)
    return list(zip(steps, depth, strict=True))


def _reached(start: str, feeds: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    todo = [start]
    while todo:
        new = feeds[todo.pop()] - found
        found |= new
        todo += new
    return found
