"""Does the dominant eigenvalue rise in the searches that degenerate?"""

import pandas as pd

from workflow_scripts.tables.display_names import DEGENERATE
from workflow_scripts.verdicts.evidence import mean
from workflow_scripts.verdicts.searches import cases, darts, normal_count, normal_size
from workflow_scripts.verdicts.verdict import Verdict, verdict

PAPER = "robustdarts"
PLACE = "Section 4"
STATEMENT = "The dominant eigenvalue of the validation loss rises while a search degenerates."
TABLES = ("searches", "curvature")
FIGURE = "dominant_eigenvalue"

_KEYS = ["space", "data_set", "search", "run"]


def judge(tables: dict[str, pd.DataFrame]) -> Verdict:
    """The last moving average less the first, over searches that end with half a cell of noise or skip-connections."""
    averages = tables["curvature"].dropna(subset=["moving_average"]).sort_values("epoch").groupby(_KEYS)
    ends = averages["moving_average"].agg(["first", "last"]).astype(float)
    rise = (ends["last"] - ends["first"]).rename("rise").reset_index()
    evidence = []
    for name, rows in cases(darts(tables["searches"])):
        bad = rows[normal_count(rows["genotype"], DEGENERATE) >= normal_size(rows["genotype"]) / 2]
        measured = bad.merge(rise, on=_KEYS)
        if len(measured):
            what = f"{name}: eigenvalue, last moving average less the first"
            evidence.append(mean(what, "search that degenerates", measured["rise"], least=0))
    return verdict(evidence, "searches that degenerate and measured their curvature")
