"""The examples of a change in a file, taken from the text of CONTRIBUTING.md and docs/extending.md."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[1]


def example(file: str) -> str:
    """The example of a change in a file."""
    text = (ROOT / "CONTRIBUTING.md").read_text() + (ROOT / "docs/extending.md").read_text()
    (found,) = re.findall(rf"^```python\n# {re.escape(file)}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return found


def with_example(file: str, folder: Path, before: str = "") -> ModuleType:
    """The module of a file with its example in it, before a line or at the end, from a copy in a folder."""
    source = (ROOT / file).read_text()
    place = source.index(before) if before else len(source)
    copy = folder / Path(file).name
    copy.write_text(f"{source[:place]}{example(file)}{source[place:]}")
    spec = importlib.util.spec_from_file_location(f"copy_of_{copy.stem}", copy)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
