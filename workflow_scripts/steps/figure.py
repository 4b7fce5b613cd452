"""Step: draw one figure from the tables, and describe it for the report."""

import importlib
from pathlib import Path
from typing import Any

from figures import style
from workflow_scripts.runtime.progress import Progress
from workflow_scripts.tables.architectures import read_architectures
from workflow_scripts.tables.catalogue import TABLES
from workflow_scripts.tables.files import write_json


def run(
    settings: dict[str, Any], inputs: dict[str, list[Path]], outputs: dict[str, list[Path]], progress: Progress
) -> None:
    """Draw settings["figure"] from the inputs `tables`, each file named as its table; write pdf, png and description.

    The description is JSON: name, title, category, caption, alternative text, tables.
    """
    name = settings["figure"]
    module = importlib.import_module(f"figures.{name}")
    tables = {path.stem: _read(path) for path in inputs["tables"]}
    style.save(module.draw(tables), outputs["pdf"][0], outputs["png"][0])
    description = {
        "name": name,
        "title": module.TITLE,
        "category": module.CATEGORY,
        "caption": module.caption(tables),
        "alternative": module.alternative(tables),
        "tables": list(module.TABLES),
    }
    write_json(outputs["description"][0], description)
    progress.say(f"drawn: {module.TITLE}")


def _read(path: Path) -> Any:
    return read_architectures(path) if path.stem == "architectures" else TABLES[path.stem].read(path)
