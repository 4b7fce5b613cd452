"""Does pruning at d_opt cost accuracy on images?"""

import pandas as pd

from workflow_scripts.verdicts.depth_runs import pruning_cost
from workflow_scripts.verdicts.verdict import Verdict, verdict

PAPER = "depth"
PLACE = "Abstract"
STATEMENT = "Pruning at d_opt costs no accuracy on MNIST and Fashion-MNIST (here: at most half a point)."
TABLES = ("depth_runs",)
FIGURE = "depth_comparison"

MARGIN = 0.5
"""Points of test error, ours: the paper gives no number."""


def judge(tables: dict[str, pd.DataFrame]) -> Verdict:
    """The test error pruned at d_opt less that of the whole network, at the largest D up to 50."""
    evidence = pruning_cost(tables["depth_runs"], svhn=False, margin=MARGIN)
    return verdict(evidence, "networks of learnt depth on images")
