"""Hashing many files at once, with a word on how far it is."""

import os
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from workflow_scripts.tables.files import sha256_of

TOLD_EVERY_SECONDS = 5.0
MEGABYTE = 1_000_000


def sha256_of_files(paths: Iterable[Path]) -> dict[Path, str | None]:
    """The sha256 of every file's bytes, in hexadecimal; None for a file that is not there.

    Hashing runs on all processors, because hashlib lets other threads run. Raises OSError for a file that cannot be
    read.
    """
    wanted = sorted(set(paths))
    sizes = {path: path.stat().st_size for path in wanted if path.is_file()}
    total, done, told = sum(sizes.values()), 0, time.monotonic()
    found: dict[Path, str | None] = dict.fromkeys(wanted)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for path, digest in zip(sizes, pool.map(sha256_of, sizes), strict=True):
            found[path] = digest
            done += sizes[path]
            if time.monotonic() - told > TOLD_EVERY_SECONDS:
                told = time.monotonic()
                print(f"  hashed {done // MEGABYTE} of {total // MEGABYTE} MB", file=sys.stderr, flush=True)
    return found
