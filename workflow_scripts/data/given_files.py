"""Reading a data set opens the files it was given, and no others.

A file that no record names would decide a result unseen. What Python itself opens to read is looked at; what the
compiled code of a library opens is not, nor what is written, such as bytecode. It finds a mistake, such as a path of
one machine; it is no sandbox.
"""

import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
_LIBRARIES = {sys.prefix, sys.base_prefix, *(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib"))}
OF_PYTHON = tuple(os.path.realpath(place) for place in _LIBRARIES)
"""Folders of Python and its packages, with what data they bring."""
OF_SYSTEM = ("/proc", "/sys", "/dev", "/etc", "/usr/lib", "/usr/share/zoneinfo", "/lib")
"""Where libraries look at the machine."""

_watched: list["_Watch"] = []
"""The one under way, if any. An audit hook can never be removed, so there is one, which looks here."""
_hooked: list[bool] = []


class _Watch:
    """What may be opened, and the first file that was refused."""

    def __init__(self, given: Iterable[Path]) -> None:
        self.given = {os.path.realpath(path) for path in given}
        self.refused: str | None = None

    def allows(self, place: str) -> bool:
        code = (os.path.realpath(sys.pycache_prefix),) if sys.pycache_prefix else ()
        if place in self.given or (_is_below(place, (str(ROOT), *code)) and place.endswith((".py", ".pyc"))):
            return True
        return _is_below(place, (*OF_PYTHON, *OF_SYSTEM))


def _is_below(place: str, folders: Iterable[str]) -> bool:
    return any(place == each or place.startswith(each + os.sep) for each in folders)


@contextmanager
def only_given_files(reader: str, given: Iterable[Path]) -> Iterator[None]:
    """Within it, a file that is not among those given cannot be opened to read.

    Raises ValueError, in one sentence that names the `reader` and the file, at the end also where the reader went on.
    """
    if not _hooked:
        sys.addaudithook(_look)
        _hooked.append(True)
    watch = _Watch(given)
    _watched.append(watch)
    try:
        yield
    except Exception:
        _tell(reader, watch)
        raise
    finally:
        _watched.remove(watch)
    _tell(reader, watch)


def _tell(reader: str, watch: _Watch) -> None:
    if watch.refused is not None:
        remedy = "state it among the files of its DATA_SET, and read what `files` holds"
        raise ValueError(f"{reader}: its function read opened {watch.refused}, which it was not given; {remedy}")


def _look(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "open" or not _watched or not isinstance(arguments[0], str | bytes | os.PathLike):
        return
    flags = arguments[2]
    if isinstance(flags, int) and flags & os.O_ACCMODE == os.O_WRONLY:
        return
    watch = _watched[-1]
    place = os.path.realpath(os.fsdecode(arguments[0]))
    if not watch.allows(place):
        watch.refused = watch.refused or place
        raise PermissionError(f"a data set may read only the files it is given, not {place}")
