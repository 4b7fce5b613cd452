"""The table of the search spaces of a study: a row per space, cell, edge and candidate operation."""

from pathlib import Path
from typing import Any

from workflow_scripts.runtime.progress import Progress
from workflow_scripts.tables.cell_tables import SEARCH_SPACES


def run(
    settings: dict[str, Any], inputs: dict[str, list[Path]], outputs: dict[str, list[Path]], progress: Progress
) -> None:
    """`settings["spaces"]` maps each space to its candidates per cell and edge; writes the output `search_spaces`."""
    rows: list[dict[str, object]] = [
        {"space": space, "cell": cell, "edge": edge, "source": source, "target": target, "operation": operation}
        for space, cells in settings["spaces"].items()
        for cell in ("normal", "reduce")
        for edge, ((source, target), candidates) in enumerate(zip(_ends(len(cells[cell])), cells[cell], strict=True))
        for operation in candidates
    ]
    SEARCH_SPACES.write(SEARCH_SPACES.frame(rows), outputs["search_spaces"][0])
    progress.say(f"{len(settings['spaces'])} search spaces")


def _ends(edges: int) -> list[tuple[int, int]]:
    """Source and target state of each edge: node by node, predecessor by predecessor."""
    ends = [(source, target) for target in range(2, edges + 2) for source in range(target)]
    return ends[:edges]
