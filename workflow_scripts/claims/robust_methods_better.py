"""Do DARTS-ADA and R-DARTS find better cells than DARTS?"""

import pandas as pd

from workflow_scripts.tables.display_names import method_name
from workflow_scripts.verdicts.evidence import mean
from workflow_scripts.verdicts.searches import cases, of_method, paired, test_errors
from workflow_scripts.verdicts.verdict import Verdict, verdict

PAPER = "robustdarts"
PLACE = "Section 5"
STATEMENT = "DARTS-ADA, R-DARTS(L2) and R-DARTS(DP) find better cells than DARTS."
TABLES = ("evaluations",)
FIGURE = "comparison"

_METHODS = ("darts_ada", "r_darts_l2", "r_darts_dp")


def judge(tables: dict[str, pd.DataFrame]) -> Verdict:
    """The test error of DARTS less that of each of the three methods, paired by the seed of the search."""
    errors = test_errors(tables["evaluations"])
    evidence = []
    if set(_METHODS) & set(errors["method"]):
        for name, rows in cases(errors):
            for method in _METHODS:
                difference = paired(of_method(rows, "darts"), of_method(rows, method))
                what = f"{name}: test error of DARTS less that of {method_name(method)}, points"
                evidence.append(mean(what, "pair of searches with one seed", difference, least=0))
    return verdict(evidence, "trainings from scratch of what DARTS and the three methods found")
