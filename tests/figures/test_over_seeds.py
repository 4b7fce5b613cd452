"""What the depth search's figures share: which runs belong together, and axes that a broken network does not spoil."""

import example_tables
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from figures import chosen_depth, depth_comparison, operation_counts, over_seeds

RESULT = ("max_depth", "test_log_likelihood_full")


def learnt_of(tables: example_tables.Tables) -> pd.Series:
    runs = example_tables.frame(tables, "depth_runs")
    return runs.loc[runs["model"] == "ldn", "test_log_likelihood_d_opt"]


def ddn_of(tables: example_tables.Tables) -> pd.DataFrame:
    runs = example_tables.frame(tables, "depth_runs")
    return runs[runs["model"] == "ddn"]


def test_a_broken_network_leaves_the_others_to_see() -> None:
    """One mean that is off by orders of magnitude ends beyond the axes, and the caption counts it."""
    tables = dict(example_tables.depth(example_tables.Depth((5, 10, 20), (0, 1), range(0, 21, 2))))
    before = over_seeds.count_outside(ddn_of(tables), *RESULT, learnt_of(tables))
    runs = example_tables.frame(tables, "depth_runs").copy()
    broken = (runs["model"] == "ddn") & (runs["max_depth"] == 20)
    runs.loc[broken, "test_log_likelihood_full"] = -1e20
    tables["depth_runs"] = runs
    assert over_seeds.count_outside(ddn_of(tables), *RESULT, learnt_of(tables)) == max(1, before)
    low, high = depth_comparison.draw(tables).axes[1].get_ylim()
    assert -10 < low < high <= 0
    assert "of DDN lie" in depth_comparison.caption(tables)


def test_runs_of_two_experiments_on_the_same_data_are_not_mixed() -> None:
    """The width experiment repeats one network of the depth experiment; means are over the latter's runs alone."""
    tables = example_tables.depth(example_tables.Depth((5, 10), (0, 1), (5, 10)))
    runs = example_tables.frame(tables, "depth_runs")
    again = runs[(runs["model"] == "ldn") & (runs["max_depth"] == 10)].assign(experiment="width", d_opt=99)
    (column,) = over_seeds.compared(pd.concat([again, runs], ignore_index=True))
    assert column.experiment == "max_depth"
    assert column.ldn["d_opt"].max() <= 10
    assert len(column.ddn) == 4
    assert column.shown_depth == 10


def test_networks_that_differ_in_more_than_their_seeds_are_not_averaged() -> None:
    """D and width both vary: a panel for each width, and the caption counts seeds alone."""
    tables = dict(example_tables.depth(example_tables.Depth((5, 10, 20), (0, 1), ())))
    runs = example_tables.frame(tables, "depth_runs")
    tables["depth_runs"] = pd.concat([runs, runs.assign(width=40, d_opt=1)], ignore_index=True)
    drawn = chosen_depth.draw(tables)
    titles = [axes.get_title(loc="left") for axes in drawn.axes]
    assert titles == ["max depth, spirals, width 20", "max depth, spirals, width 40"]
    assert ", 2 for each value" in chosen_depth.caption(tables)


def test_a_band_is_one_standard_deviation_and_a_single_run_has_none() -> None:
    """D = 5 has three runs, of which one has no value, D = 10 has three, D = 20 one."""
    runs = pd.DataFrame({"D": [5, 10, 20, 5, 10, 5, 10], "y": [1.0, 2.0, 9.0, 3.0, 4.0, np.nan, 9.0]})
    runs = runs.astype({"D": "Int64", "y": "Float64"})
    axes = Figure().subplots()
    over_seeds.draw_over_seeds(axes, runs, "D", "y", "#000000")
    (line,), (band,) = axes.lines, axes.collections
    assert line.get_xydata().tolist() == [[5, 2], [10, 5], [20, 9]]
    corners = np.unique(np.concatenate([path.vertices for path in band.get_paths()]), axis=0)
    half = np.std([2, 4, 9], ddof=1)
    expected = [(5, 2 - np.sqrt(2)), (5, 2 + np.sqrt(2)), (10, 5 - half), (10, 5 + half)]
    assert corners == pytest.approx(np.array(expected))
    over_seeds.draw_bars_over_seeds(bars := Figure().subplots(), runs, "D", "y", "#000000")
    assert [bar.get_height() for bar in bars.patches] == [2, 5, 9]
    ends = [bar.get_ydata() for bar in bars.lines]
    assert ends[1] == pytest.approx([5 - half, 5 + half])
    assert np.isnan(ends[2]).all()


def test_counts_of_operations_run_from_the_smallest_to_the_largest_seed() -> None:
    tables = dict(example_tables.cells(example_tables.Cells(seeds=(0, 1, 2))))
    axes = operation_counts.draw(tables).axes[0]
    searches = operation_counts._counted(tables)
    counts = [rows["noise"] for _, rows in searches.groupby("l2")]
    line, *bars = axes.lines
    assert line.get_ydata() == pytest.approx([rows.mean() for rows in counts])
    ends = [(np.nanmin(bar.get_ydata()), np.nanmax(bar.get_ydata())) for bar in bars]
    assert ends == [(rows.min(), rows.max()) for rows in counts]
