"""What a module states about itself, read by parsing so that nothing heavy is imported."""

import ast
from pathlib import Path
from typing import Any


def literal(path: Path, name: str) -> Any:
    """The literal that a module last assigns to `name` at its top level; None where it assigns none.

    Raises ValueError, in one sentence, for a file that is no valid Python and for a value that is no literal.
    """
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError) as error:
        raise ValueError(f"{path.name}: this is not valid Python ({error})") from None
    found = None
    for node in tree.body:
        if isinstance(node, ast.Assign):
            targets, value = node.targets, node.value
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            targets, value = [node.target], node.value
        else:
            continue
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            try:
                found = ast.literal_eval(value)
            except (ValueError, TypeError):
                raise ValueError(f"{path.name}: {name} is not written as a plain value") from None
    return found
