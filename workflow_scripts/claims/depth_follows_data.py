"""Do more complex data, more data and narrower layers ask for more depth?"""

import pandas as pd

from workflow_scripts.verdicts.depth_runs import EACH, by_seed, finished
from workflow_scripts.verdicts.evidence import mean
from workflow_scripts.verdicts.verdict import Verdict, verdict

PAPER = "depth"
PLACE = "Experiments on spirals"
STATEMENT = "More complex data, more data and narrower layers ask for more depth."
TABLES = ("depth_runs",)
FIGURE = "chosen_depth"

_VARIED = {"stop_angle_degrees": "angle of the spirals", "train_points": "number of training points", "width": "width"}


def judge(tables: dict[str, pd.DataFrame]) -> Verdict:
    """d_opt at the largest of each quantity less that at the smallest, of the width the other way round; by seeds."""
    runs = finished(tables["depth_runs"], "ldn")
    spirals = runs[runs["data_set"] == "spirals"]
    evidence = []
    for experiment, rows in spirals.groupby("experiment", sort=False):
        for column, words in _VARIED.items():
            if rows[column].nunique() < 2:
                continue
            ends = [rows[column].max(), rows[column].min()]
            deep, shallow = reversed(ends) if column == "width" else ends
            difference = by_seed(rows[rows[column] == deep], "d_opt") - by_seed(rows[rows[column] == shallow], "d_opt")
            what = f"{experiment}: d_opt, {words} {deep:g} less {shallow:g}, blocks"
            evidence.append(mean(what, EACH, difference.dropna(), least=0, step=1))
    return verdict(evidence, "spirals of several angles, several numbers of points, and networks of several widths")
