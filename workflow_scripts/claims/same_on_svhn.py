"""Do the findings on images hold on SVHN, too?"""

import pandas as pd

from workflow_scripts.claims.pruning_costs_nothing import MARGIN
from workflow_scripts.verdicts.depth_runs import calibration_gain, pruning_cost, speed_up
from workflow_scripts.verdicts.verdict import Verdict, verdict

PAPER = "depth"
PLACE = "Experiments on images"
STATEMENT = "On SVHN, too, pruning at d_opt costs no accuracy and is faster, and learnt depth is better calibrated."
TABLES = ("depth_runs", "depth_speed")
FIGURE = "depth_comparison"


def judge(tables: dict[str, pd.DataFrame]) -> Verdict:
    """The three comparisons of the other data sets of images, on SVHN."""
    runs = tables["depth_runs"]
    evidence = [
        *pruning_cost(runs, True, MARGIN),
        *calibration_gain(runs, True),
        *speed_up(tables["depth_speed"], True),
    ]
    return verdict(evidence, "networks of learnt and of fixed depth on SVHN, and their times")
