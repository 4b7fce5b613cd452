"""Small trainings against published test errors: how they are joined, and what their ranks say."""

from itertools import pairwise

import pandas as pd
import pytest

from figures import ranking
from workflow_scripts.tables.cell_tables import EVALUATIONS, PUBLISHED_EVALUATIONS

LENGTHS = (4, 16)


def published(number, error, channels=16, **changes):
    row = {"space": "s1", "data_set": "cifar10", "l2": 0.0729, "drop_path": None, "init_channels": channels}
    return {**row, "layers": 8, "test_error_percent": error, "genotype": f"cell {number}", **changes}


def trained(number, error, epochs, seed=1, **changes):
    row = dict.fromkeys(EVALUATIONS.names) | {"space": "s1", "data_set": "cifar10", "search": "genotypes"}
    row |= {"method": "genotypes", "run": f"cell_{number}_epochs-{epochs}", "outcome": "finished"}
    row |= {"evaluation_seed": seed, "evaluation_epochs": epochs, "genotype": f"cell {number}"}
    return row | {"test_error_percent": error} | changes


def tables(evaluations, rows):
    return {
        "evaluations": EVALUATIONS.frame(evaluations),
        "published_evaluations": PUBLISHED_EVALUATIONS.frame(rows),
    }


SIX = [published(number, 3.0 + number) for number in range(6)]
BACKWARDS_THEN_ALIKE = tables(
    [trained(number, 70.0 - number, 4) for number in range(6)]
    + [trained(number, 40.0 + number + spread, 16, seed) for number in range(6) for seed, spread in ((1, -3), (2, 3))],
    [*SIX, published(6, None, drop_path=0.8, l2=None, space="s4"), published(7, 2.9, channels=36)],
)


def titles(drawn):
    return [axes.get_title(loc="left").split("\n") for axes in drawn.axes]


def test_a_row_for_each_length_and_a_column_for_each_size():
    both = [trained(7, 50.0, length) for length in LENGTHS]
    evaluations = pd.concat([BACKWARDS_THEN_ALIKE["evaluations"], EVALUATIONS.frame(both)])
    found = titles(ranking.draw({**BACKWARDS_THEN_ALIKE, "evaluations": evaluations}))
    sizes = ["CIFAR-10: 16 channels, 8 cells", "CIFAR-10: 36 channels, 8 cells"]
    assert [title[0] for title in found] == sizes * 2
    assert [title[1] for title in found] == [f"{n} epochs, n = {count}" for n in LENGTHS for count in (6, 1)]
    assert found[1][2] == found[3][2] == "no correlation"


def test_the_mean_over_seeds_is_ranked():
    shorter, longer = titles(ranking.draw(BACKWARDS_THEN_ALIKE))
    assert shorter[2].startswith("ρ = -1.00 [-1.00, -0.")
    assert longer[2].startswith("ρ = 1.00 [0.") and "undecided" not in longer[2]
    mark = next(line for line in ranking.draw(BACKWARDS_THEN_ALIKE).axes[1].lines if line.get_marker() == "o")
    assert (mark.get_xdata()[0], mark.get_ydata()[0]) == (3.0, 40.0)


@pytest.mark.parametrize(("order", "word"), [((2, 0, 3, 1, 5, 4), True), ((0, 1, 2, 3, 4, 5), False)])
def test_an_interval_that_holds_0_is_called_undecided(order, word):
    found = tables([trained(number, 40.0 + place, 4) for number, place in enumerate(order)], SIX)
    assert ("undecided" in titles(ranking.draw(found))[0][2]) is word


def test_what_has_no_published_error_is_marked_and_ranks_nowhere():
    more = EVALUATIONS.frame([trained(6, 99.0, 16, space="s4")])
    found = {**BACKWARDS_THEN_ALIKE, "evaluations": pd.concat([BACKWARDS_THEN_ALIKE["evaluations"], more])}
    drawn = ranking.draw(found)
    assert titles(drawn) == titles(ranking.draw(BACKWARDS_THEN_ALIKE))
    assert [line.get_ydata()[0] for line in drawn.axes[1].lines if line.get_marker() == "_"] == [99.0]
    assert "1 architecture (S4 at drop path 0.8) without a published error" in ranking.caption(found)
    assert "19 trainings of 7 architectures, 1 to 2 for each length" in ranking.caption(found)


def test_trainings_on_other_data_or_of_another_space_are_not_joined():
    elsewhere = [trained(0, 9.0, 4, data_set="cifar100"), trained(0, 9.0, 4, space="s2"), trained(9, 9.0, 4)]
    found = tables([*elsewhere, trained(0, None, 4, outcome="diverged")], SIX)
    assert "nothing to draw" in ranking.caption(found)


def test_the_correlation_is_said_in_words():
    words = ranking.alternative(BACKWARDS_THEN_ALIKE)
    assert "CIFAR-10: 16 channels, 8 cells, 4 epochs: n = 6, ρ = -1.00" in words
    assert "16 epochs: n = 6, ρ = 1.00" in words


def test_no_text_of_three_sizes_and_lengths_runs_into_another():
    rows = [
        published(10 * size + n, 3.0 + n, channels=channels)
        for size, channels in enumerate((16, 36, 48))
        for n in range(4)
    ]
    found = [trained(10 * size + n, 40.0 + n, epochs) for size in range(3) for n in range(4) for epochs in (5, 15, 45)]
    drawn = ranking.draw(tables(found, rows))
    drawn.draw_without_rendering()
    boxes = [axes._left_title.get_window_extent() for axes in drawn.axes]
    assert len(boxes) == 9
    for left, right in pairwise(boxes):
        assert left.x1 < right.x0 or right.x1 < left.x0 or left.y0 > right.y1
    assert max(box.x1 for box in boxes) <= drawn.bbox.x1
