"""The history of one training from scratch, per epoch."""

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
