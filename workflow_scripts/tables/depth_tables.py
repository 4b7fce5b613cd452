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
    Column("width", "integer", "units per layer; of images channels between blocks"),
    Column("points", "integer", "points of all parts together: training, held out, test"),
    Column("train_points", "integer", "training points N"),
    Column("noise", "number", "of spirals: width of the uniform noise added to each coordinate"),
    Column("stop_angle_degrees", "number", "of spirals: angle at which they end"),
    Column("data_seed", "integer", "seed of the data"),
    Column("weight_seed", "integer", "seed of the weights and the batch order"),
    Column(
        "closed_form_from", "integer", "epoch from which on q was set to q*; absent: q was trained, as in the paper"
    ),
)

DEPTH_RUNS = Table(
    "depth_runs",
    (
        *RUN_KEYS,
        Column("outcome", "text", "finished or diverged"),
        Column("epochs", "integer", "epochs completed"),
        Column("best_epoch", "integer", "epoch of the best ELBO, from 0"),
        Column("best_elbo", "number", "ELBO of that epoch, nats: of the training points, or of images held out"),
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
        Column("mean_true_class_probability_d_opt", "number", "the same, pruned at d_opt"),
        Column("mean_true_class_probability_expected", "number", "the same, pruned at E[d], rounded"),
        Column("calibration_error_full", "number", "expected calibration error, 10 bins, a share"),
        Column("calibration_error_d_opt", "number", "the same, pruned at d_opt"),
        Column("calibration_error_expected", "number", "the same, pruned at E[d], rounded"),
        Column("published_calibration_error_full", "number", "as the published code has it; absent with an empty bin"),
        Column("published_calibration_error_d_opt", "number", "the same, pruned at d_opt"),
        Column("published_calibration_error_expected", "number", "the same, pruned at E[d], rounded"),
        Column("multiply_adds_deterministic", "integer", "of one point, network of depth D with one output"),
        Column("multiply_adds_d_opt", "integer", "of one point, pruned at d_opt, every depth with its output"),
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
        Column("test_mean_true_class_probability", "number", "the series the published code calls log-likelihood"),
        Column("test_error_percent", "number", "of depth d alone, evaluation mode"),
    ),
)

DEPTH_SPEED = Table(
    "depth_speed",
    (
        *RUN_KEYS,
        Column("d_opt", "integer", "depth of the pruned network"),
        Column("batch", "integer", "points in one pass"),
        Column("device", "text", "what computed: cpu or cuda, and its name"),
        Column("repeat", "integer", "measurement, from 0, after passes to warm up"),
        Column("deterministic_milliseconds", "number", "forward pass of the network of depth D with one output"),
        Column("d_opt_milliseconds", "number", "forward pass pruned at d_opt, every depth with its output, mixed by q"),
    ),
)

DEPTH_CALIBRATION = Table(
    "depth_calibration",
    (
        *RUN_KEYS,
        Column("prediction", "text", "full, d_opt or expected: all depths mixed by q, or pruned"),
        Column("bin", "integer", "bin b holds probabilities of the likeliest class in (b / 10, (b + 1) / 10]"),
        Column("test_points", "integer", "test points in the bin"),
        Column("mean_confidence", "number", "their mean probability of the likeliest class; 0 in an empty bin"),
        Column("share_right", "number", "share of them predicted right; 0 in an empty bin"),
    ),
)

# The files inside one run's folder, before runs are gathered under the keys above.
RUN_OUTCOME = tuple(column for column in DEPTH_RUNS.columns if column not in RUN_KEYS)

RUN_DEPTHS = Table("depths of one run", tuple(column for column in DEPTH_POSTERIORS.columns if column not in RUN_KEYS))

RUN_CALIBRATION = Table(
    "calibration of one run", tuple(column for column in DEPTH_CALIBRATION.columns if column not in RUN_KEYS)
)

RUN_HISTORY = Table(
    "history of one run",
    (
        Column("epoch", "integer", "epoch, from 0"),
        Column("elbo", "number", "training ELBO, nats; training numbers are measured before each step"),
        Column("negative_log_likelihood", "number", "mean over the training points and, by q, over depths; nats"),
        Column("kl_per_sample", "number", "KL(q || p) / N, nats"),
        Column("train_error_percent", "number", "all depths mixed by q, training mode"),
        Column("held_out_negative_log_likelihood", "number", "all depths mixed by q, after the epoch, where measured"),
        Column("held_out_error_percent", "number", "the same points: of spirals the test points"),
    ),
)
