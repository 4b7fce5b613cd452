"""Two ways of doing one thing, timed in turn."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Call = Callable[[], object]
Measure = Callable[[], float]
"""Does something once and returns the seconds that it took."""


@dataclass(frozen=True)
class Work:
    """Something to time: what it is, its sizes, and how it is done once and timed."""

    name: str
    setting: str
    measure: Measure


@dataclass(frozen=True)
class Comparison:
    """Seconds of a call: medians over the rounds, and the ratio of the two in each round."""

    name: str
    setting: str
    ours: float
    baseline: float
    baseline_is: str
    ratios: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """How many times as long the baseline takes, the median of the rounds."""
        return statistics.median(self.ratios)

    def line(self) -> str:
        """A row of the table."""
        spread = f"{self.ratio:.2f} ({min(self.ratios):.2f} to {max(self.ratios):.2f})"
        times = f"{1e3 * self.ours:>11.1f} {1e3 * self.baseline:>11.1f}"
        return f"{self.name:<24} {self.setting:<34} {times}   {spread:<22} {self.baseline_is}"

    def numbers(self) -> dict[str, Any]:
        """The row as JSON holds it."""
        return {
            "name": self.name,
            "setting": self.setting,
            "seconds": self.ours,
            "baseline": self.baseline_is,
            "baseline_seconds": self.baseline,
            "ratios": list(self.ratios),
        }


HEADER = f"{'':<24} {'':<34} {'ours, ms':>11} {'other, ms':>11}   {'other / ours (spread)':<22} other is"


def compare(work: Work, baseline: Measure, baseline_is: str, rounds: int) -> Comparison:
    """Measure both in turn after a first time of each that does not count, which compiles and fills caches."""
    work.measure()
    baseline()
    return in_turn(work, baseline, baseline_is, rounds)


def in_turn(work: Work, baseline: Measure, baseline_is: str, rounds: int) -> Comparison:
    """Measure both in turn."""
    pairs = [(work.measure(), baseline()) for _ in range(rounds)]
    mine, theirs = zip(*pairs, strict=True)
    ratios = tuple(other / own for own, other in pairs)
    return Comparison(work.name, work.setting, statistics.median(mine), statistics.median(theirs), baseline_is, ratios)


def timed(call: Call) -> Measure:
    """Time a call from its start to its end."""

    def measure() -> float:
        start = time.perf_counter()
        call()
        return time.perf_counter() - start

    return measure
