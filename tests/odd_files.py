"""Files that a reader could wait for, or that fill its memory."""

import os

KINDS = ("pipe", "endless device", "vast file")


def make_odd(file, kind, most):
    """Make a pipe, a link to a device that never ends, or a file of more than `most` bytes that takes no room."""
    if kind == "pipe":
        os.mkfifo(file)
    elif kind == "endless device":
        file.symlink_to("/dev/zero")
    else:
        with file.open("wb") as content:
            content.truncate(most + 1)
