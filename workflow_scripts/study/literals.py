"""What a module states about itself, read by parsing so that nothing heavy is imported."""

import ast
from pathlib import Path
from typing import Any


def literal(path: Path, name: str) -> Any:
    """The literal that a module assigns to `name` at its top level; None where it assigns none.

    Raises ValueError, in one sentence, for a file that is no valid Python and for a value that is no literal.
    """
    try:
        tree = ast.parse(path.read_text())
    except SyntaxError as error:
        raise ValueError(f"{path.name}, line {error.lineno}: this is not valid Python ({error.msg})") from None
    for node in tree.body:
        if isinstance(node, ast.Assign):
            target, value = node.targets[0], node.value
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            target, value = node.target, node.value
        else:
            continue
        if isinstance(target, ast.Name) and target.id == name:
            try:
                return ast.literal_eval(value)
            except ValueError:
                raise ValueError(f"{path.name}: {name} is not written as a plain value") from None
    return None
