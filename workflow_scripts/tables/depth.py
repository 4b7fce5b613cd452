"""The tables of the depth search: one row per run, and one row per run and depth.

Log-likelihoods are means over points, in nats; errors in percent. LDN is the learnt depth network, DDN the
deterministic one.
"""

from workflow_scripts.tables.schema import Column, Table

RUN_KEYS = (
    Column("experiment", "text", "name of the experiment in the study"),
    Column("run", "text", "name of the run, unique in the study"),
    Column("model", "text", "ldn or ddn"),
    Column("data_set", "text", "data set"),
    Column("max_depth", "integer", "residual blocks D"),
    Column("width", "integer", "units per layer"),
    Column("points", "integer", "points generated, training and test together"),
    Column("train_points", "integer", "training points N"),
    Column("noise", "number", "width of the uniform noise added to each coordinate"),
    Column("stop_angle_degrees", "number", "angle at which the spiral ends"),
    Column("data_seed", "integer", "seed of the data"),
    Column("weight_seed", "integer", "seed of the weights and the batch order"),
)

DEPTH_RUNS = Table(
    "depth_runs",
    (
        *RUN_KEYS,
        Column("outcome", "text", "finished or diverged"),
        Column("epochs", "integer", "epochs completed"),
        Column("best_epoch", "integer", "epoch of the best training ELBO, from 0"),
        Column("best_elbo", "number", "training ELBO of that epoch, nats"),
        Column("expected_depth", "number", "E[d] under q"),
        Column("d_opt", "integer", "first depth with q above 0.95 of its maximum"),
        Column("expected_depth_optimal_q", "number", "E[d] under the closed-form q*"),
        Column("d_opt_optimal_q", "integer", "the same first depth under q*"),
        Column("test_error_full_percent", "number", "all depths mixed by q"),
        Column("test_error_d_opt_percent", "number", "pruned at d_opt"),
        Column("test_error_expected_percent", "number", "pruned at E[d], rounded"),
        Column("test_log_likelihood_full", "number", "all depths mixed by q"),
        Column("test_log_likelihood_d_opt", "number", "pruned at d_opt"),
        Column("test_log_likelihood_expected", "number", "pruned at E[d], rounded"),
        Column("mean_true_class_probability_full", "number", "the series the published code calls log-likelihood"),
    ),
)

DEPTH_POSTERIORS = Table(
    "depth_posteriors",
    (
        *RUN_KEYS,
        Column("depth", "integer", "depth d, from 0"),
        Column("prior", "number", "p_d"),
        Column("q", "number", "learnt posterior q_d"),
        Column("optimal_q", "number", "q*_d, the optimum for the final weights"),
        Column("layer_on_probability", "number", "P(block d is on); 1 at depth 0"),
        Column("train_log_likelihood", "number", "of depth d alone, evaluation mode"),
        Column("test_log_likelihood", "number", "of depth d alone, evaluation mode"),
        Column("test_error_percent", "number", "of depth d alone, evaluation mode"),
    ),
)

# The files inside one run's folder, before runs are gathered under the keys above.
RUN_OUTCOME = tuple(column for column in DEPTH_RUNS.columns if column not in RUN_KEYS)

RUN_DEPTHS = Table("depths of one run", tuple(column for column in DEPTH_POSTERIORS.columns if column not in RUN_KEYS))

RUN_HISTORY = Table(
    "history of one run",
    (
        Column("epoch", "integer", "epoch, from 0"),
        Column("elbo", "number", "training ELBO, nats; training numbers are measured before each step"),
        Column("negative_log_likelihood", "number", "mean over the training points and, by q, over depths; nats"),
        Column("kl_per_sample", "number", "KL(q || p) / N, nats"),
        Column("train_error_percent", "number", "all depths mixed by q, training mode"),
        Column("test_negative_log_likelihood", "number", "all depths mixed by q, after the epoch; most epochs lack it"),
        Column("test_error_percent", "number", "all depths mixed by q, after the epoch; most epochs lack it"),
    ),
)
