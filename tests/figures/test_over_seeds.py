"""What the depth search's figures share: which runs belong together, and axes that a broken network does not spoil."""

import made_up
import pandas as pd

from figures import chosen_depth, depth_comparison, over_seeds

RESULT = ("max_depth", "test_log_likelihood_full")


def learnt_of(tables: made_up.Tables) -> pd.Series:
    runs = made_up.frame(tables, "depth_runs")
    return runs.loc[runs["model"] == "ldn", "test_log_likelihood_d_opt"]


def ddn_of(tables: made_up.Tables) -> pd.DataFrame:
    runs = made_up.frame(tables, "depth_runs")
    return runs[runs["model"] == "ddn"]


def test_a_broken_network_leaves_the_others_to_see() -> None:
    """One mean that is off by orders of magnitude ends beyond the axes, and the caption counts it."""
    tables = dict(made_up.depth(made_up.Depth((5, 10, 20), (0, 1), range(0, 21, 2))))
    before = over_seeds.outside(ddn_of(tables), *RESULT, learnt_of(tables))
    runs = made_up.frame(tables, "depth_runs").copy()
    broken = (runs["model"] == "ddn") & (runs["max_depth"] == 20)
    runs.loc[broken, "test_log_likelihood_full"] = -1e20
    tables["depth_runs"] = runs
    assert over_seeds.outside(ddn_of(tables), *RESULT, learnt_of(tables)) == max(1, before)
    low, high = depth_comparison.draw(tables).axes[1].get_ylim()
    assert -10 < low < high <= 0
    assert "of DDN lie" in depth_comparison.caption(tables)


def test_runs_of_two_experiments_on_the_same_data_are_not_mixed() -> None:
    """The width experiment repeats one network of the depth experiment; means are over the latter's runs alone."""
    tables = made_up.depth(made_up.Depth((5, 10), (0, 1), (5, 10)))
    runs = made_up.frame(tables, "depth_runs")
    again = runs[(runs["model"] == "ldn") & (runs["max_depth"] == 10)].assign(experiment="width", d_opt=99)
    (column,) = over_seeds.compared(pd.concat([again, runs], ignore_index=True))
    assert column.experiment == "max_depth"
    assert column.ldn["d_opt"].max() <= 10
    assert len(column.ddn) == 4
    assert column.shown_depth == 10


def test_networks_that_differ_in_more_than_their_seeds_are_not_averaged() -> None:
    """D and width both vary: a panel for each width, and the caption counts seeds alone."""
    tables = dict(made_up.depth(made_up.Depth((5, 10, 20), (0, 1), ())))
    runs = made_up.frame(tables, "depth_runs")
    tables["depth_runs"] = pd.concat([runs, runs.assign(width=40, d_opt=1)], ignore_index=True)
    drawn = chosen_depth.draw(tables)
    titles = [axes.get_title(loc="left") for axes in drawn.axes]
    assert titles == ["max depth, spirals, width 20", "max depth, spirals, width 40"]
    assert ", 2 for each value" in chosen_depth.caption(tables)
