"""Files that would block a reader or fill its memory, and folders nested deeper than Python's limit of recursion."""

import os
import subprocess
import sys
from contextlib import contextmanager

KINDS = ("pipe", "endless device", "vast file")
DEPTH = sys.getrecursionlimit() + 100


def make_unreadable(file, kind, max_bytes):
    """Make a pipe, a link to a device that never ends, or a file of more than `max_bytes` bytes that takes no space."""
    if kind == "pipe":
        os.mkfifo(file)
    elif kind == "endless device":
        file.symlink_to("/dev/zero")
    else:
        with file.open("wb") as content:
            content.truncate(max_bytes + 1)


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
