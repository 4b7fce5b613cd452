"""Cancelling the jobs that Snakemake leaves running when it ends early.

Snakemake 9.27 cancels, on Ctrl-C, the jobs that it is not asking about at that moment; the others would run on.
"""

import subprocess
import sys
from collections.abc import Collection, Sequence
from typing import Any

from workflow_scripts.cluster.submission_files import REGISTER, registered

AT_ONCE = 20
"""Jobs that one call of the cancel command gets."""


def numbers() -> set[str]:
    """The digits of the scheduler's numbers of all jobs that were ever submitted from this folder."""
    return {file.name for file in REGISTER.iterdir() if file.name.isdecimal()} if REGISTER.is_dir() else set()


def left_running(earlier: Collection[str]) -> list[str]:
    """The scheduler's numbers of the jobs submitted since `earlier` that, as far as is known, have not ended."""
    found = {number: registered(number) for number in sorted(numbers() - set(earlier), key=int)}
    return [
        str(submission.facts.get("id", number))
        for number, submission in found.items()
        if submission is not None and submission.exit_status is None and submission.failure is None
    ]


def cancel_left_running(workflow: Any, earlier: Collection[str]) -> None:
    """Cancel what runs still of this run of Snakemake, and say so; nothing where it submits no jobs."""
    message = cancel(getattr(workflow.executor_settings, "cancel_cmd", None), left_running(earlier))
    if message is not None:
        print(message, file=sys.stderr)


def cancel(command: str | None, left: Sequence[str]) -> str | None:
    """Cancel jobs with a profile's cancel command; a sentence on what was done, None where nothing is left."""
    if not left:
        return None
    named = ", ".join(left[:AT_ONCE]) + (f" and {len(left) - AT_ONCE} more" if len(left) > AT_ONCE else "")
    if command is None:
        return f"jobs still run, and the profile has no command that cancels them: {named}"
    for first in range(0, len(left), AT_ONCE):
        try:
            subprocess.run([command, *left[first : first + AT_ONCE]], check=True, capture_output=True, timeout=60)
        except (OSError, subprocess.SubprocessError) as error:
            return (
                f"jobs still run and could not be cancelled ({error}): {named}; started again, Snakemake waits for them"
            )
    return f"jobs that still ran were cancelled: {named}"
