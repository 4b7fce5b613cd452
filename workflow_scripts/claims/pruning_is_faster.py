"""Does pruning make prediction faster?"""

import pandas as pd

from workflow_scripts.verdicts.depth_runs import speed_up
from workflow_scripts.verdicts.verdict import Verdict, verdict

PAPER = "depth"
PLACE = "Experiments on images"
STATEMENT = "Pruning at d_opt makes prediction faster than fixed depth D on MNIST and Fashion-MNIST."
TABLES = ("depth_speed",)
FIGURE = "pruning_speed_up"


def judge(tables: dict[str, pd.DataFrame]) -> Verdict:
    """The time of a forward pass that pruning saves, percent, at the largest D up to 50."""
    return verdict(speed_up(tables["depth_speed"], svhn=False), "measured times of networks on images")
