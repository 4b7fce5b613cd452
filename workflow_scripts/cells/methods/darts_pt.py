"""DARTS-PT: the architecture by what the trained supernet loses without each operation, while it is tuned."""

from workflow_scripts.cells.epoch_choice import Choice, last_epoch
from workflow_scripts.cells.perturbation import perturbed_genotype
from workflow_scripts.cells.trained_supernet import TrainedSupernet
from workflow_scripts.tables.search_run import SearchRun

SEARCH = "darts"
WEIGHTS = True


def choose(search: SearchRun, supernet: TrainedSupernet) -> Choice:
    """The last epoch, whose supernet it is; not known where the tuning diverges."""
    genotype, epoch = perturbed_genotype(supernet), last_epoch(search)
    if genotype is None:
        return Choice(epoch, "tuning diverged", measured=False)
    return Choice(epoch, "perturbation", genotype=genotype)
