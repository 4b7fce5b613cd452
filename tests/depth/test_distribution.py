"""At full length the compiled training ends as the plain reference does, in distribution over seeds.

The reference's numbers are in reference_distribution.csv, made by `python -m tests.reference.depth_distribution`.
"""

from pathlib import Path

import pandas as pd
import pytest
from scipy.stats import mannwhitneyu

from tests.reference.depth_distribution import COLUMNS, DEPTHS, SEEDS, learnt_run
from workflow_scripts.depth.evaluation import evaluate
from workflow_scripts.depth.run_setup import build, load, train

REFERENCE = pd.read_csv(Path(__file__).with_name("reference_distribution.csv"))
QUANTITIES = COLUMNS[2:]


def ended(max_depth, seed):
    """What a run of ours ends with, its last weights taken as the reference's are."""
    run = learnt_run(max_depth, seed)
    model, data = build(run), load(run)
    history = train(model, data, run).history
    summary = evaluate(model, data.train, data.test).summary
    nll = pd.Series([epoch.negative_log_likelihood for epoch in history[-500:]]).median()
    return summary["expected_depth"], summary["d_opt"], nll, summary["test_error_full_percent"]


@pytest.mark.parametrize("max_depth", DEPTHS)
def test_runs_of_8000_epochs_end_as_those_of_the_plain_reference(max_depth):
    ours = pd.DataFrame([ended(max_depth, seed) for seed in SEEDS], columns=QUANTITIES)
    theirs = REFERENCE[REFERENCE["max_depth"] == max_depth]
    assert len(theirs) == len(ours) == 8
    for name in QUANTITIES:
        # Eight against eight: p below 0.01 once in a hundred even where both are alike, so the seeds are fixed.
        assert mannwhitneyu(ours[name], theirs[name]).pvalue > 0.01, name
        spread = max(theirs[name].std(), ours[name].std())
        assert abs(ours[name].mean() - theirs[name].mean()) < 1.5 * spread, name
    assert ours["expected_depth"].nunique() == 8
