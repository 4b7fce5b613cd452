"""Let a process write below one folder only, whatever the record says that its job was taken from.

The last guard of `audit replay` behind the checks of every name in a record: what Python's own functions are asked to
write, move or remove elsewhere is refused before it happens; what a library's compiled code opens itself is not seen.
It guards against what a record makes our own steps do. It is not a sandbox for the code of a stranger: none is run.
"""

import os
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from workflow_scripts.runtime.device_lease import LEASES
from workflow_scripts.runtime.failures import JobError

ROOT = Path(__file__).parents[2]

CHANGES: dict[str, tuple[tuple[int, int | None], ...]] = {
    "os.mkdir": ((0, 2),),
    "os.remove": ((0, 1),),
    "os.rmdir": ((0, 1),),
    "os.truncate": ((0, None),),
    "os.chmod": ((0, 2),),
    "os.chown": ((0, 3),),
    "os.utime": ((0, 3),),
    "os.symlink": ((1, 2),),
    "os.rename": ((0, 2), (1, 3)),
    "os.link": ((0, 2), (1, 3)),
}
"""Python's audit events that change a place: which arguments are places, and which the folder each is seen from."""
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def confine(folder: Path) -> None:
    """From now on refuse, with PermissionError, what this process would change outside `folder`.

    Temporary files are made in it. Caches of compiled code are written as always, next to the modules, and so are the
    locks on GPUs, which other jobs must see; they hold nothing of a record.
    """
    inside = tuple(os.path.realpath(place) for place in (folder, LEASES, os.devnull))
    tempfile.tempdir = str(folder)

    def refuse_elsewhere(event: str, arguments: tuple[Any, ...]) -> None:
        places = CHANGES.get(event, ())
        if event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING:
            places = ((0, None),)
        for place, start in places:
            if isinstance(arguments[place], str | bytes | os.PathLike):  # an open file was looked at when it was opened
                real = _real(arguments[place], -1 if start is None else arguments[start], follow=event == "open")
                if not any(real == each or real.startswith(each + os.sep) for each in inside) and not _is_cache(real):
                    raise PermissionError(f"a job that is run again may not write outside its own folder: {real}")

    sys.addaudithook(refuse_elsewhere)


def require_inside(folder: Path, places: Iterable[Path]) -> None:
    """Raise JobError unless every place is below `folder`, links followed."""
    for place in places:
        if not place.resolve().is_relative_to(folder.resolve()):
            raise JobError(f"a job that is run again may not write outside its own folder: {place}")


def _real(place: str | bytes | os.PathLike[str], start: int, follow: bool) -> str:
    """Where a path leads, from the open folder `start` if it is one; without `follow`, a link at its end is meant."""
    folder = os.readlink(f"/proc/self/fd/{start}") if start >= 0 else os.getcwd()
    path = os.path.join(folder, os.fsdecode(place))
    head, tail = os.path.split(path.rstrip(os.sep))
    return os.path.realpath(path) if follow or tail == ".." else os.path.join(os.path.realpath(head), tail)


def _is_cache(place: str) -> bool:
    return place.startswith(f"{ROOT}{os.sep}") and "__pycache__" in Path(place).parts[len(ROOT.parts) :]
