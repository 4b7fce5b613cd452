"""How long it takes to verify a results folder, against sha256sum on the same files."""

import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from workflow_scripts.benchmark.paired_timing import Comparison, Work, compare, timed
from workflow_scripts.provenance.hashing import sha256_of_files
from workflow_scripts.provenance.ledger import Ledger, read_ledger
from workflow_scripts.provenance.verify import verify
from workflow_scripts.rehearsal.made_up_results import make_results

SEARCHES, BYTES = 740, 1_000_000_000
"""1497 jobs and 1 GB."""


def verification(
    rounds: int, searches: int = SEARCHES, total_bytes: int = BYTES
) -> Iterator[Comparison | tuple[str, dict[str, Any]]]:
    """Hashing alone against sha256sum, and what verification takes besides hashing."""
    with tempfile.TemporaryDirectory() as base:
        folder = make_results(Path(base), searches, total_bytes)
        ledger = read_ledger(folder)
        files = _files(ledger)
        setting = f"{len(ledger.jobs)} jobs, {total_bytes / 1e9:g} GB"
        hashing = Work("hashing, all processors", setting, timed(lambda: sha256_of_files(files)))
        yield compare(hashing, timed(lambda: _sha256sum(files)), "sha256sum", rounds)
        besides = [_besides(folder, files) for _ in range(rounds)]
        seconds = {"median_seconds": statistics.median(besides), "seconds": besides}
        yield "verify, besides hashing", {"setting": setting, **seconds}


def _files(ledger: Ledger) -> list[Path]:
    places = {ledger.location(output.path) for entry in ledger.entries() for output in entry.record.outputs}
    return sorted(place for place in places if place is not None)


def _sha256sum(files: list[Path]) -> None:
    names = "\0".join(map(str, files)).encode()
    subprocess.run(["xargs", "-0", "sha256sum"], input=names, stdout=subprocess.DEVNULL, check=True)


def _besides(folder: Path, files: list[Path]) -> float:
    start = time.perf_counter()
    verify(read_ledger(folder), None)
    whole = time.perf_counter() - start
    start = time.perf_counter()
    sha256_of_files(files)
    return whole - (time.perf_counter() - start)
