"""The five cell search spaces, written as literals: space -> cell kind -> 14 edges -> candidate operations.

A cell has two inputs and four intermediate nodes; node i receives an edge from each of its i + 2 predecessors, and the
edges are listed node by node, predecessor by predecessor (Zela et al., ICLR 2020, section 3 and appendix).
"""

EDGES = 14
SKIP, MAX, AVG = "skip_connect", "max_pool_3x3", "avg_pool_3x3"
SEP3, SEP5, DIL3, DIL5 = "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5"


def same_on_every_edge(*operations: str) -> dict[str, list[list[str]]]:
    """A space whose candidates are the same on all edges of both cells."""
    return {kind: [list(operations) for _ in range(EDGES)] for kind in ("normal", "reduce")}


spaces: dict[str, dict[str, list[list[str]]]] = {
    "s1": {
        "normal": [
            [SKIP, DIL3],
            [SKIP, DIL5],
            [SKIP, DIL5],
            [SKIP, SEP3],
            [SKIP, DIL3],
            [MAX, SKIP],
            [SKIP, SEP3],
            [SKIP, SEP3],
            [SKIP, DIL3],
            [SKIP, SEP3],
            [MAX, SKIP],
            [SKIP, DIL3],
            [DIL3, DIL5],
            [DIL3, DIL5],
        ],
        "reduce": [
            [MAX, AVG],
            [MAX, DIL3],
            [MAX, AVG],
            [MAX, AVG],
            [SKIP, DIL5],
            [MAX, AVG],
            [MAX, SEP3],
            [SKIP, DIL3],
            [SKIP, DIL5],
            [MAX, AVG],
            [MAX, AVG],
            [SKIP, DIL5],
            [SKIP, DIL5],
            [SKIP, DIL5],
        ],
    },
    "s2": same_on_every_edge(SKIP, SEP3),
    "s3": same_on_every_edge("none", SKIP, SEP3),
    "s4": same_on_every_edge("noise", SEP3),
    "s5": same_on_every_edge("none", MAX, AVG, SKIP, SEP3, SEP5, DIL3, DIL5),
}
