"""Join the tables of one schema from all groups of a study, in the given order."""

from pathlib import Path
from typing import Any

import pandas as pd

from workflow_scripts.runtime.progress import Progress
from workflow_scripts.tables.catalogue import TABLES


def run(
    settings: dict[str, Any], inputs: dict[str, list[Path]], outputs: dict[str, list[Path]], progress: Progress
) -> None:
    """`settings` holds the schema's name as `table`; reads the inputs `part`, if any, writes the output `table`."""
    table = TABLES[settings["table"]]
    parts = [table.read(path) for path in inputs.get("part", [])]
    whole = pd.concat(parts, ignore_index=True) if parts else table.frame([])
    table.write(whole, outputs["table"][0])
    progress.say(f"{len(whole)} rows")
