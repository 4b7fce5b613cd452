"""A claim is undecided unless its intervals say otherwise."""

import pytest

from workflow_scripts.verdicts.evidence import interval, mean
from workflow_scripts.verdicts.verdict import verdict

ABOVE = mean("above", "seed", [4.0, 5.0, 6.0, 5.0], least=0)
BELOW = mean("below", "seed", [-4.0, -5.0, -6.0, -5.0], least=0)
OPEN = mean("open", "seed", [-4.0, 5.0, 6.0, -5.0], least=0)
SMALL = mean("small", "seed", [0.1, 0.11, 0.12, 0.1], most=0.5)
NONE = mean("none", "seed", [], least=0)
FEW = mean("few", "seed", [9.0], least=0)


@pytest.mark.parametrize(
    ("evidence", "word", "reason"),
    [
        ([ABOVE, SMALL], "holds", "2 intervals lie within the claim; above"),
        ([ABOVE], "holds", "1 interval lies within the claim; above"),
        ([ABOVE, BELOW, OPEN], "fails", "an interval lies outside the claim: below"),
        ([ABOVE, OPEN], "undecided", "1 of 2 comparisons open; open: the interval reaches past what the claim says"),
        ([ABOVE, NONE], "undecided", "1 of 2 comparisons open; none: not measured"),
        ([FEW], "undecided", "1 of 1 comparison open; few: n = 1 is too few, or does not vary, for an interval"),
        ([NONE], "undecided", "not measured: it needs searches"),
        ([], "undecided", "not measured: it needs searches"),
    ],
)
def test_words_and_reasons(evidence, word, reason):
    found = verdict(evidence, "searches")
    assert (found.word, found.reason) == (word, reason)


def test_many_comparisons_have_wider_intervals():
    alone, among = verdict([ABOVE], "x").findings[0], verdict([ABOVE] * 5, "x").findings[0]
    assert alone.interval == interval(ABOVE, 0.95)
    assert among.interval == interval(ABOVE, 0.99)
    assert among.interval[0] < alone.interval[0]


def test_an_effect_within_a_margin():
    within = mean("x", "seed", [0.01, -0.01, 0.02, 0.0], least=-0.1, most=0.1)
    outside = mean("x", "seed", [0.3, 0.31, 0.3, 0.32], least=-0.1, most=0.1)
    assert verdict([within], "x").word == "holds"
    assert verdict([outside], "x").word == "fails"
