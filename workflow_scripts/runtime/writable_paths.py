"""Whether a job's files can be put into place, asked before it computes.

Outputs are made in a scratch folder and put into place by one rename, which no system does across file systems; and a
link inside a results folder leads out of what the audit reads.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from workflow_scripts.runtime.failures import JobError


def check_places(root: Path, files: Iterable[Path]) -> None:
    """Raise JobError, in one sentence, for a link below `root` on the way to any of the files, or another file system.

    `files` may be folders, too. The results folder itself, and what is above it, may be links.
    """
    for place in files:
        if not place.is_relative_to(root):
            continue
        for part in _below(root, place):
            if part.is_symlink():
                raise JobError(
                    f"{part}: a link inside a results folder; put what it leads to in its place, or make {root} itself "
                    "the link, then start the workflow again"
                )
            if part.is_dir() and _device(part) != _device(root):
                raise JobError(
                    f"{part}: another file system than that of {root}, to which finished results cannot be moved; put "
                    f"all of {root} on one, then start the workflow again"
                )


def link_on_the_way(root: Path, place: Path) -> Path | None:
    """The first link below `root` on the way to a place, itself included; None where there is none."""
    return next((part for part in _below(root, place) if part.is_symlink()), None)


def _below(root: Path, place: Path) -> list[Path]:
    """The folders from `root`, without it, to a place below it, and the place."""
    return [*reversed([above for above in place.parents if above.is_relative_to(root) and above != root]), place]


def _device(folder: Path) -> int:
    return os.stat(folder).st_dev
