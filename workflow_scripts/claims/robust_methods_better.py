"""Do DARTS-ADA and R-DARTS find better cells than DARTS?"""

import pandas as pd

from workflow_scripts.verdicts.searches import above_robust_methods
from workflow_scripts.verdicts.verdict import Verdict, verdict

PAPER = "robustdarts"
PLACE = "Section 5"
STATEMENT = "DARTS-ADA, R-DARTS(L2) and R-DARTS(DP) find better cells than DARTS."
TABLES = ("evaluations",)
FIGURE = "comparison"


def judge(tables: dict[str, pd.DataFrame]) -> Verdict:
    """The test error of DARTS less that of each of the three methods, paired by the seed of the search."""
    return verdict(
        above_robust_methods(tables["evaluations"], "darts"),
        "trainings from scratch of what DARTS and the three methods found",
    )
