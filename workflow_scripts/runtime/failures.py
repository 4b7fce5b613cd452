"""Why a job failed, in one sentence that says what to do."""

import errno
from collections.abc import Iterator
from typing import TypeGuard

NO_MEMORY = ("can't allocate memory", "out of memory", "bad_alloc")


class Stopped(BaseException):
    """A job that was asked to end (SIGTERM), by a person or by a scheduler whose time limit is near."""


def sentence(error: BaseException) -> str:
    """What went wrong and what to do about it; of an error that nobody foresaw, its type and text."""
    if isinstance(error, Stopped):
        return "it was stopped (SIGTERM); started again, it goes on from its checkpoint where it keeps one"
    if isinstance(error, MemoryError) or any(told in str(error) for told in NO_MEMORY):
        return "there is not enough memory; give the job more, or run fewer at once"
    full = next((each for each in _with_causes(error) if _is_full(each)), None)
    if full is not None:
        return f"no space is left for {full.filename or 'its files'}; free some, then start the workflow again"
    if isinstance(error, PermissionError):
        return f"{error.filename}: there is no permission for this; change it, then start the workflow again"
    told = str(error) if isinstance(error, ValueError | OSError | JobError) else repr(error)
    return " ".join(told.split())


def _with_causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and those it came from: torch hides a full disk behind one of its own."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _is_full(error: BaseException) -> TypeGuard[OSError]:
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


class JobError(Exception):
    """A job that cannot be done; its text is one sentence for the person who started it."""
