"""Two ways of doing one thing, timed in turn in one process."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Call = Callable[[], object]


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


def compare(name: str, setting: str, ours: Call, baseline: Call, baseline_is: str, rounds: int) -> Comparison:
    """Time both in turn after a call of each that does not count, which compiles and fills caches."""
    ours()
    baseline()
    pairs = [(_seconds(ours), _seconds(baseline)) for _ in range(rounds)]
    mine, theirs = zip(*pairs, strict=True)
    ratios = tuple(other / own for own, other in pairs)
    return Comparison(name, setting, statistics.median(mine), statistics.median(theirs), baseline_is, ratios)


def _seconds(call: Call) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
