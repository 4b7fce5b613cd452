"""Gather the architectures of all groups of a study into one file for people and tools."""

from pathlib import Path
from typing import Any

from workflow_scripts.runtime.progress import Progress
from workflow_scripts.tables.architectures import read_architectures, write_architectures


def run(
    settings: dict[str, Any], inputs: dict[str, list[Path]], outputs: dict[str, list[Path]], progress: Progress
) -> None:
    """Reads the inputs `group` in order, writes the output `architectures`."""
    architectures = [entry for path in inputs["group"] for entry in read_architectures(path)]
    write_architectures(outputs["architectures"][0], architectures)
    progress.say(f"{len(architectures)} architectures")
