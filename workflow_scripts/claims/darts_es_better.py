"""Does stopping early find better cells?"""

import pandas as pd

from workflow_scripts.verdicts.evidence import mean
from workflow_scripts.verdicts.searches import cases, of_method, paired, test_errors
from workflow_scripts.verdicts.verdict import Verdict, verdict

PAPER = "robustdarts"
PLACE = "Section 4"
STATEMENT = "DARTS-ES finds better cells than DARTS."
TABLES = ("evaluations",)
FIGURE = "test_error"


def judge(tables: dict[str, pd.DataFrame]) -> Verdict:
    """The test error of DARTS less that of DARTS-ES on the same search, at the weakest L2 without drop path."""
    evidence = []
    for name, rows in cases(test_errors(tables["evaluations"])):
        if {"darts", "darts_es"} <= set(rows["method"]):
            difference = paired(of_method(rows, "darts"), of_method(rows, "darts_es"))
            what = f"{name}: test error of DARTS less that of DARTS-ES, points"
            evidence.append(mean(what, "search", difference, least=0))
    return verdict(evidence, "trainings from scratch of what DARTS and DARTS-ES found")
