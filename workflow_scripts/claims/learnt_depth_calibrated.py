"""Is learnt depth better calibrated than fixed depth?"""

import pandas as pd

from workflow_scripts.verdicts.depth_runs import calibration_gain
from workflow_scripts.verdicts.verdict import Verdict, verdict

PAPER = "depth"
PLACE = "Abstract"
STATEMENT = "Learnt depth is better calibrated than fixed depth on MNIST and Fashion-MNIST."
TABLES = ("depth_runs",)
FIGURE = "reliability"


def judge(tables: dict[str, pd.DataFrame]) -> Verdict:
    """The calibration error of fixed depth less that of learnt depth pruned at d_opt, at the largest D up to 50."""
    evidence = calibration_gain(tables["depth_runs"], svhn=False)
    return verdict(evidence, "networks of learnt and of fixed depth on images, with one largest depth D")
