"""The tables of the cell search: what each search did, its curvature, and how its architectures tested.

Errors are in percent. `run` names a search within its group (space and data set) and is unique with method.
"""

from workflow_scripts.tables.schema import Column, Table

RUN_KEYS = (
    Column("space", "text", "search space"),
    Column("data_set", "text", "data set"),
    Column("search", "text", "the search that was run: darts"),
    Column("run", "text", "name of the run within its group"),
    Column("l2", "number", "L2 factor of the weights during the search"),
    Column("drop_path", "number", "largest drop-path probability during the search"),
    Column("seed", "integer", "seed of the search"),
)

SEARCHES = Table(
    "searches",
    (
        *RUN_KEYS,
        Column("outcome", "text", "finished or diverged"),
        Column("epochs", "integer", "epochs completed"),
        Column("train_error_percent", "number", "supernet, training batches of the last epoch"),
        Column("valid_error_percent", "number", "supernet, validation images after the last epoch"),
        Column("stopped", "flag", "whether the early-stopping rule fired"),
        Column(
            "stop_epoch",
            "integer",
            "epoch whose genotype DARTS-ES takes; the last when the rule never fired, absent when it was not reached",
        ),
        Column("final_dominant_eigenvalue", "number", "of the last curvature epoch, weight-decay diagonal included"),
    ),
)

SEARCH_EPOCHS = Table(
    "search_epochs",
    (
        *RUN_KEYS,
        Column("epoch", "integer", "epoch, from 0"),
        Column("train_loss", "number", "mean over the epoch's weight batches"),
        Column("train_error_percent", "number", "over the epoch's weight batches"),
        Column("valid_loss", "number", "supernet on the validation images, evaluation mode"),
        Column("valid_error_percent", "number", "supernet on the validation images, evaluation mode"),
        Column("genotype", "text", "published text form"),
    ),
)

CURVATURE = Table(
    "curvature",
    (
        *RUN_KEYS,
        Column("epoch", "integer", "epoch at whose end it was measured, from 0"),
        Column("dominant_eigenvalue", "number", "algebraically largest, weight-decay diagonal included"),
        Column(
            "moving_average",
            "number",
            "mean of the last values in the stop rule's window; absent for the first window // 2",
        ),
        Column("moving_average_epoch", "integer", "the epoch that average belongs to"),
    ),
)

EVALUATIONS = Table(
    "evaluations",
    (
        *RUN_KEYS,
        Column("method", "text", "darts or darts_es"),
        Column("epoch", "integer", "search epoch whose genotype was trained"),
        Column("evaluation_seed", "integer", "seed of the training from scratch"),
        Column("outcome", "text", "finished, diverged, or search diverged where there was no genotype to train"),
        Column("test_error_percent", "number", "at the last epoch"),
        Column("train_error_percent", "number", "over the last epoch's batches"),
        Column("parameters_millions", "number", "without the auxiliary head"),
        Column("parameters_with_auxiliary_millions", "number", "with the auxiliary head"),
        Column("genotype", "text", "published text form"),
    ),
)
