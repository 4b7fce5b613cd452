"""What a figure module says of itself, read by parsing so that no plotting library is loaded."""

import ast
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "figures"


def figure_names() -> list[str]:
    """The names of all figure modules, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in ("__init__", "style"))


@cache
def figure_tables(figure: str) -> tuple[str, ...]:
    """The literal `TABLES` of a figure module. Raises ValueError when it states none."""
    for node in ast.parse((FOLDER / f"{figure}.py").read_text()).body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        if any(isinstance(target, ast.Name) and target.id == "TABLES" for target in targets) and node.value is not None:
            return tuple(ast.literal_eval(node.value))
    raise ValueError(f"figures/{figure}.py does not state its TABLES")
