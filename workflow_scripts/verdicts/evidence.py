"""What a claim rests on: numbers of independent runs, their effect, and the interval that chance leaves it.

The interval of a mean or of a rank correlation is the smallest that holds two: the percentile bootstrap's, and the
textbook one (Student's for a mean, Fisher's for a correlation). With the three or four seeds of a study the bootstrap's
alone is too narrow, because it never leaves the values that were seen. That of a share is Clopper and Pearson's.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

Kind = Literal["mean", "share", "rank correlation"]
FEWEST = {"mean": 3, "share": 1, "rank correlation": 4}
"""Values below which no interval is given."""
CONFIDENCE = 0.95
"""Of all intervals of a claim in a study together: each of k has the confidence 1 - 0.05 / k (Bonferroni)."""
RESAMPLES = 9999


@dataclass(frozen=True)
class Evidence:
    """One comparison. The claim says that its effect lies between `least` and `most`, the ends included.

    `values` has a number for each independent unit, which `each` names: of a mean a difference or a level, of a share 1
    or 0; of a rank correlation a pair of numbers. `step` is how far apart values are at least, 1 for counts: they vary
    at least as much as rounding to such steps makes them (a standard deviation of step / sqrt(12)), also where the few
    that were seen are equal.
    """

    what: str
    each: str
    kind: Kind
    values: tuple[float, ...] | tuple[tuple[float, float], ...]
    least: float | None = None
    most: float | None = None
    step: float = 0.0

    @property
    def n(self) -> int:
        """How many independent units there are."""
        return len(self.values)


def mean(
    what: str,
    each: str,
    values: Iterable[float],
    least: float | None = None,
    most: float | None = None,
    step: float = 0.0,
) -> Evidence:
    """Evidence that is the mean of independent numbers, most often of differences within pairs."""
    return Evidence(what, each, "mean", tuple(float(value) for value in values), least, most, step)


def more_than_half(what: str, each: str, values: Iterable[bool]) -> Evidence:
    """Evidence that is a share of independent cases, claimed to be more than a half."""
    return Evidence(what, each, "share", tuple(float(value) for value in values), 0.5)


def goes_with(what: str, each: str, x: Iterable[float], y: Iterable[float]) -> Evidence:
    """Evidence that is Spearman's rank correlation of two quantities of the same units, claimed to be positive."""
    pairs = tuple((float(one), float(other)) for one, other in zip(x, y, strict=True))
    return Evidence(what, each, "rank correlation", pairs, 0.0)


def effect(evidence: Evidence) -> float | None:
    """The mean, the share or the correlation; None without values, and for a correlation of what does not vary."""
    values = np.array(evidence.values)
    if not len(values):
        return None
    if evidence.kind != "rank correlation":
        return float(values.mean())
    return float(_rank_correlation(*values.T)) if len(values) > 1 and _varies(values) else None


def interval(evidence: Evidence, confidence: float) -> tuple[float, float] | None:
    """The interval of the effect at a confidence, such as 0.95; None where there are too few values, or equal ones."""
    values = np.array(evidence.values)
    if len(values) < FEWEST[evidence.kind]:
        return None
    if evidence.kind == "share":
        low, high = stats.binomtest(int(values.sum()), len(values)).proportion_ci(confidence, "exact")
        return float(low), float(high)
    if evidence.kind == "mean":
        deviation = max(values.std(ddof=1), evidence.step / np.sqrt(12))
        if not deviation:
            return None
        reach = stats.t.ppf((1 + confidence) / 2, len(values) - 1) * deviation / np.sqrt(len(values))
        textbook = values.mean() - reach, values.mean() + reach
        return _both(textbook, _bootstrapped((values,), np.mean, confidence))
    if not _varies(values):
        return None
    return _both(
        _fisher(float(_rank_correlation(*values.T)), len(values), confidence),
        _bootstrapped(tuple(values.T), _rank_correlation, confidence),
    )


def _fisher(rho: float, n: int, confidence: float) -> tuple[float, float]:
    """Fisher's interval of a rank correlation.

    One of 1 or -1, which would have no width, counts as the nearest that n units can have, two neighbours exchanged:
    perfect order of four units comes by chance once in twenty-four times.
    """
    most = 1 - 12 / (n * (n**2 - 1))
    reach = stats.norm.ppf((1 + confidence) / 2) / np.sqrt(n - 3)
    middle = np.arctanh(min(max(rho, -most), most))
    return float(np.tanh(middle - reach)), float(np.tanh(middle + reach))


def _varies(values: np.ndarray) -> bool:
    """Whether every column of the values has more than one of them."""
    return bool(np.all(np.ptp(values, axis=0) > 0))


def _rank_correlation(x: np.ndarray, y: np.ndarray, axis: int = -1) -> np.ndarray:
    """Spearman's correlation along the last axis; 0 where a resample holds one value only."""
    one, other = (stats.rankdata(values, axis=-1) for values in (x, y))
    one, other = (ranks - ranks.mean(-1, keepdims=True) for ranks in (one, other))
    scale = np.sqrt((one**2).sum(-1) * (other**2).sum(-1))
    return (one * other).sum(-1) / np.where(scale > 0, scale, 1)


def _bootstrapped(samples: tuple[np.ndarray, ...], statistic: object, confidence: float) -> tuple[float, float]:
    """The percentile bootstrap interval."""
    found = stats.bootstrap(
        samples,
        statistic,
        confidence_level=confidence,
        n_resamples=RESAMPLES,
        vectorized=True,
        paired=True,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return found.low, found.high


def _both(one: tuple[float, ...], other: tuple[float, ...]) -> tuple[float, float]:
    """The smallest interval that holds two."""
    return float(min(one[0], other[0])), float(max(one[1], other[1]))
