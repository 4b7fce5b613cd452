"""Gather architecture files into one, in the given order: those of a group, then those of a study."""

from pathlib import Path
from typing import Any

from workflow_scripts.runtime.progress import Progress
from workflow_scripts.tables.architectures import read_architectures, write_architectures


def run(
    settings: dict[str, Any], inputs: dict[str, list[Path]], outputs: dict[str, list[Path]], progress: Progress
) -> None:
    """Reads the inputs `part` in order, writes the output `architectures`."""
    architectures = [entry for path in inputs["part"] for entry in read_architectures(path)]
    write_architectures(outputs["architectures"][0], architectures)
    progress.say(f"{len(architectures)} architectures")
