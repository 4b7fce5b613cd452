"""Early stopping on the dominant eigenvalue: a pure function of a search's history (DARTS-ES).

RobustDARTS, section 5.1, in the form of the public code, which averages a window around each measurement.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from workflow_scripts.study.cell_settings import StopRule


@dataclass(frozen=True)
class Average:
    """A moving average, the epoch it belongs to, and the epoch at whose end it is known."""

    epoch: int
    known_at: int
    value: float


def moving_averages(epochs: Sequence[int], values: Sequence[float], window: int) -> list[Average]:
    """Means of the last `window` values, fewer while fewer exist, from value window // 2 + 1 on.

    An average belongs to the epoch window // 2 measurements before the latest one in it.
    """
    half = window // 2
    averages = []
    for latest in range(half, len(values)):
        recent = values[max(0, latest - window + 1) : latest + 1]
        averages.append(Average(epochs[latest - half], epochs[latest], sum(recent) / len(recent)))
    return averages


def latest_stop(epochs: Sequence[int], values: Sequence[float], rule: StopRule) -> int | None:
    """The stop epoch if the rule fires at the latest measurement: this is the rule.

    It fires when an average exceeds `factor` times the one `delta` measurements before; that earlier average's epoch
    is the stop epoch and must be at least `start`.
    """
    averages = moving_averages(epochs, values, rule.window)
    if len(averages) <= rule.delta:
        return None
    earlier, now = averages[-1 - rule.delta], averages[-1]
    fires = earlier.epoch >= rule.start and now.value > rule.factor * earlier.value
    return earlier.epoch if fires else None


def reach(rule: StopRule) -> int:
    """How many measurements before the latest one the stop epoch lies; DARTS-ADA keeps no epoch before that."""
    return rule.window // 2 + rule.delta


def stop_epoch(epochs: Sequence[int], values: Sequence[float], rule: StopRule, last_epoch: int) -> int | None:
    """The epoch whose genotype DARTS-ES takes, or None when the rule never fires.

    The measurement of the search's last epoch is not checked.
    """
    for count, epoch in enumerate(epochs, start=1):
        stop = latest_stop(epochs[:count], values[:count], rule) if epoch < last_epoch else None
        if stop is not None:
            return stop
    return None
