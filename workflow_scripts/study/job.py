"""One job of a study: its settings and its files."""

from dataclasses import dataclass
from typing import Any

from workflow_scripts.study import places
from workflow_scripts.study.settings_model import Model

Files = dict[str, list[str]]


@dataclass(frozen=True)
class Job:
    """One job: its name below <root>/records and <root>/logs, what decides it, and its files by the rule's names."""

    name: str
    step: str
    settings: Model | dict[str, Any]
    inputs: Files
    outputs: Files
    root: str
    modules: tuple[str, ...] = ()
    on_request: bool = False
    """whether it runs only where a person asks for its result"""

    @property
    def reads(self) -> list[str]:
        """The paths of all inputs."""
        return [path for paths in self.inputs.values() for path in paths]

    @property
    def writes(self) -> list[str]:
        """The paths of all outputs."""
        return [path for paths in self.outputs.values() for path in paths]

    @property
    def record(self) -> str:
        """The file of its record."""
        return places.record(self.root, self.name)

    @property
    def log(self) -> str:
        """The file of its log, by which Snakemake names it too."""
        return places.log(self.root, self.name)
