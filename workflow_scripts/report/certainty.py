"""How sure a report's numbers are: how often each was repeated, what its spread means, what was left out."""

import pandas as pd

from workflow_scripts.report import number_formats
from workflow_scripts.report.result_tables import DEPTH_SETTINGS
from workflow_scripts.tables.cell_tables import EVALUATIONS, TRAINED
from workflow_scripts.tables.display_names import count

_SEARCH_SETTING = ["space", "data_set", "search", "l2", "drop_path"]
_ARCHITECTURE = [*_SEARCH_SETTING, "run", "method"]


def repeated(tables: dict[str, pd.DataFrame]) -> list[str]:
    """What the study repeated, as paragraphs: searches, trainings from scratch, depth networks; empty without runs."""
    paragraphs = []
    counts = []
    if len(searches := tables.get("searches", pd.DataFrame())):
        seeds = searches.groupby(_SEARCH_SETTING)["seed"].nunique()
        counts.append(seeds)
        paragraphs.append(
            f"Cell search: {count(len(searches), 'search', 'searches')} of "
            f"{count(len(seeds), 'setting')}, {number_formats.span(seeds)} of each, which differ in the seed alone."
            f"{_diverged(searches)}"
        )
    evaluations = tables.get("evaluations", EVALUATIONS.frame([]))
    trained = evaluations[evaluations["outcome"].isin(TRAINED)]
    if len(trainings := trained[trained["same_as"].isna()]):
        per_architecture = trainings.groupby(_ARCHITECTURE, dropna=False)["evaluation_seed"].nunique()
        paragraphs.append(
            f"Trainings from scratch: {len(trainings)} of {count(len(per_architecture), 'architecture')}, "
            f"{number_formats.span(per_architecture)} of each, which differ in the initial weights and the order of "
            "images."
            f"{_diverged(trainings)}"
        )
    if again := len(trained) - len(trainings):
        paragraphs.append(
            f"{count(again, 'row')} of the table evaluations {'is' if again == 1 else 'are'} not counted again: "
            "another method or search took the same architecture, so the training is the same."
        )
    if lost := len(evaluations) - len(trained):
        paragraphs.append(f"{lost} more could not be trained, because the search gave no architecture.")
    if len(networks := tables.get("depth_runs", pd.DataFrame())):
        setting = ["experiment", "model", "max_depth", *DEPTH_SETTINGS]
        per_setting = networks.groupby(setting, dropna=False).size()
        counts.append(per_setting)
        paragraphs.append(
            f"Depth search: {count(len(networks), 'network')} of "
            f"{count(len(per_setting), 'setting')}, {number_formats.span(per_setting)} of each, which differ in "
            f"their seeds.{_diverged(networks)}"
        )
    if any((each == 1).any() for each in counts):
        paragraphs.append(
            "Where a setting was run once the spread over runs is unknown: a difference between "
            "two such numbers is not evidence."
        )
    if paragraphs:
        paragraphs.append(
            "A value with ± is a mean and the standard deviation of single runs, not of the mean; what the bands and "
            "bars of a figure mean is in its caption."
        )
    return paragraphs


def _diverged(rows: pd.DataFrame) -> str:
    diverged = int((rows["outcome"] == "diverged").sum())
    return f" {diverged} diverged and count in no mean." if diverged else ""
