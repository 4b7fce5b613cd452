#!/usr/bin/env bash
# numba 0.68.1: a signal handler raises an exception while a compiled function runs that returns a tuple. Expected: it
# arrives as from any other function. The handler runs in Python that the machine code calls to make its result, and the
# machine code goes on. Seen: a SystemError, whose cause is the exception.
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh" numba==0.68.1 numpy==2.4.6
cat >interrupted.py <<'PY'
import signal

import numba
import numpy as np


class Interrupted(BaseException):
    pass


def interrupt(number, frame):
    raise Interrupted


@numba.njit
def sums(values, rounds):
    total = np.zeros_like(values)
    for _ in range(rounds):
        total += np.sin(values + total)
    return total.sum(), total


values = np.ones(8)
sums(values, 1)
signal.signal(signal.SIGALRM, interrupt)
signal.setitimer(signal.ITIMER_REAL, 0.5)
try:
    while True:
        sums(values, 2_000_000)
except BaseException as error:
    print(type(error).__name__, "because of", type(error.__cause__).__name__)
PY
expect "raised" "$(python interrupted.py)" "SystemError because of Interrupted"
