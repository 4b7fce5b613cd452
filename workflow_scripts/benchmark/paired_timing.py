"""Two ways of doing one thing, measured in turn."""

import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

CLOCK, PROCESSOR, PEAK = "clock s", "processor s", "peak MiB"
"""Quantities: seconds of the clock, seconds of all processors together, resident memory."""

Call = Callable[[], object]
Spent = dict[str, float]
"""What doing something once took, by quantity."""
Measure = Callable[[], Spent]
"""Does something once."""


@dataclass(frozen=True)
class Work:
    """Something to measure: what it is, its sizes, how it is done once, and the quantities to compare."""

    name: str
    setting: str
    measure: Measure
    compared: tuple[str, ...] = (PROCESSOR,)


@dataclass(frozen=True)
class Comparison:
    """One quantity: medians over the rounds, the ratio of the two in each round, and the load average at the end."""

    name: str
    setting: str
    quantity: str
    ours: float
    baseline: float
    baseline_is: str
    ratios: tuple[float, ...]
    load: float

    @property
    def ratio(self) -> float:
        """How many times as much the baseline takes, the median of the rounds."""
        return statistics.median(self.ratios)

    def line(self) -> str:
        """A row of the table."""
        spread = f"{self.ratio:.2f} ({min(self.ratios):.2f} to {max(self.ratios):.2f})"
        values = f"{self.quantity:<12} {self.ours:>9.4g} {self.baseline:>9.4g}"
        counts = f"{len(self.ratios):>6} {self.load:>5.2f}"
        return f"{self.name:<26} {self.setting:<40} {values}   {spread:<22} {counts}  {self.baseline_is}"

    def numbers(self) -> dict[str, Any]:
        """The row as JSON holds it."""
        return {
            "name": self.name,
            "setting": self.setting,
            "quantity": self.quantity,
            "ours": self.ours,
            "baseline": self.baseline_is,
            "baseline_value": self.baseline,
            "ratios": list(self.ratios),
            "load_average": self.load,
        }


HEADER = (
    f"{'':<26} {'':<40} {'':<12} {'ours':>9} {'other':>9}   {'other / ours (spread)':<22} {'rounds':>6} {'load':>5}  "
    "other is"
)


def compare(work: Work, baseline: Measure, baseline_is: str, rounds: int) -> Comparison:
    """Seconds of the clock, in turn after a first time of each that does not count, which compiles and fills caches."""
    work.measure()
    baseline()
    return _comparison(work, CLOCK, in_turn(work.measure, baseline, rounds), baseline_is)


def in_turn(ours: Measure, baseline: Measure, rounds: int) -> list[tuple[Spent, Spent]]:
    """Both, round by round."""
    return [(ours(), baseline()) for _ in range(rounds)]


def comparisons(work: Work, spent: Sequence[tuple[Spent, Spent]], baseline_is: str) -> Iterator[Comparison]:
    """A row for each quantity that the work compares."""
    for quantity in work.compared:
        yield _comparison(work, quantity, spent, baseline_is)


def _comparison(work: Work, quantity: str, spent: Sequence[tuple[Spent, Spent]], baseline_is: str) -> Comparison:
    pairs = [(ours[quantity], other[quantity]) for ours, other in spent]
    mine, theirs = zip(*pairs, strict=True)
    return Comparison(
        work.name,
        work.setting,
        quantity,
        statistics.median(mine),
        statistics.median(theirs),
        baseline_is,
        tuple(other / own for own, other in pairs),
        os.getloadavg()[0],
    )


def timed(call: Call, times: int = 1) -> Measure:
    """Time a call in this process, from its start to its end; where it is short, the mean of several times."""

    def measure() -> Spent:
        clock, processor = time.perf_counter(), time.process_time()
        for _ in range(times):
            call()
        seconds = {CLOCK: time.perf_counter() - clock, PROCESSOR: time.process_time() - processor}
        return {quantity: each / times for quantity, each in seconds.items()}

    return measure
