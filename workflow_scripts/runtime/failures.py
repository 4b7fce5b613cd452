"""Why a job failed, in one sentence that says what to do."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TypeGuard

NO_MEMORY = ("can't allocate memory", "out of memory", "bad_alloc")
PLACES = {
    errno.EACCES: "there is no permission for this; change it, then start the workflow again",
    errno.EPERM: "there is no permission for this; change it, then start the workflow again",
    errno.EROFS: "its file system can only be read; make it writable, or put the results on another, then start again",
    errno.ENOTDIR: "there is a file where a folder should be; move it away, then start the workflow again",
    errno.EEXIST: "there is something where a folder should be; move it away, then start the workflow again",
    errno.EISDIR: "there is a folder where a file should be; move it away, then start the workflow again",
}
"""What is wrong with a place that a job reads or writes, by what the system says of it."""


class Stopped(BaseException):
    """A job that was asked to end: SIGINT by a person, SIGTERM by a scheduler. Its text is the signal's name."""


class JobError(Exception):
    """A job that cannot be done; its text is one sentence for the person who started it."""


def sentence(error: BaseException) -> str:
    """What went wrong and what to do about it; of an error that nobody foresaw, its type and text."""
    text = foreseen(error) or (str(error) if isinstance(error, ValueError | OSError) else repr(error))
    return " ".join(text.split())


def foreseen(error: BaseException) -> str | None:
    """What went wrong and what to do about it, where that says all; None of an error whose traceback is of use."""
    if isinstance(error, Stopped):
        return f"it was stopped ({error}); started again, it goes on from its checkpoint where it keeps one"
    if isinstance(error, JobError):
        return str(error)
    if isinstance(error, MemoryError) or any(sign in str(error) for sign in NO_MEMORY):
        return "there is not enough memory; give the job more, or run fewer at once"
    full = next((each for each in _with_causes(error) if _is_full(each)), None)
    if full is not None:
        return f"no space is left for {full.filename or 'its files'}; free some, then start the workflow again"
    if isinstance(error, OSError) and error.errno in PLACES and isinstance(error.filename, str):
        return f"{_place(error.filename)}: {PLACES[error.errno]}"
    return None


def _place(name: str) -> Path:
    """The file that is in the way of a path, where one is, else the path."""
    path = Path(name)
    return next((place for place in (path, *path.parents) if os.path.isfile(place)), path)


def _with_causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and those it came from: torch hides a full disk behind one of its own."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _is_full(error: BaseException) -> TypeGuard[OSError]:
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
