"""The tables of the cell search: what each search did, its curvature, and how its architectures tested.

Errors are in percent. `run` names a search within its group (space and data set) and is unique with method.
"""

from workflow_scripts.tables.evaluation_metrics import METRICS
from workflow_scripts.tables.schema import Column, Table

RUN_KEYS = (
    Column("space", "text", "search space"),
    Column("data_set", "text", "data set"),
    Column(
        "search",
        "text",
        "darts, darts_ada or random_ws: the search that was run; published: a published log; genotypes: given as text",
    ),
    Column("run", "text", "name of the run within its group"),
    Column("l2", "number", "L2 factor of the weights during the search"),
    Column("drop_path", "number", "largest drop-path probability during the search"),
    Column("seed", "integer", "seed of the search"),
)

SEARCHES = Table(
    "searches",
    (
        *RUN_KEYS,
        Column("outcome", "text", "finished, stopped (it ended when the rule fired) or diverged"),
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
        Column("final_l2", "number", "L2 factor at the end; DARTS-ADA raises it"),
        Column("rollbacks", "integer", "how often DARTS-ADA went back"),
        Column(
            "discretised_valid_error_percent",
            "number",
            "the last epoch's architecture cut out of the supernet, with the supernet's weights, on the validation "
            "images; absent where it was not measured",
        ),
        Column("genotype", "text", "of the last epoch, published text form"),
    ),
)

SEARCH_EPOCHS = Table(
    "search_epochs",
    (
        *RUN_KEYS,
        Column("epoch", "integer", "epoch, from 0"),
        Column("l2_now", "number", "L2 factor of the weights at this epoch; DARTS-ADA raises it"),
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
        Column("dominant_eigenvalue_without_decay", "number", "the same less the alphas' weight decay"),
        Column(
            "moving_average",
            "number",
            "mean of the last values in the stop rule's window; absent for the first window // 2",
        ),
        Column("moving_average_epoch", "integer", "the epoch that average belongs to"),
    ),
)

SPECTRA = Table(
    "spectra",
    (
        *RUN_KEYS,
        Column("epoch", "integer", "last epoch at whose end the full Hessian was measured"),
        Column("index", "integer", "from 0, the largest eigenvalue first"),
        Column("eigenvalue", "number", "of the full Hessian, weight-decay diagonal included"),
    ),
)

TRAINED = ("finished", "diverged")
"""Outcomes of the evaluations that are trainings."""
EVALUATIONS = Table(
    "evaluations",
    (
        *RUN_KEYS,
        Column(
            "method",
            "text",
            "a file of cells/methods, such as darts_es, r_darts_l2 or r_darts_dp, or genotypes (run is its name)",
        ),
        Column("epoch", "integer", "search epoch whose genotype was trained"),
        Column("evaluation_seed", "integer", "seed of the training from scratch"),
        Column("evaluation_epochs", "integer", "epochs of the training from scratch, where none diverges"),
        Column("outcome", "text", "finished, diverged, or search and its outcome where it gave nothing to train"),
        *(metric.column for metric in METRICS),
        Column("train_error_percent", "number", "over the last epoch's batches"),
        Column("parameters_millions", "number", "without the auxiliary head"),
        Column("parameters_with_auxiliary_millions", "number", "with the auxiliary head"),
        Column("multiply_adds_millions", "number", "of one image's forward pass without the auxiliary head"),
        Column("genotype", "text", "published text form"),
        Column(
            "same_as",
            "text",
            "method/run of the row whose training this one is again: same architecture, seed and length, so same "
            "numbers; it counts once, there; absent where the row itself counts",
        ),
    ),
)

SEARCH_SPACES = Table(
    "search_spaces",
    (
        Column("space", "text", "search space"),
        Column("cell", "text", "normal or reduce"),
        Column("edge", "integer", "from 0, node by node, predecessor by predecessor"),
        Column("source", "integer", "state the edge comes from: 0 and 1 are the cell's inputs, 2 its first node"),
        Column("target", "integer", "state of the node the edge enters, from 2"),
        Column("operation", "text", "one candidate operation of the edge; a row for each"),
    ),
)

PUBLISHED_EVALUATIONS = Table(
    "published_evaluations",
    (
        Column("space", "text", "search space"),
        Column("data_set", "text", "data set"),
        Column("l2", "number", "L2 factor of the weights during the search, where it was varied"),
        Column("drop_path", "number", "largest drop-path probability during the search, where it was varied"),
        Column("init_channels", "integer", "of the network trained; errors compare only where the size is the same"),
        Column("layers", "integer", "cells of the network trained"),
        Column("test_error_percent", "number", "after one training of 600 epochs; absent where none was published"),
        Column("genotype", "text", "published text form"),
    ),
)

COMPARISON = Table(
    "comparison",
    (
        Column("space", "text", "search space"),
        Column("data_set", "text", "data set"),
        Column("method", "text", "one of the paper's, or of another paper: gdas, darts_pt, darts_pt_fixed"),
        Column("ours_mean_percent", "number", "test error: mean over searches of the mean over their trainings"),
        Column("ours_deviation_percent", "number", "standard deviation over searches; absent for a single one"),
        Column("ours_searches", "integer", "searches with a finished training at the paper's default setting"),
        Column("published_a_mean_percent", "number", "Table A: published mean test error of several searches"),
        Column("published_a_deviation_percent", "number", "Table A: published standard deviation"),
        Column("published_a_searches", "integer", "Table A: searches behind that mean"),
        Column("published_b_percent", "number", "Table B, of other runs than Table A: test error of one selected cell"),
        Column("sources", "text", "where the published values are from, or that none is confirmed"),
    ),
)
