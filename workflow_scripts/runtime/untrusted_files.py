"""Reading a results folder that may come from a stranger: regular files of bounded size, and nothing behind a link.

A link may lead outside the folder; opening a named pipe or a device may wait forever; a file may claim any size.
"""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

MOST_BYTES = 64 << 20
"""Of a record, a waiver or a trace; the largest records, of jobs with thousands of inputs, have about a megabyte."""
LINK = "it is a link to elsewhere, not a file"
SPECIAL = "it is not a regular file"


class UnreadableError(ValueError):
    """A file that is not read; its text says why, in a few words."""


@dataclass(frozen=True)
class Found:
    """Something below a path that is not a folder; or a folder that cannot be listed."""

    path: Path
    fault: str | None
    """why it is not read, in a few words; None for a regular file"""


def found_below(folder: Path) -> Iterator[Found]:
    """Everything below a folder but the folders themselves, sorted; nothing where there is no folder.

    No link is followed, and where `folder` is a link, it is what is found. What vanishes meanwhile is left out.
    """
    waiting = [folder]
    while waiting:
        place = waiting.pop()
        try:
            kind = place.lstat().st_mode
            if stat.S_ISDIR(kind):
                waiting += sorted(place.iterdir(), reverse=True)
                continue
        except FileNotFoundError:
            continue
        except OSError as error:
            yield Found(place, f"it cannot be read ({error.strerror})")
            continue
        yield Found(place, None if stat.S_ISREG(kind) else LINK if stat.S_ISLNK(kind) else SPECIAL)


def files_below(folder: Path) -> list[Path]:
    """The files below a folder, sorted; links to files are among them. The folder itself may be a link to one.

    Raises UnreadableError for a folder that cannot be listed.
    """
    files = []
    for found in (each for part in sorted(folder.iterdir()) for each in found_below(part)):
        if found.fault not in (None, LINK, SPECIAL):
            raise UnreadableError(f"{found.path}: {found.fault}")
        if found.path.is_file():
            files.append(found.path)
    return files


def read_regular(path: Path, most: int = MOST_BYTES) -> bytes:
    """The bytes of a regular file.

    Raises FileNotFoundError, and UnreadableError for anything else than a regular file of at most `most` bytes that
    can be read.
    """
    with _opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise UnreadableError(f"it has {size} bytes, more than any file of its kind")
        return file.read(most)


def end_of_regular(path: Path, count: int) -> bytes:
    """The last `count` bytes of a regular file, or all where it has fewer. Raises as `read_regular`."""
    with _opened(path) as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - count))
        return file.read(count)


def _opened(path: Path) -> BinaryIO:
    try:
        # Without O_NONBLOCK the opening of a pipe waits for whoever writes into it.
        number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UnreadableError(LINK if path.is_symlink() else f"it cannot be read ({error.strerror})") from None
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise UnreadableError(SPECIAL)
    return open(number, "rb")
