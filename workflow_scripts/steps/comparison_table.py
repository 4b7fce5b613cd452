"""The study's test errors next to the published ones, per space, data set and method.

Ours are those at the settings of the paper's table: L2 3e-4 and drop path 0, and what R-DARTS selected, whatever
its setting. The published values are of two tables from different runs; neither is combined with the other.
"""

import statistics
from pathlib import Path
from typing import Any

import pandas as pd

from workflow_scripts.runtime.progress import Progress
from workflow_scripts.tables.cell_tables import COMPARISON, EVALUATIONS
from workflow_scripts.tables.display_names import METHOD_NAMES, PUBLISHED_METHOD_NAMES, SELECTING
from workflow_scripts.tables.schema import Column, Table

DEFAULT_L2, DEFAULT_DROP_PATH = 3e-4, 0.0
METHODS = (*METHOD_NAMES, *PUBLISHED_METHOD_NAMES)
UNCONFIRMED = "no confirmed published value"

PUBLISHED = Table(
    "published_values",
    (
        Column("space", "text", "search space"),
        Column("data_set", "text", "data set"),
        Column("method", "text", "method"),
        Column("table", "text", "A: mean of several searches; B: one selected architecture; of different runs"),
        Column("mean_test_error_percent", "number", "published test error"),
        Column("deviation_percent", "number", "its standard deviation over searches, where one is published"),
        Column("n", "integer", "architectures behind it, where that is stated"),
        Column("source", "text", "where the value is quoted from"),
    ),
)
MAY_LACK = ("deviation_percent", "n")


def run(
    settings: dict[str, Any], inputs: dict[str, list[Path]], outputs: dict[str, list[Path]], progress: Progress
) -> None:
    """Reads the inputs `evaluations` and `published`, writes the output `comparison`.

    Raises ValueError, in one sentence that names the file, when the published values are not readable.
    """
    evaluations, published = EVALUATIONS.read(inputs["evaluations"][0]), read_published(inputs["published"][0])
    groups = list(dict.fromkeys(zip(evaluations["space"], evaluations["data_set"], strict=True)))
    rows = [_row(evaluations, published, space, data_set, method) for space, data_set in groups for method in METHODS]
    COMPARISON.write(COMPARISON.frame(rows), outputs["comparison"][0])
    known = sum(row["sources"] != UNCONFIRMED for row in rows)
    progress.say(f"{len(rows)} results of {len(groups)} spaces and data sets, {known} with a published value")


def read_published(path: Path) -> pd.DataFrame:
    """The published values. Raises ValueError, in one sentence, for a wrong column, number, table or double row."""
    try:
        values = PUBLISHED.read(path)
    except (ValueError, TypeError) as error:
        reason = str(error).removeprefix(f"{path}: ")
        raise ValueError(f"{path}: these published values cannot be read ({reason})") from None
    for number, row in enumerate(values.to_dict("records"), start=2):
        needed = [name for name in PUBLISHED.names if name not in MAY_LACK and pd.isna(row[name])]
        if needed:
            raise ValueError(f"{path}, line {number}: {needed[0]} is empty")
        if row["method"] not in METHODS:
            raise ValueError(f"{path}, line {number}: {row['method']} is not a method; known are {', '.join(METHODS)}")
        if row["table"] not in ("A", "B"):
            raise ValueError(f"{path}, line {number}: {row['table']} is not a table; known are A and B")
    keys = ["space", "data_set", "method", "table"]
    double = values[values.duplicated(keys)]
    if len(double):
        raise ValueError(f"{path}, line {double.index[0] + 2}: {', '.join(double[keys].iloc[0])} is there twice")
    return values


def _row(
    evaluations: pd.DataFrame, published: pd.DataFrame, space: str, data_set: str, method: str
) -> dict[str, object]:
    errors = _errors(_of(evaluations, space, data_set, method), method)
    known = _of(published, space, data_set, method)
    table_a, table_b = (known[known["table"] == table] for table in "AB")
    sources = [f"Table {row.table}: {row.source}" for row in known.sort_values("table").itertuples()]
    return {
        "space": space,
        "data_set": data_set,
        "method": method,
        "ours_mean_percent": statistics.mean(errors) if errors else None,
        "ours_deviation_percent": statistics.stdev(errors) if len(errors) > 1 else None,
        "ours_searches": len(errors),
        "published_a_mean_percent": _only(table_a, "mean_test_error_percent"),
        "published_a_deviation_percent": _only(table_a, "deviation_percent"),
        "published_a_searches": _only(table_a, "n"),
        "published_b_percent": _only(table_b, "mean_test_error_percent"),
        "sources": "; ".join(sources) or UNCONFIRMED,
    }


def _of(rows: pd.DataFrame, space: str, data_set: str, method: str) -> pd.DataFrame:
    return rows[(rows["space"] == space) & (rows["data_set"] == data_set) & (rows["method"] == method)]


def _errors(trainings: pd.DataFrame, method: str) -> list[float]:
    """Per search at the setting that is compared, the mean test error of its finished trainings."""
    if method not in SELECTING:
        default = (trainings["l2"] == DEFAULT_L2) & (trainings["drop_path"] == DEFAULT_DROP_PATH)
        trainings = trainings[default]
    finished = trainings.dropna(subset=["test_error_percent"])
    return [float(value) for value in finished.groupby("run")["test_error_percent"].mean()]


def _only(rows: pd.DataFrame, column: str) -> object:
    return rows[column].iloc[0] if len(rows) else None
