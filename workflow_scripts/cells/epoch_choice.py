"""Which epoch's architecture a method takes from a finished search; `methods/` holds one module for each method."""

from dataclasses import dataclass

from workflow_scripts.tables.search_run import SearchRun


@dataclass(frozen=True)
class Choice:
    """An epoch, from 0, and why it was taken; `measured` is False where the search lacks what decides it."""

    epoch: int
    reason: str
    measured: bool = True


def last_epoch(search: SearchRun) -> int:
    """The last epoch that a search was to have, from 0."""
    return int(search.settings["search"]["epochs"]) - 1
