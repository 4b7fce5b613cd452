"""Is the depth chosen independent of the largest depth allowed?"""

import numpy as np
import pandas as pd

from workflow_scripts.verdicts.depth_runs import SEEDS, on_one_data
from workflow_scripts.verdicts.evidence import mean
from workflow_scripts.verdicts.verdict import Verdict, verdict

PAPER = "depth"
PLACE = "Experiments on spirals and on images"
STATEMENT = "The depth chosen hardly depends on the largest depth D (here: by less than a block for each ten of D)."
TABLES = ("depth_runs",)
FIGURE = "chosen_depth"

MARGIN = 0.1
"""Blocks for each block of D, ours: the paper gives no number."""


def judge(tables: dict[str, pd.DataFrame]) -> Verdict:
    """The slope of d_opt over D, fitted by seed, from the first D at which some seed chooses less than D (if any)."""
    evidence = []
    for name, ldn, _ in on_one_data(tables["depth_runs"]):
        below = ldn[ldn["d_opt"] < ldn["max_depth"]]
        enough = (below if len(below) else ldn)["max_depth"].min()
        rows = ldn[ldn["max_depth"] >= enough]
        slopes = [
            float(np.polyfit(each["max_depth"].astype(float), each["d_opt"].astype(float), 1)[0])
            for _, each in rows.groupby(SEEDS)
            if each["max_depth"].nunique() > 1
        ]
        what = f"{name}: slope of d_opt over D, from D = {enough}"
        evidence.append(mean(what, "seed", slopes, least=-MARGIN, most=MARGIN))
    return verdict(evidence, "networks of learnt depth with several largest depths D")
