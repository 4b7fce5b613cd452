"""Does noise take over in S4 where L2 is weak, and not where it is strong?"""

import pandas as pd

from workflow_scripts.verdicts.searches import takes_over
from workflow_scripts.verdicts.verdict import Verdict, verdict

PAPER = "robustdarts"
PLACE = "Sections 3 and 5"
STATEMENT = "Noise takes over in S4 under weak L2, and stronger L2 prevents it."
TABLES = ("searches",)
FIGURE = "operation_counts"


def judge(tables: dict[str, pd.DataFrame]) -> Verdict:
    """Noise operations in the last normal cell, under the weakest L2 and against the strongest."""
    searches = tables["searches"]
    return verdict(takes_over(searches[searches["space"] == "s4"], "noise"), "searches of S4 under several L2")
