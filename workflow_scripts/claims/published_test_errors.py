"""Do our trainings give the test errors of the paper's tables?"""

import pandas as pd

from workflow_scripts.tables.display_names import METHOD_NAMES, data_set_name, method_name
from workflow_scripts.verdicts.evidence import mean
from workflow_scripts.verdicts.searches import of_method, test_errors
from workflow_scripts.verdicts.verdict import Verdict, verdict

PAPER = "robustdarts"
PLACE = "Sections 4 and 5, the tables"
STATEMENT = "The test errors of its tables: S1 to S4 on CIFAR-10, CIFAR-100 and SVHN."
TABLES = ("evaluations", "comparison")
FIGURE = "comparison"
PAPER_SCALE_ONLY = True


def judge(tables: dict[str, pd.DataFrame]) -> Verdict:
    """Our test errors, by search, less the published mean: within a standard deviation of the published searches."""
    errors = test_errors(tables["evaluations"])
    known = tables["comparison"].dropna(subset=["published_a_mean_percent", "published_a_deviation_percent"])
    evidence = []
    for row in known[known["method"].isin(list(METHOD_NAMES))].itertuples():
        rows = errors[(errors["space"] == row.space) & (errors["data_set"] == row.data_set)]
        difference = of_method(rows, row.method) - row.published_a_mean_percent
        margin = float(row.published_a_deviation_percent)
        place = f"{row.space.upper()}, {data_set_name(row.data_set)}, {method_name(row.method)}"
        what = f"{place}: our test error less the published mean, points"
        evidence.append(mean(what, "search", difference, least=-margin, most=margin))
    return verdict(evidence, "trainings from scratch in a space and data set of the paper's tables")
