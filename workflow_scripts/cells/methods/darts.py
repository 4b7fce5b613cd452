"""DARTS: the architecture of a search's last epoch."""

from workflow_scripts.cells.epoch_choice import Choice, last_epoch
from workflow_scripts.study.cell_settings import StopRule
from workflow_scripts.tables.search_run import SearchRun

SEARCH = "darts"


def choose(search: SearchRun, rule: StopRule) -> Choice:
    """The last epoch."""
    return Choice(last_epoch(search), "last")
