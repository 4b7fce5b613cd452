"""What trainings from scratch leave behind: the history of one, and the candidates of a selection."""

from workflow_scripts.tables.schema import Column, Table

EVALUATION_HISTORY = Table(
    "evaluation_history",
    (
        Column("epoch", "integer", "epoch, from 0"),
        Column("learning_rate", "number", "of the SGD"),
        Column("train_loss", "number", "mean over the epoch's batches, without the auxiliary head"),
        Column("train_error_percent", "number", "over the epoch's batches"),
        Column("test_loss", "number", "on the test images after the epoch"),
        Column("test_error_percent", "number", "on the test images after the epoch"),
    ),
)

CANDIDATES = Table(
    "candidates",
    (
        Column("run", "text", "name of the candidate's search in its group"),
        Column("l2", "number", "L2 factor of the weights during its search"),
        Column("drop_path", "number", "largest drop-path probability during its search"),
        Column("outcome", "text", "found, or why its search has no architecture"),
        Column("selection_error_percent", "number", "after the brief training; absent where it could not be trained"),
        Column("chosen", "flag", "whether it was chosen"),
        Column("genotype", "text", "published text form"),
    ),
)
