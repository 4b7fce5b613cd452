"""A file of named genotypes, in the form of the published `genotypes.py` files; nothing in it is executed.

`name = Genotype(...)`, one after another. What else those files hold is skipped: comments, texts, imports, the
definition of `Genotype`, and lists of operations. `DARTS = DARTS_V2` gives a genotype a second name.
"""

import ast
import re
import warnings
from pathlib import Path

from workflow_scripts.tables.genotype import Genotype, genotype_of

NAME = re.compile("[A-Za-z][A-Za-z0-9_]*")
MOST_BYTES = 4 << 20
"""Of such a file; all that were found published have a hundredth of it."""


def read_genotypes(path: Path) -> dict[str, Genotype]:
    """Every genotype of a file by its name, in order.

    Raises ValueError, in one sentence that names the file, the genotype or line, and what is wrong there.
    """
    try:
        if not path.is_file():
            raise ValueError("there is no such file")
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"it has more than {MOST_BYTES} bytes, more than any file of genotypes")
        return parse_genotypes(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise ValueError(f"{path}: it is not text") from None
    except OSError as error:
        raise ValueError(f"{path}: it cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def parse_genotypes(text: str) -> dict[str, Genotype]:
    """The genotypes of such a file's text. Raises ValueError, in one sentence with the genotype's name or the line."""
    found: dict[str, Genotype] = {}
    for statement in _statements(text):
        if _is_skipped(statement):
            continue
        name, value = _assignment(statement)
        if name in found:
            raise ValueError(f"line {statement.lineno}: {name} is there twice")
        if isinstance(value, ast.Name):
            if value.id not in found:
                raise ValueError(f"{name}: there is no genotype {value.id} above it")
            found[name] = found[value.id]
            continue
        try:
            found[name] = genotype_of(value)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    if not found:
        raise ValueError("it holds no genotype; expected are lines of the form name = Genotype(...)")
    return found


def _statements(text: str) -> list[ast.stmt]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # such as of a list that is called: it is refused below
            return ast.parse(text).body
    except SyntaxError as error:
        raise ValueError(f"line {error.lineno or 1}: it is not readable ({error.msg})") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"it is not readable ({error})") from None


def _is_skipped(statement: ast.stmt) -> bool:
    """Whether a statement is one that published files hold besides their genotypes."""
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return True
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Constant) and isinstance(statement.value.value, str)
    if not isinstance(statement, ast.Assign):
        return False
    targets, value = statement.targets, statement.value
    if len(targets) == 1 and isinstance(targets[0], ast.Name) and targets[0].id == "Genotype":
        return isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "namedtuple"
    if not isinstance(value, ast.List | ast.Tuple):
        return False
    return all(isinstance(each, ast.Constant) and isinstance(each.value, str) for each in value.elts)


def _assignment(statement: ast.stmt) -> tuple[str, ast.expr]:
    target = statement.targets[0] if isinstance(statement, ast.Assign) and len(statement.targets) == 1 else None
    if not isinstance(statement, ast.Assign) or not isinstance(target, ast.Name):
        raise ValueError(f"line {statement.lineno}: expected is name = Genotype(...)")
    if not NAME.fullmatch(target.id):
        raise ValueError(f"line {statement.lineno}: {target.id} is no name; allowed are letters, digits and _ of ASCII")
    return target.id, statement.value
