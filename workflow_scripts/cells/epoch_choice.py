"""What a method takes from a finished search; `methods/` holds one module for each method."""

from dataclasses import dataclass

from workflow_scripts.tables.genotype import Genotype
from workflow_scripts.tables.search_run import SearchRun


@dataclass(frozen=True)
class Choice:
    """An epoch, from 0, and why it was taken; `measured` is False where the search lacks what decides it.

    The architecture is that epoch's, or `genotype`, which the method made from what the search had then.
    """

    epoch: int
    reason: str
    measured: bool = True
    genotype: Genotype | None = None


def last_epoch(search: SearchRun) -> int:
    """The last epoch that a search was to have, from 0."""
    return int(search.settings["search"]["epochs"]) - 1
