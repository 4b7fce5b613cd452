"""DARTS-ADA: the architecture of the last epoch of a search that went back (RobustDARTS, section 5.2)."""

from workflow_scripts.cells.epoch_choice import Choice, last_epoch
from workflow_scripts.study.cell_settings import StopRule
from workflow_scripts.tables.search_run import SearchRun

SEARCH = "darts_ada"


def choose(search: SearchRun, rule: StopRule) -> Choice:
    """The last epoch."""
    return Choice(last_epoch(search), "last")
