"""Do skip-connections take over where L2 is weak, and not where it is strong?"""

import pandas as pd

from workflow_scripts.verdicts.searches import takes_over
from workflow_scripts.verdicts.verdict import Verdict, verdict

PAPER = "robustdarts"
PLACE = "Sections 3 and 5"
STATEMENT = "Skip-connections take over under weak L2, and stronger L2 prevents it."
TABLES = ("searches",)
FIGURE = "operation_counts"


def judge(tables: dict[str, pd.DataFrame]) -> Verdict:
    """Skip-connections in the last normal cell, under the weakest L2 and against the strongest; all spaces but S4."""
    searches = tables["searches"]
    evidence = takes_over(searches[searches["space"] != "s4"], "skip_connect")
    return verdict(evidence, "searches under several L2 in a space with skip-connections")
