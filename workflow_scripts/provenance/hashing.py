"""Hashing many files at once, with a word on how far it is."""

import os
import stat
import sys
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from workflow_scripts.runtime.writable_paths import link_on_the_way
from workflow_scripts.tables.files import sha256_of

REPORT_EVERY_SECONDS = 5.0
MEGABYTE = 1_000_000


def sha256_of_files(paths: Iterable[Path]) -> dict[Path, str | None]:
    """The sha256 of every file's bytes, in hexadecimal; None for a file that is not there or that none may read.

    Hashing runs on all processors, because hashlib lets other threads run. Raises OSError for a file that cannot be
    read otherwise.
    """
    wanted = sorted(set(paths))
    sizes = {path: path.stat().st_size for path in wanted if path.is_file()}
    total, done, reported = sum(sizes.values()), 0, time.monotonic()
    found: dict[Path, str | None] = dict.fromkeys(wanted)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for path, digest in zip(sizes, pool.map(_sha256, sizes), strict=True):
            found[path] = digest
            done += sizes[path]
            if time.monotonic() - reported > REPORT_EVERY_SECONDS:
                reported = time.monotonic()
                print(f"  hashed {done // MEGABYTE} of {total // MEGABYTE} MB", file=sys.stderr, flush=True)
    return found


def _sha256(path: Path) -> str | None:
    with suppress(PermissionError):
        return sha256_of(path)
    return None


def sha256_of_recorded(sizes: Mapping[Path, int], folder: Path) -> dict[Path, str | None]:
    """The sha256 of every regular file that has its recorded size, in bytes; None for all else, which is not read.

    A file that is no longer what it was may claim any size. Below the results folder `folder`, what is a link or lies
    behind one is not read; elsewhere, as among data sets, links are followed. Raises as `sha256_of_files`.
    """
    as_recorded = [path for path in sizes if not behind_link(path, folder) and regular_size(path) == sizes[path]]
    return dict.fromkeys(sizes) | sha256_of_files(as_recorded)


def behind_link(path: Path, folder: Path) -> bool:
    """Whether a path below a folder is a link, or leads through one; False for a path elsewhere."""
    return path.is_relative_to(folder) and link_on_the_way(folder, path) is not None


def regular_size(path: Path, follow: bool = True) -> int | None:
    """The size of a regular file, in bytes; None where there is none. A link counts only with `follow`."""
    with suppress(OSError):
        state = path.stat(follow_symlinks=follow)
        return state.st_size if stat.S_ISREG(state.st_mode) else None
    return None
