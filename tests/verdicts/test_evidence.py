"""Effects and intervals: against scipy's own, and whether they hold the truth as often as they say."""

import numpy as np
import pytest
from scipy import stats

from workflow_scripts.verdicts.evidence import effect, goes_with, interval, mean, more_than_half

RANDOM = np.random.default_rng(7)


def test_the_interval_of_a_mean_is_never_narrower_than_students():
    values = [1.0, 4.0, 2.0, 9.0]
    low, high = interval(mean("x", "seed", values), 0.95)
    student = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert effect(mean("x", "seed", values)) == 4
    assert (low, high) == pytest.approx((student.low, student.high))


def test_the_interval_of_a_mean_holds_the_bootstraps_too():
    values = [0.0] * 99 + [100.0]
    low, high = interval(mean("x", "seed", values), 0.95)
    student = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert low == pytest.approx(student.low)
    assert student.high < high == pytest.approx(3)


@pytest.mark.parametrize("n", [3, 4, 8])
def test_intervals_of_few_seeds_hold_the_truth_as_often_as_they_say(n):
    draws = RANDOM.normal(5, 2, (200, n))
    intervals = [interval(mean("x", "seed", draw), 0.9) for draw in draws]
    held = sum(low <= 5 <= high for low, high in intervals)
    assert held >= 170, "of 200; the bootstrap alone holds 120 to 160"


def test_equal_counts_vary_as_much_as_rounding_makes_them():
    low, high = interval(mean("x", "seed", [7, 7, 7], step=1), 0.95)
    assert 5.5 < low < 7 < high < 8.5
    assert interval(mean("x", "seed", [7, 7, 7]), 0.95) is None


def test_a_share_has_the_exact_interval():
    evidence = more_than_half("x", "search", [True] * 8)
    assert interval(evidence, 0.95) == pytest.approx((0.5 * 0.05 ** (1 / 8) / 0.5 ** (7 / 8), 1.0), abs=1e-3)
    assert interval(more_than_half("x", "search", [True] * 4), 0.95)[0] < 0.5 < interval(evidence, 0.95)[0]


def test_a_rank_correlation_is_spearmans_and_its_interval_holds_it():
    x = RANDOM.normal(size=30)
    y = x + RANDOM.normal(size=30)
    evidence = goes_with("x", "search", x, y)
    low, high = interval(evidence, 0.95)
    assert effect(evidence) == pytest.approx(stats.spearmanr(x, y).statistic)
    assert 0 < low < effect(evidence) < high < 1
    wider = interval(evidence, 0.99)
    assert wider[0] < low < high < wider[1]


def test_the_interval_of_a_rank_correlation_is_never_narrower_than_fishers():
    x, y = np.arange(12.0), np.array([1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10.0])
    fisher = stats.pearsonr(x, y).confidence_interval(0.95)
    low, high = interval(goes_with("x", "search", x, y), 0.95)
    assert low <= fisher.low and fisher.high <= high


def test_perfect_order_of_four_decides_nothing_and_of_six_does():
    low, high = interval(goes_with("x", "search", range(4), range(4)), 0.95)
    assert low < 0 < high == 1
    assert interval(goes_with("x", "search", range(6), range(6)), 0.95)[0] > 0
    assert interval(goes_with("x", "search", range(6), range(0, -6, -1)), 0.95)[1] < 0


@pytest.mark.parametrize(
    "evidence",
    [
        mean("x", "seed", []),
        mean("x", "seed", [1.0, 9.0]),
        more_than_half("x", "search", []),
        goes_with("x", "search", [1, 2, 3], [1, 2, 3]),
        goes_with("x", "search", [1, 2, 3, 4, 5], [2, 2, 2, 2, 2]),
    ],
)
def test_too_few_values_have_no_interval(evidence):
    assert interval(evidence, 0.95) is None


def test_the_same_values_give_the_same_interval():
    evidence = goes_with("x", "search", [1, 2, 3, 4, 5], [2, 1, 3, 5, 4])
    assert interval(evidence, 0.95) == interval(evidence, 0.95)
