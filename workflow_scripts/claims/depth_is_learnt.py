"""Does one training learn how many blocks to keep?"""

import pandas as pd

from workflow_scripts.verdicts.depth_runs import by_seed, on_one_data, shown
from workflow_scripts.verdicts.evidence import mean
from workflow_scripts.verdicts.verdict import Verdict, verdict

PAPER = "depth"
PLACE = "Abstract"
STATEMENT = "One training learns a posterior over depth, from which a depth d_opt below the largest one, D, is read."
TABLES = ("depth_runs",)
FIGURE = "depth_posterior"


def judge(tables: dict[str, pd.DataFrame]) -> Verdict:
    """Blocks left out, D less d_opt, at the largest D up to 50."""
    evidence = []
    for name, ldn, _ in on_one_data(tables["depth_runs"]):
        rows = shown(ldn)
        left_out = by_seed(rows.assign(left_out=rows["max_depth"] - rows["d_opt"]), "left_out")
        what = f"{name}: D less d_opt, D = {rows['max_depth'].max()}, blocks"
        evidence.append(mean(what, "network", left_out, least=1, step=1))
    return verdict(evidence, "networks of learnt depth with several largest depths D")
