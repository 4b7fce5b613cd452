"""What a figure module says of itself, read by parsing so that no plotting library is loaded."""

import ast
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "figures"
SHARED = ("__init__", "style", "cell_graph", "over_seeds", "depth_run")
"""Modules there that are no figures of a study: what figures share, and the picture of a single run."""


def figure_names() -> list[str]:
    """The names of all figure modules, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in SHARED)


@cache
def figure_tables(figure: str) -> tuple[str, ...]:
    """The literal `TABLES` of a figure module. Raises ValueError when it states none."""
    for node in ast.parse((FOLDER / f"{figure}.py").read_text()).body:
        if isinstance(node, ast.Assign):
            target, value = node.targets[0], node.value
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            target, value = node.target, node.value
        else:
            continue
        if isinstance(target, ast.Name) and target.id == "TABLES":
            return tuple(ast.literal_eval(value))
    raise ValueError(f"figures/{figure}.py does not state its TABLES")


@cache
def is_animated(figure: str) -> bool:
    """Whether a figure module states `ANIMATION = True`, and so has a GIF."""
    return any(
        isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id == "ANIMATION"
        and ast.literal_eval(node.value) is True
        for node in ast.parse((FOLDER / f"{figure}.py").read_text()).body
    )
