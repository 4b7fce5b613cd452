"""Is random search with weight sharing no better than the robust methods?"""

import pandas as pd

from workflow_scripts.verdicts.searches import above_robust_methods
from workflow_scripts.verdicts.verdict import Verdict, verdict

PAPER = "robustdarts"
PLACE = "Section 5"
STATEMENT = "Random search with weight sharing is no better than DARTS-ADA, R-DARTS(L2) and R-DARTS(DP)."
TABLES = ("evaluations",)
FIGURE = "comparison"


def judge(tables: dict[str, pd.DataFrame]) -> Verdict:
    """The test error of random search less that of each of the three methods, paired by the seed of the search."""
    return verdict(
        above_robust_methods(tables["evaluations"], "random_ws"),
        "trainings from scratch of what random search and the three methods found",
    )
