"""Peak memory of a search's steps, each implementation in a process of its own."""

import resource
import subprocess
import sys

from workflow_scripts.benchmark.cell_search import Pair

STEPS = 2
MIB = 1024  # KiB, in which Linux counts the peak


def peaks(space: str, size: tuple[int, int, int]) -> dict[str, float]:
    """Peak resident memory in MiB of second-order steps, ours and the plain reference's, and of loading both."""
    found = {}
    for who in ("nobody", "ours", "reference"):
        command = [sys.executable, "-m", __name__, who, space, *map(str, size)]
        found[who] = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return {"ours_mib": found["ours"], "reference_mib": found["reference"], "loaded_mib": found["nobody"]}


def main() -> None:
    """Run a few steps of one implementation, or none, and print the peak."""
    who, space, *size = sys.argv[1:]
    channels, cells, side = map(int, size)
    pair = Pair(space, (channels, cells, side))
    for _ in range(STEPS):
        if who == "ours":
            pair.our_step(2)
        elif who == "reference":
            pair.their_step(2)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MIB)


if __name__ == "__main__":
    main()
