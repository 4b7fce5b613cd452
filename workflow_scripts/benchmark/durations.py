"""How much longer one computation takes than another, on a machine that others use, too."""

import statistics
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

LONG_SECONDS = 0.5
"""Of a measured run, from which once is enough."""
ATTEMPTS = 3
"""To measure a difference, which comes out negative where what is measured is less than the noise."""


class NotMeasured(Exception):
    """A duration that is lost in noise; its text is one sentence, without what was measured."""


def seconds_of_one_more(run: Callable[[int], None], counts: tuple[int, int], device: "torch.device") -> float:
    """Seconds that one more costs in `run(count)`, from runs with few and with many.

    Each attempt after the first runs with four times as many. Raises NotMeasured where no attempt gives a duration.
    """
    few, many = counts
    run(few)  # compiles and fills caches

    def measure(attempt: int) -> float:
        more = (many - few) * 4**attempt
        return _difference(lambda: run(few + more), lambda: run(few), device) / more

    return _duration(measure)


def seconds_added(more: Callable[[], None], less: Callable[[], None], device: "torch.device") -> float:
    """Seconds that one call takes longer than another. Raises NotMeasured where no attempt gives a duration."""
    more()  # compiles and fills caches
    return _duration(lambda _: _difference(more, less, device))


def _duration(measure: Callable[[int], float]) -> float:
    for attempt in range(ATTEMPTS):
        seconds = measure(attempt)
        if seconds > 0:
            return seconds
    raise NotMeasured("could not be measured, because the machine is too busy; try again when it is less busy")


def _difference(more: Callable[[], None], less: Callable[[], None], device: "torch.device") -> float:
    """The median of three differences, where the calls are short."""
    first = _seconds(less, device)
    seconds = [_seconds(more, device) - first]
    if first < LONG_SECONDS:
        seconds += [_seconds(more, device) - _seconds(less, device) for _ in range(2)]
    return statistics.median(seconds)


def _seconds(call: Callable[[], None], device: "torch.device") -> float:
    """Of the processor, where waiting for one's turn does not count; of the clock, where a GPU computes."""
    if device.type == "cpu":
        start = time.process_time()
        call()
        return time.process_time() - start
    import torch

    torch.cuda.synchronize(device)
    start = time.perf_counter()
    call()
    torch.cuda.synchronize(device)
    return time.perf_counter() - start
