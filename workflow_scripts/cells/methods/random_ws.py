"""RS-ws: the best sample of a random search with weight sharing, which is recorded in its last epoch."""

from workflow_scripts.cells.epoch_choice import Choice, last_epoch
from workflow_scripts.study.cell_settings import StopRule
from workflow_scripts.tables.search_run import SearchRun

SEARCH = "random_ws"


def choose(search: SearchRun, rule: StopRule) -> Choice:
    """The last epoch."""
    return Choice(last_epoch(search), "best sample")
