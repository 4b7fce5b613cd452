"""How the report writes numbers and names: rounded for reading, a dash where there is none."""

import statistics
from typing import Any

import pandas as pd

from workflow_scripts.tables.display_names import data_set_name

DASH = "–"


def cell(value: Any) -> str:
    """A value of a table: numbers to four digits."""
    if value is pd.NA or value is None:
        return DASH
    return number(value) if isinstance(value, float) else str(value)


def number(value: Any) -> str:
    """A number to four significant digits."""
    return f"{float(value):.4g}"


def group(space: Any, data_set: Any) -> list[str]:
    """A search space and a data set as the papers write them."""
    return [str(space).upper(), data_set_name(str(data_set))]


def mean_and_std(mean: Any, std: Any, absent: str) -> str:
    """`4.66 ± 0.71`, `4.66` without a standard deviation, or the words for an absent mean."""
    if pd.isna(mean):
        return absent
    return f"{mean:.2f}" if pd.isna(std) else f"{mean:.2f} ± {std:.2f}"


def mean_count(values: list[int]) -> str:
    """The mean of counts to one digit, none where it is whole."""
    return f"{sum(values) / len(values):.1f}".removesuffix(".0") if values else DASH


def spread(column: pd.Series, digits: int) -> str:
    """`20.1 ± 0.3`; without the standard deviation where all values are the same, a dash where there is none."""
    present = [float(value) for value in column.dropna()]
    if not present:
        return DASH
    if len(set(present)) == 1:
        return f"{present[0]:.{digits}f}"
    return f"{statistics.mean(present):.{digits}f} ± {statistics.stdev(present):.{digits}f}"


def finished(rows: pd.DataFrame) -> str:
    """`6`, or `6 (2 diverged)`."""
    diverged = int((rows["outcome"] == "diverged").sum())
    return f"{len(rows)} ({diverged} diverged)" if diverged else str(len(rows))


def span(counts: pd.Series) -> str:
    """`3`, or `1 to 3`."""
    low, high = int(counts.min()), int(counts.max())
    return str(low) if low == high else f"{low} to {high}"
