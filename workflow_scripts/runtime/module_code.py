"""The code of the project's modules: a digest of each, and what it imports, found by parsing and never by running.

Two sources have the same digest exactly when their syntax trees agree after docstrings are taken out, so comments,
docstrings (those of settings and constants too) and formatting never change it. A process reads each module once: it
uses the code it was started with.
"""

import ast
import hashlib
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
FIRST_PARTY = ("workflow_scripts", "figures")

BLOCKS = ("body", "orelse", "finalbody")
"""The fields of a syntax tree that hold statements."""


def module_digests(
    modules: Iterable[str], root: Path = ROOT, leaves_out: Callable[[str], bool] = lambda _: False
) -> dict[str, str]:
    """The digest of each given module and of all first-party modules it imports, by module name, sorted.

    A module that `leaves_out` holds for is left out, with what only it imports. Files next to a module with its stem
    and another suffix (a template) count as part of it. Raises FileNotFoundError for a given module that does not
    exist, and ValueError, in one sentence, for one that is not valid Python.
    """
    root = root.resolve()
    found: dict[str, str] = {}
    waiting = list(modules)
    waiting += _existing(set(waiting), root)
    while waiting:
        name = waiting.pop()
        if name in found or leaves_out(name):
            continue
        found[name], imports = _module(name, root)
        waiting.extend(imports)
    return dict(sorted(found.items()))


def file_digests(file: Path, name: str, root: Path = ROOT) -> dict[str, str]:
    """As `module_digests`, for the module of this name in a file, which may be outside the project's folder."""
    digest, imports = _file(file.resolve(), name, root.resolve())
    return {name: digest} | module_digests(imports, root)


def module_path(module: str, root: Path = ROOT) -> Path | None:
    """The file of a first-party module or package, or None where there is none."""
    base = root.joinpath(*module.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


def _module(name: str, root: Path) -> tuple[str, tuple[str, ...]]:
    path = module_path(name, root)
    if path is None:
        raise FileNotFoundError(f"there is no module {name}")
    return _file(path, name, root)


@cache
def _file(path: Path, name: str, root: Path) -> tuple[str, tuple[str, ...]]:
    try:
        tree = ast.parse(path.read_bytes())
    except SyntaxError as error:
        place = (path.relative_to(root) if path.is_relative_to(root) else path).as_posix()
        raise ValueError(f"{place}, line {error.lineno}: this is not valid Python ({error.msg})") from None
    lines: list[str] = []
    _add_lines(lines, tree)
    hasher = hashlib.sha256("\n".join(lines).encode())
    for companion in sorted(path.parent.glob(f"{path.stem}.*")):
        # An editor's copies of the module itself, such as x.py~ or x.py.orig, are not part of it.
        if not companion.name.startswith(f"{path.stem}.py") and companion.is_file():
            hasher.update(companion.name.encode() + b"\0" + companion.read_bytes())
    return hasher.hexdigest(), tuple(sorted(_imports(tree, name, path.name == "__init__.py", root)))


def _imports(tree: ast.AST, module: str, is_package: bool, root: Path) -> set[str]:
    """First-party modules named by import statements anywhere in the tree, packages on the way included."""
    named: set[str] = set()
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            named.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = node.module or ""
            if node.level:
                parents = module.split(".")[: None if is_package and node.level == 1 else -node.level + is_package]
                source = ".".join([*parents, source]).rstrip(".")
            named.add(source)
            named.update(f"{source}.{alias.name}" for alias in node.names)
    return _existing({name for name in named if name.split(".")[0] in FIRST_PARTY}, root)


def _statements(tree: ast.AST) -> Iterator[ast.AST]:
    """All statements of a tree, those in other statements included; the parts that hold statements come among them."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += [part for block in (*BLOCKS, "handlers", "cases") for part in getattr(node, block, ())]


def _existing(names: set[str], root: Path) -> set[str]:
    """Those of the modules, and of the packages on the way to them, that there are."""
    packages = {".".join(name.split(".")[:depth]) for name in names for depth in range(1, name.count(".") + 1)}
    return {name for name in names | packages if module_path(name, root) is not None}


def _is_text(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _add_lines(lines: list[str], node: object) -> None:
    """Append a node as lines that do not depend on the Python version: absent and empty fields are left out.

    So are statements that are only a text: docstrings, and those below settings and constants. Every start of the
    workflow waits for this, so it is one pass and no generator.
    """
    if isinstance(node, ast.AST):
        lines.append(f"({type(node).__name__}")
        for name in node._fields:
            value = getattr(node, name, None)
            if name in BLOCKS and isinstance(value, list):
                value = [statement for statement in value if not _is_text(statement)]
            if value is not None and value != [] and name not in ("ctx", "kind", "type_comment"):
                lines.append(name)
                _add_lines(lines, value)
        lines.append(")")
    elif isinstance(node, list):
        lines.append("[")
        for part in node:
            _add_lines(lines, part)
        lines.append("]")
    else:
        lines.append(f"{type(node).__name__} {node!r}")
