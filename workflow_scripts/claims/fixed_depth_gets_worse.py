"""Do networks of fixed depth get worse with depth, and those of learnt depth not?"""

import pandas as pd

from workflow_scripts.verdicts.depth_runs import by_seed, on_one_data
from workflow_scripts.verdicts.evidence import mean
from workflow_scripts.verdicts.verdict import Verdict, verdict

PAPER = "depth"
PLACE = "Experiments on spirals and on images"
STATEMENT = "Fixed depth gets worse with D, learnt depth does not (here: by at most a point of test error)."
TABLES = ("depth_runs",)
FIGURE = "depth_comparison"

MARGIN = 1.0
"""Points of test error, ours: the paper gives no number."""


def judge(tables: dict[str, pd.DataFrame]) -> Verdict:
    """The test error over the upper half of the D that both kinds have, less that over the lower half, by seeds."""
    evidence = []
    for name, ldn, ddn in on_one_data(tables["depth_runs"]):
        depths = sorted(set(ldn["max_depth"]) & set(ddn["max_depth"]))
        if len(depths) > 1:
            lower, upper = depths[: len(depths) // 2], depths[len(depths) // 2 :]
            words = f"{name}: test error, mean over D from {upper[0]} on less that over smaller D, points"
            for kind, rows, column, bounds in (
                ("fixed depth", ddn, "test_error_full_percent", {"least": 0.0}),
                ("learnt depth", ldn, "test_error_d_opt_percent", {"most": MARGIN}),
            ):
                change = [by_seed(rows[rows["max_depth"].isin(half)], column) for half in (upper, lower)]
                evidence.append(mean(f"{words}; {kind}", "seed", (change[0] - change[1]).dropna(), **bounds))
    return verdict(evidence, "networks of learnt and of fixed depth, both with several largest depths D")
