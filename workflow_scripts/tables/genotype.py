"""The genotype of a cell search: its structure and the published text form.

A cell has two inputs (states 0 and 1) and `nodes` intermediate nodes (states 2, 3, ...). Each node keeps two incoming
edges, listed strongest first, each an (operation, source state) pair. Text form (RobustDARTS code):
`Genotype(normal=[('skip_connect', 1), ...], normal_concat=range(2, 6), reduce=[...], reduce_concat=range(2, 6))`.
Others publish cells and pairs as tuples or lists, concatenations as lists, and the edges of a node in the order of
their sources; all of this is read, and the order is kept.
"""

import ast
from dataclasses import dataclass

Edge = tuple[str, int]

_FORM = (
    "Genotype(normal=[('operation', state), ...], normal_concat=range(2, n), reduce=[...], reduce_concat=range(2, n))"
)


@dataclass(frozen=True)
class Genotype:
    """Two edges per intermediate node, for the normal and the reduction cell; every such node is concatenated."""

    normal: tuple[Edge, ...]
    reduce: tuple[Edge, ...]

    def __post_init__(self) -> None:
        """Raise ValueError when the edges cannot be a cell."""
        for cell in ("normal", "reduce"):
            edges = getattr(self, cell)
            if not edges or len(edges) % 2:
                raise ValueError(f"genotype: the {cell} cell has {len(edges)} edges, it needs two for each node")
            for position, (_, source) in enumerate(edges):
                last = position // 2 + 1
                if not 0 <= source <= last:
                    edge = f"edge {position} of the {cell} cell (the first is 0)"
                    raise ValueError(f"genotype: {edge} comes from state {source}, where only 0 to {last} are there")
        if len(self.normal) != len(self.reduce):
            raise ValueError("genotype: the normal and the reduction cell differ in their number of nodes")

    @property
    def nodes(self) -> int:
        """The number of intermediate nodes."""
        return len(self.normal) // 2

    def count(self, operation: str, cell: str = "normal") -> int:
        """How many of the chosen edges of one cell carry `operation`."""
        return sum(name == operation for name, _ in getattr(self, cell))

    def text(self) -> str:
        """The published one-line form."""
        concat = f"range(2, {self.nodes + 2})"
        normal, reduce = list(self.normal), list(self.reduce)
        return f"Genotype(normal={normal}, normal_concat={concat}, reduce={reduce}, reduce_concat={concat})"

    def structure(self) -> dict[str, list[list[dict[str, object]]]]:
        """Per cell and node the two edges as plain mappings, for YAML."""
        return {
            cell: [
                [{"operation": name, "from": source} for name, source in edges[2 * node : 2 * node + 2]]
                for node in range(self.nodes)
            ]
            for cell, edges in (("normal", self.normal), ("reduce", self.reduce))
        }


def parse_genotype(text: str) -> Genotype:
    """Read the published text form without executing anything.

    Only literals and `range(2, n)` are understood; any other expression raises ValueError with one sentence.
    """
    try:
        call = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        raise _refusal("it is not readable") from None
    return genotype_of(call)


def genotype_of(call: ast.expr) -> Genotype:
    """The same for a text that has been parsed already."""
    try:
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "Genotype"):
            raise ValueError("it is not a Genotype(...)")
        if call.args:
            raise ValueError("its parts must be named")
        names = sorted(str(keyword.arg) for keyword in call.keywords)
        if names != ["normal", "normal_concat", "reduce", "reduce_concat"]:
            raise ValueError(f"its parts are {names}")
        parts = {keyword.arg: keyword.value for keyword in call.keywords}
        cells = {cell: _edges(parts[cell]) for cell in ("normal", "reduce")}
        for cell, edges in cells.items():
            if _concat(parts[f"{cell}_concat"]) != list(range(2, len(edges) // 2 + 2)):
                raise ValueError(f"{cell}_concat does not list every intermediate node")
        return Genotype(cells["normal"], cells["reduce"])
    except (ValueError, TypeError, RecursionError, MemoryError) as error:
        raise _refusal(error) from None


def _refusal(reason: object) -> ValueError:
    return ValueError(f"not a genotype text: {reason}; expected {_FORM}")


def _edges(node: ast.expr) -> tuple[Edge, ...]:
    pairs = _literal(node)
    if not isinstance(pairs, list | tuple):
        raise ValueError("a cell must be a list of edges")
    for pair in pairs:
        if not (
            isinstance(pair, list | tuple)
            and len(pair) == 2
            and isinstance(pair[0], str)
            and isinstance(pair[1], int)
            and not isinstance(pair[1], bool)
        ):
            raise ValueError(f"{pair!r} is not an ('operation', state) pair")
    return tuple((pair[0], pair[1]) for pair in pairs)


def _concat(node: ast.expr) -> list[int]:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "range":
        if node.keywords or len(node.args) != 2:
            raise ValueError("a concatenation must be range(2, n)")
        first, last = (_literal(argument) for argument in node.args)
        if not isinstance(first, int) or not isinstance(last, int) or not 0 <= first <= last <= 64:
            raise ValueError("a concatenation must be range(2, n)")
        return list(range(first, last))
    nodes = _literal(node)
    if not isinstance(nodes, list | tuple):
        raise ValueError("a concatenation must be range(2, n)")
    return list(nodes)


def _literal(node: ast.expr) -> object:
    try:
        value: object = ast.literal_eval(node)
    except ValueError:  # its text would hold an address in memory
        raise ValueError("a part is not a literal") from None
    return value
