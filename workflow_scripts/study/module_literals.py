"""What a module states about itself, read by parsing so that nothing heavy is imported.

A step states as plain values at the top of its module in `steps/`, and absent means no: USES_GPU, it computes on a GPU
where it is given one; KEEPS_CHECKPOINT, its `run` takes a `checkpoint`, from which it goes on after a kill.
"""

import ast
from collections.abc import Collection
from pathlib import Path
from typing import Any

STEPS = Path(__file__).parents[1] / "steps"


def uses_gpu(step: str) -> bool:
    """Whether a step can use a GPU."""
    return literal(STEPS / f"{step}.py", "USES_GPU") is True


def keeps_checkpoint(step: str) -> bool:
    """Whether a step goes on from a checkpoint."""
    return literal(STEPS / f"{step}.py", "KEEPS_CHECKPOINT") is True


def literal(path: Path, name: str) -> Any:
    """The literal that a module last assigns to `name` at its top level; None where it assigns none.

    Raises ValueError, in one sentence, for a file that is not valid Python and for a value that is not a literal.
    """
    value = _assigned(path, name)
    return None if value is None else _evaluated(path, name, value)


def stated(path: Path, name: str, place: str, allowed: Collection[str] | None = None) -> Any:
    """The literal that a module has to assign to `name`; `place` is how the module is named in an error.

    Raises ValueError, in one sentence, as `literal`, where it assigns none, and for a value that is not allowed.
    """
    value = literal(path, name)
    if value is None:
        raise ValueError(f"{place} does not state its {name}")
    if allowed is not None and value not in allowed:
        raise ValueError(f"{place}: its {name} is {value}; known are {', '.join(allowed)}")
    return value


def keys(path: Path, name: str) -> list[Any]:
    """The keys of the dictionary that a module last assigns to `name` at its top level, whatever its values are.

    Raises ValueError, in one sentence, for a file that is not valid Python and where there is no such dictionary.
    """
    value = _assigned(path, name)
    if not isinstance(value, ast.Dict):
        raise ValueError(f"{path.name}: {name} is not written as a dictionary")
    return [_evaluated(path, name, key) for key in value.keys if key is not None]


def _assigned(path: Path, name: str) -> ast.expr | None:
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError) as error:
        raise ValueError(f"{path.name}: this is not valid Python ({error})") from None
    found = None
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(isinstance(target, ast.Name) and target.id == name for target in targets):
                found = node.value
    return found


def _evaluated(path: Path, name: str, value: ast.expr) -> Any:
    try:
        return ast.literal_eval(value)
    except (ValueError, TypeError):
        raise ValueError(f"{path.name}: {name} is not written as a plain value") from None
