"""Does a large dominant eigenvalue go with a bad architecture, and with a large loss by discretising?"""

import pandas as pd

from workflow_scripts.verdicts.evidence import goes_with
from workflow_scripts.verdicts.searches import cases, darts, test_errors
from workflow_scripts.verdicts.verdict import Verdict, verdict

PAPER = "robustdarts"
PLACE = "Section 4"
STATEMENT = "The dominant eigenvalue goes with the test error, and with the loss of accuracy by discretising."
TABLES = ("searches", "evaluations")
FIGURE = "eigenvalue_and_error"

_KEYS = ["space", "data_set", "search", "run"]


def judge(tables: dict[str, pd.DataFrame]) -> Verdict:
    """Over searches, the last eigenvalue against the test error, and against the error that discretising adds."""
    errors = test_errors(tables["evaluations"]).query("method == 'darts'")
    searches = darts(tables["searches"]).dropna(subset=["final_dominant_eigenvalue"])
    points = searches.merge(errors[[*_KEYS, "error"]], on=_KEYS)
    points["added"] = points["discretised_valid_error_percent"] - points["valid_error_percent"]
    evidence = []
    for name, rows in cases(points):
        for column, words in (("error", "test error"), ("added", "error added by discretising")):
            known = rows.dropna(subset=[column])
            what = f"{name}: eigenvalue and {words}"
            evidence.append(goes_with(what, "search", known["final_dominant_eigenvalue"], known[column]))
    return verdict(evidence, "searches that measured their curvature, and trainings from scratch of what they found")
