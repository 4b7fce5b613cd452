"""From alphas to an architecture: which edges of a cell stay, and with which operation each."""

from torch import Tensor

from workflow_scripts.tables.genotype import Edge

KEPT = 2  # edges into each node


def strongest_edges(candidates: list[list[str]], mixed: Tensor, nodes: int) -> tuple[Edge, ...]:
    """Per node the two strongest incoming edges, strongest first, each with its strongest operation.

    `candidates` has the names of each edge's operations, `mixed` (edges, operations) the weights of these. The strength
    of an edge is its largest weight; `none` never counts. Ties keep the lower index.
    """
    weights = mixed.tolist()
    chosen: list[Edge] = []
    edge = 0
    for node in range(nodes):
        options = []
        for source in range(node + 2):
            allowed = [index for index, name in enumerate(candidates[edge]) if name != "none"]
            best = max(allowed, key=weights[edge].__getitem__)
            options.append((weights[edge][best], candidates[edge][best], source))
            edge += 1
        options.sort(key=lambda option: -option[0])
        chosen.extend((name, source) for _, name, source in options[:KEPT])
    return tuple(chosen)
