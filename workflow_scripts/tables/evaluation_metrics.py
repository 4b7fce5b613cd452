"""What a training from scratch is judged by: measured on the test images with the network after the last epoch.

Each entry of `METRICS` is a key of the training's outcome and a column of the table `evaluations`; another metric is
one more entry, and makes the trainings stale.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from workflow_scripts.tables.schema import Column


class Metric(NamedTuple):
    """The column a metric fills, and its value from logits (N, classes) float32 and labels (N,)."""

    column: Column
    value: Callable[[np.ndarray, np.ndarray], float]


def error_percent(logits: np.ndarray, labels: np.ndarray) -> float:
    """The share of images whose largest logit is not that of their class, percent."""
    return 100 * int((logits.argmax(1) != labels).sum()) / len(labels)


METRICS = (Metric(Column("test_error_percent", "number", "at the last epoch"), error_percent),)


def measured(logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """The value of every metric, by the name of its column."""
    return {metric.column.name: metric.value(logits, labels) for metric in METRICS}
