"""Files that a reader could wait for, or that fill its memory, and folders deeper than Python's recursion goes."""

import os
import subprocess
import sys
from contextlib import contextmanager

KINDS = ("pipe", "endless device", "vast file")
DEPTH = sys.getrecursionlimit() + 100


def make_odd(file, kind, most):
    """Make a pipe, a link to a device that never ends, or a file of more than `most` bytes that takes no room."""
    if kind == "pipe":
        os.mkfifo(file)
    elif kind == "endless device":
        file.symlink_to("/dev/zero")
    else:
        with file.open("wb") as content:
            content.truncate(most + 1)


@contextmanager
def deep_file(folder):
    """A file `DEPTH` folders below a new one, whose parent is removed at the end, which shutil and pytest cannot do."""
    place = folder
    place.mkdir()
    for _ in range(DEPTH):
        place = place / "d"
        place.mkdir()
    (place / "end").write_text("at the end")
    yield place / "end"
    subprocess.run(["rm", "-rf", folder.parent], check=True)
