"""Does the early-stopping rule fire before a search degenerates?"""

import pandas as pd

from workflow_scripts.tables.display_names import DEGENERATE
from workflow_scripts.verdicts.evidence import more_than_half
from workflow_scripts.verdicts.searches import cases, darts, normal_count, normal_size
from workflow_scripts.verdicts.verdict import Verdict, verdict

PAPER = "robustdarts"
PLACE = "Section 4"
STATEMENT = "The early-stopping rule fires before a search degenerates (here: in most of the searches that do)."
TABLES = ("searches", "search_epochs")
FIGURE = "dominant_eigenvalue"

_KEYS = ["space", "data_set", "search", "run"]


def judge(tables: dict[str, pd.DataFrame]) -> Verdict:
    """Of the searches that end with half a cell of noise or skip-connections, the share stopped at less than half."""
    epochs = tables["search_epochs"][[*_KEYS, "epoch", "genotype"]]
    stops = epochs.rename(columns={"epoch": "stop_epoch", "genotype": "at_stop"})
    evidence = []
    for name, rows in cases(darts(tables["searches"]).dropna(subset=["final_dominant_eigenvalue"])):
        half = normal_size(rows["genotype"]) / 2
        bad = rows[normal_count(rows["genotype"], DEGENERATE) >= half].merge(stops, on=[*_KEYS, "stop_epoch"])
        if len(bad):
            in_time = bad["stopped"] & (normal_count(bad["at_stop"], DEGENERATE) < normal_size(bad["at_stop"]) / 2)
            what = f"{name}: share of searches stopped while under half of the cell is noise or skip-connections"
            evidence.append(more_than_half(what, "search that degenerates", in_time))
    return verdict(evidence, "searches that degenerate and measured their curvature")
