"""The load on the machine where Snakemake runs: of Snakemake with what it starts there, and of the machine."""

import json
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

FILE = "logs/head_node.log"
"""In the results folder, where the audit expects what no record vouches for: one line of JSON for every run."""
MEGABYTE = 1e6


@dataclass(frozen=True)
class Load:
    """The load of one run, or the largest of several."""

    seconds: float
    """how long the run took"""
    processor_seconds: float
    """computed by Snakemake with what it started on this machine"""
    largest_share: float
    """of one processor, between two looks"""
    largest_memory_mb: float
    """of all these processes together"""
    largest_load: float
    """the machine's load average over a minute, whoever caused it"""
    processors: int
    """of the machine"""


class Watch:
    """Looks at a process and all below it from time to time."""

    def __init__(self, process: int) -> None:
        """Watch the process with this number."""
        self.root = psutil.Process(process)
        self.begun = self.last = time.monotonic()
        self.computed = self.share = self.memory = self.load = 0.0

    def look(self) -> None:
        """Take note of the load now."""
        processes = [self.root]
        with suppress(psutil.Error):
            processes += self.root.children(recursive=True)
        computed, memory = map(sum, zip(*map(_used, processes), strict=True))
        now = time.monotonic()
        # A process that was between its end and its parent's notice is counted nowhere for a moment.
        if now > self.last and computed > self.computed:
            self.share = max(self.share, (computed - self.computed) / (now - self.last))
            self.computed = computed
        self.last = now
        self.memory = max(self.memory, memory)
        self.load = max(self.load, os.getloadavg()[0])

    def load_so_far(self) -> Load:
        """The load so far."""
        return Load(
            seconds=round(self.last - self.begun, 1),
            processor_seconds=round(self.computed, 1),
            largest_share=round(self.share, 3),
            largest_memory_mb=round(self.memory / MEGABYTE, 1),
            largest_load=round(self.load, 2),
            processors=os.cpu_count() or 1,
        )


def _used(process: psutil.Process) -> tuple[float, int]:
    """Seconds that a process has computed, with its children that ended, and its memory in bytes."""
    try:
        times = process.cpu_times()
        seconds = times.user + times.system + times.children_user + times.children_system
        return seconds, process.memory_info().rss
    except psutil.Error:  # it has ended
        return 0.0, 0


def keep(load: Load, root: Path) -> None:
    """Add the load of a run to the results folder."""
    file = root / FILE
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as lines:
        lines.write(json.dumps(asdict(load), sort_keys=True) + "\n")


def kept(root: Path) -> list[Load]:
    """The load of every run of a results folder; any other line is passed over."""
    try:
        return list(_loads((root / FILE).read_text().splitlines()))
    except OSError:
        return []


def _loads(lines: Iterable[str]) -> Iterator[Load]:
    for line in lines:
        with suppress(ValueError, TypeError):
            yield Load(**json.loads(line))
