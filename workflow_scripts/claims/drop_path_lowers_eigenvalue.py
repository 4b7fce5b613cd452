"""Does drop path, with cutout, keep the dominant eigenvalue low?"""

import pandas as pd

from workflow_scripts.verdicts.evidence import mean
from workflow_scripts.verdicts.searches import by_seed, cases, darts, paired, weakest
from workflow_scripts.verdicts.verdict import Verdict, verdict

PAPER = "robustdarts"
PLACE = "Section 5"
STATEMENT = "Drop path (with cutout) keeps the dominant eigenvalue low."
TABLES = ("searches",)
FIGURE = "dominant_eigenvalue"


def judge(tables: dict[str, pd.DataFrame]) -> Verdict:
    """The last eigenvalue without drop path less its mean over the drop paths, at the weakest L2 that has both."""
    evidence = []
    for name, rows in cases(darts(tables["searches"])):
        without, dropped = weakest(rows), rows[(rows["drop_path"] > 0) & (rows["l2"] == rows["l2"].min())]
        if (without["drop_path"] == 0).all() and len(dropped):
            column = "final_dominant_eigenvalue"
            difference = paired(by_seed(without, column), by_seed(dropped, column))
            what = f"{name}: last eigenvalue without drop path less that with it, L2 {rows['l2'].min():g}"
            evidence.append(mean(what, "pair of searches with one seed", difference, least=0))
    return verdict(evidence, "searches with and without drop path that measured their curvature")
