"""What claims on the depth search compare: networks that differ in one thing, paired by their seeds."""

from collections.abc import Iterator

import pandas as pd

from workflow_scripts.tables.display_names import data_set_name
from workflow_scripts.verdicts.evidence import Evidence, mean

DATA = ["data_set", "width", "points", "train_points", "noise", "stop_angle_degrees"]
"""Columns of the data on which, and the width with which, a network was trained."""
SEEDS = ["data_seed", "weight_seed"]
SHOWN_DEPTH = 50
"""The largest depth D at which the paper shows networks of one D."""
EACH = "pair of networks with one seed"


def finished(runs: pd.DataFrame, model: str) -> pd.DataFrame:
    """The finished networks of learnt (ldn) or fixed (ddn) depth, as the paper trains them, each once; D at least 1."""
    runs = runs[runs["closed_form_from"].isna()]
    rows = runs[(runs["model"] == model) & (runs["outcome"] == "finished") & (runs["max_depth"] > 0)]
    return rows.drop_duplicates([*DATA, *SEEDS, "max_depth"])


def on_one_data(runs: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame, pd.DataFrame]]:
    """The networks of learnt and of fixed depth on the same data, for each data on which learnt depth has several D."""
    for key, rows in runs.groupby(DATA, dropna=False, sort=False):
        ldn, ddn = finished(rows, "ldn"), finished(rows, "ddn")
        if ldn["max_depth"].nunique() > 1:
            yield data_set_name(str(key[0])), ldn, ddn


def is_image(data_set: pd.Series, svhn: bool) -> pd.Series:
    """Which rows are of images: of SVHN, or of the other data sets."""
    return (data_set == "svhn") if svhn else ~data_set.isin(["spirals", "svhn"])


def by_seed(rows: pd.DataFrame, column: str) -> pd.Series:
    """A quantity by the seeds of data and weights: its mean over the rows of these."""
    return rows.dropna(subset=[column]).groupby(SEEDS)[column].mean().astype(float)


def shown(rows: pd.DataFrame) -> pd.DataFrame:
    """The networks of the largest D up to 50."""
    depths = rows["max_depth"]
    return rows[depths == depths[depths <= SHOWN_DEPTH].max()]


def pruning_cost(runs: pd.DataFrame, svhn: bool, margin: float) -> list[Evidence]:
    """For each data set of images the error pruned at d_opt less that of the whole network; at most a margin."""
    rows = finished(runs, "ldn")
    found = []
    for data_set, each in rows[is_image(rows["data_set"], svhn)].groupby("data_set", sort=True):
        each = shown(each)
        cost = by_seed(each, "test_error_d_opt_percent") - by_seed(each, "test_error_full_percent")
        what = f"{_at(data_set, each)}: test error pruned at d_opt less that of the whole network, points"
        found.append(mean(what, "network", cost.dropna(), most=margin))
    return found


def calibration_gain(runs: pd.DataFrame, svhn: bool) -> list[Evidence]:
    """For each data set of images the calibration error of fixed depth D less that of learnt depth, pruned at d_opt."""
    found = []
    chosen = runs[is_image(runs["data_set"], svhn)]
    for data_set, rows in chosen.groupby("data_set", sort=True):
        ldn, ddn = finished(rows, "ldn"), finished(rows, "ddn")
        ldn = shown(ldn[ldn["max_depth"].isin(set(ddn["max_depth"]))])
        ddn = ddn[ddn["max_depth"].isin(set(ldn["max_depth"]))]
        gain = by_seed(ddn, "calibration_error_full") - by_seed(ldn, "calibration_error_d_opt")
        if len(ldn):
            what = f"{_at(data_set, ldn)}: calibration error of fixed depth less that of learnt depth, pruned"
            found.append(mean(what, EACH, gain.dropna(), least=0))
    return found


def speed_up(speed: pd.DataFrame, svhn: bool) -> list[Evidence]:
    """For each data set of images by how much pruning at d_opt shortens the forward pass of fixed depth D, percent."""
    found = []
    chosen = speed[is_image(speed["data_set"], svhn) & speed["closed_form_from"].isna()]
    for data_set, rows in chosen.groupby("data_set", sort=True):
        rows = shown(rows)
        times = ["deterministic_milliseconds", "d_opt_milliseconds"]
        medians = rows.groupby("run")[times].median().astype(float)
        saved = 100 * (1 - medians["d_opt_milliseconds"] / medians["deterministic_milliseconds"])
        what = f"{_at(data_set, rows)}: time saved by pruning at d_opt, percent"
        found.append(mean(what, "network, its median over repeats", saved, least=0))
    return found


def _at(data_set: object, rows: pd.DataFrame) -> str:
    return f"{data_set_name(str(data_set))}, D = {rows['max_depth'].max()}"
