"""An example of a finished search, as its folder holds it."""

import math

import numpy as np

from workflow_scripts.tables.genotype import Genotype
from workflow_scripts.tables.search_run import FILES, HISTORY, SearchRun, write_search_run

SETTINGS = {
    "space": "s2",
    "images": {"data_set": "digits"},
    "l2": 3e-4,
    "drop_path": 0.2,
    "seed": 7,
    "search": {"epochs": 50},
}


def genotype_of(epoch):
    """A genotype from which its epoch can be read: one more skip-connect in the normal cell every ten epochs."""
    names = ["skip_connect"] * (epoch // 10) + ["sep_conv_3x3"] * (8 - epoch // 10)
    edges = tuple((name, position % 2) for position, name in enumerate(names))
    return Genotype(edges, (("sep_conv_3x3", 0), ("sep_conv_3x3", 1)) * 4)


def example_search(epochs=50, eigenvalues=None, hessians=None, outcome=None):
    """A search that completed `epochs` epochs, measured every two epochs and at epoch 49."""
    measured = [epoch for epoch in (*range(0, 50, 2), 49) if epoch < epochs]
    history = [
        {
            "epoch": epoch,
            "learning_rate": 0.025 / (1 + epoch),
            "l2": 3e-4,
            "train_loss": math.exp(-epoch / 7),
            "train_error_percent": 90 - epoch,
            "valid_loss": math.exp(-epoch / 9),
            "valid_error_percent": 91.5 - epoch,
            "genotype": genotype_of(epoch).text(),
        }
        for epoch in range(epochs)
    ]
    return SearchRun(
        settings=SETTINGS,
        history=HISTORY.frame(history),
        curvature_epochs=measured,
        eigenvalues=(eigenvalues or [0.1] * 26)[: len(measured)],
        hessians=hessians,
        outcome=outcome or {"outcome": "finished", "epochs": epochs},
    )


def write_search(folder, run):
    """Write the run's files and return the path of its history."""
    write_search_run({name: folder / name for name in FILES}, run)
    return folder / "history.csv"


def hessians_of(count, size=3):
    """Matrices with entries that no decimal form of few digits holds."""
    return np.random.default_rng(0).normal(size=(count, size, size)).astype(np.float32)
