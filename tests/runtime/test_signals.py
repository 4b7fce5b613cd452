"""What happens to a job that is asked to end while a compiled function runs."""

import os
import signal
import subprocess
from types import FunctionType

import numpy as np
import pytest
from numba import njit

from workflow_scripts.runtime import signals
from workflow_scripts.runtime.failures import Stopped


@njit
def busy(values: np.ndarray, rounds: int) -> tuple[float, np.ndarray]:
    """A result that numba makes in Python, after its machine code."""
    total = 0.0
    for number in range(rounds):
        total += np.sin(values[number % len(values)] + total)
    return total, values


@pytest.fixture
def handlers():
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("moment", range(3))
@pytest.mark.usefixtures("handlers")
def test_a_compiled_function_that_is_interrupted_ends_before_the_job_is_stopped(moment):
    values = np.ones(3)
    busy(values, 10)
    signals.raise_on_signals()
    with (
        subprocess.Popen(["sh", "-c", f"sleep 0.{moment + 1}; kill -TERM {os.getpid()}"]),
        pytest.raises(Stopped) as stop,
    ):
        while True:
            busy(values, 3_000_000)
    assert str(stop.value) == "SIGTERM"
    assert stop.value.__cause__ is None
    assert stop.value.__context__ is None


@pytest.mark.usefixtures("handlers")
def test_a_job_that_waits_for_what_another_compiles_is_stopped_at_once():
    """Our code, which numba calls to compile."""
    returned = []

    def compile_after(wait):
        wait()
        returned.append(True)

    of_numba = FunctionType(
        compile_after.__code__, {"__name__": "numba.core.dispatcher"}, closure=compile_after.__closure__
    )
    signals.raise_on_signals()
    with pytest.raises(Stopped):
        of_numba(lambda: os.kill(os.getpid(), signal.SIGTERM))
    assert returned == []
