"""Copying single regular files out of a folder that strangers may have made: no link, device or pipe is followed.

What is copied is hashed on the way, so that a file which changes after it was verified is not taken.
"""

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO

CHUNK = 1 << 20
"""Bytes read at a time."""
LEADS_ELSEWHERE = (errno.ELOOP, errno.ENOTDIR, errno.ENXIO)
"""What opening a link, or a folder that is one, fails with; and a socket."""


class CopyError(ValueError):
    """A file that is not copied; its text is one sentence."""


def copy_regular(folder: Path, inside: str, target: Path, sha256: str | None = None) -> int:
    """Copy the regular file at `inside`, a path below `folder`, to the new file `target`; returns its size in bytes.

    `folder` itself may lie behind links; nothing below it may. Raises CopyError where it is not a file, is behind a
    link, has not this sha256, or where `target` is there; and OSError.
    """
    digest, size = hashlib.sha256(), 0
    with _opened(folder, inside) as source:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            copy = target.open("xb")
        except FileExistsError:
            raise CopyError(f"{folder / inside}: another file is copied to the same place") from None
        with copy:
            while chunk := source.read(CHUNK):
                digest.update(chunk)
                size += copy.write(chunk)
    if sha256 is not None and digest.hexdigest() != sha256:
        raise CopyError(f"{folder / inside}: it was changed after it had been verified")
    return size


@contextmanager
def _opened(folder: Path, inside: str) -> Iterator[BinaryIO]:
    """Open step by step, so that no folder on the way can be exchanged for a link meanwhile."""
    *parents, name = PurePosixPath(inside).parts
    here = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for parent in parents:
            inner = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=here)
            os.close(here)
            here = inner
        if not stat.S_ISREG(os.stat(name, dir_fd=here, follow_symlinks=False).st_mode):
            raise CopyError(f"{folder / inside}: it is not a regular file, and only those are copied")
        number = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=here)
    except OSError as error:
        if error.errno in LEADS_ELSEWHERE:
            raise CopyError(f"{folder / inside}: a link is on the way to it, and none is followed") from None
        if isinstance(error, FileNotFoundError):
            raise CopyError(f"{folder / inside}: it is not there any more") from None
        raise
    finally:
        os.close(here)
    with os.fdopen(number, "rb") as file:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            raise CopyError(f"{folder / inside}: it is not a regular file, and only those are copied")
        yield file
