"""Peak memory of a search's steps of second order, each implementation in a process of its own."""

import resource
import subprocess
import sys

from workflow_scripts.benchmark.cell_search import PAPER, Pair, Size
from workflow_scripts.benchmark.paired_timing import PEAK, Spent, Work

STEPS = 2
MIB = 1024  # KiB, in which Linux counts the peak


def memory_work() -> Work:
    """Our steps at paper size, whose peak is that of the process so far: it can be measured once in a process."""
    pair = Pair("s2", PAPER)

    def steps() -> Spent:
        for _ in range(STEPS):
            pair.our_step(2)
        return {PEAK: _peak_mib()}

    return Work("memory, second order", pair.setting, steps, compared=(PEAK,))


def peaks(space: str, size: Size) -> dict[str, float]:
    """Peak resident memory in MiB of second-order steps, ours and the plain reference's, and of loading both."""
    found = {}
    for who in ("nobody", "ours", "reference"):
        command = [sys.executable, "-m", __name__, who, space, *map(str, size)]
        found[who] = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return {"ours_mib": found["ours"], "reference_mib": found["reference"], "loaded_mib": found["nobody"]}


def main() -> None:
    """Run a few steps of one implementation, or none, and print the peak."""
    who, space, *size = sys.argv[1:]
    pair = Pair(space, Size(*map(int, size)))
    for _ in range(STEPS):
        if who == "ours":
            pair.our_step(2)
        elif who == "reference":
            pair.their_step(2)
    print(_peak_mib())


def _peak_mib() -> float:
    """Resident memory of this process at its peak."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MIB


if __name__ == "__main__":
    main()
