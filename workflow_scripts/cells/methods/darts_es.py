"""DARTS-ES: the architecture of the epoch at which the curvature began to grow (RobustDARTS, section 5.1)."""

from workflow_scripts.cells.early_stopping import stop_epoch
from workflow_scripts.cells.epoch_choice import Choice, last_epoch
from workflow_scripts.study.cell_settings import StopRule
from workflow_scripts.tables.search_run import SearchRun

SEARCH = "darts"


def choose(search: SearchRun, rule: StopRule) -> Choice:
    """The stop epoch, or the last where the rule never fires; unknown where no curvature was measured."""
    last = last_epoch(search)
    if not search.eigenvalues and search.outcome["outcome"] == "finished":  # as in published logs without Hessians
        return Choice(last, "no curvature", measured=False)
    stopped = stop_epoch(search.curvature_epochs, search.eigenvalues, rule, last)
    return Choice(last, "never stopped") if stopped is None else Choice(stopped, "stop epoch")
