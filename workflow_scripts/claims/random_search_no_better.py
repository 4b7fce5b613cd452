"""Is random search with weight sharing no better than the robust methods?"""

import pandas as pd

from workflow_scripts.tables.display_names import method_name
from workflow_scripts.verdicts.evidence import mean
from workflow_scripts.verdicts.searches import cases, of_method, paired, test_errors
from workflow_scripts.verdicts.verdict import Verdict, verdict

PAPER = "robustdarts"
PLACE = "Section 5"
STATEMENT = "Random search with weight sharing is no better than DARTS-ADA, R-DARTS(L2) and R-DARTS(DP)."
TABLES = ("evaluations",)
FIGURE = "comparison"

_METHODS = ("darts_ada", "r_darts_l2", "r_darts_dp")


def judge(tables: dict[str, pd.DataFrame]) -> Verdict:
    """The test error of random search less that of each of the three methods, paired by the seed of the search."""
    errors = test_errors(tables["evaluations"])
    evidence = []
    if "random_ws" in set(errors["method"]):
        for name, rows in cases(errors):
            for method in _METHODS:
                difference = paired(of_method(rows, "random_ws"), of_method(rows, method))
                what = f"{name}: test error of RS-ws less that of {method_name(method)}, points"
                evidence.append(mean(what, "pair of searches with one seed", difference, least=0))
    return verdict(evidence, "trainings from scratch of what random search and the three methods found")
