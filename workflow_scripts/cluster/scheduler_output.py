"""What a scheduler's commands answer, read alike for all of them; `runtime/schedulers.py` has the words of each.

A refusal that ends by itself, a reason to wait that does not, a job's number, a list of jobs, and why a job is gone.
"""

import re
from pathlib import PurePath

from workflow_scripts.runtime.schedulers import SCHEDULERS

NO_ANSWER = (
    r"maximum number of jobs|jobs? limit reached|exceed\w* .*limit on (the )?number of jobs"
    r"|unable to contact|connect failure|connection (refused|timed out|reset)|communication (connection )?failure"
    r"|can't connect|cannot connect|error contacting|timed out|temporarily|try again|is down"
)
"""Refusals of any scheduler that end without anybody's doing: it does not answer, or holds as many jobs as it may."""


def passes(refusal: str) -> bool:
    """Whether a refusal to take a job is worth waiting for."""
    patterns = [NO_ANSWER, *(each.busy for each in SCHEDULERS)]
    return any(_finds(pattern, refusal, re.IGNORECASE) for pattern in patterns)


def stays(reason: str) -> bool:
    """Whether the reason for which a job waits lasts until somebody changes something."""
    return any(_finds(each.stuck, reason) and not _finds(each.queued, reason) for each in SCHEDULERS)


def has_ended(line: str) -> bool:
    """Whether a job's line in the scheduler's list says that the job has ended."""
    return any(_finds(each.completing, line) for each in SCHEDULERS)


def job_number(output: str) -> str | None:
    """The scheduler's number of a job, from what its command printed: `7`, `7;cluster`, `7.host`, `Job <7> is ...`."""
    for word in output.split():
        word = word.strip("<>()\"',.").split(";")[0]
        if re.fullmatch(r"\d[\w.\[\]-]*", word):
            return word
    return None


def listed(output: str) -> dict[str, str]:
    """The jobs in a scheduler's list, by the digits of their number, with the rest of their line."""
    found = {}
    for line in output.splitlines():
        first, _, rest = line.strip().partition(" ")
        if digits := re.match(r"\d+", first):
            found[digits[0]] = " ".join(rest.split())
    return found


def end_of(lister: str, number: str) -> str | None:
    """Why a job ended, as the scheduler says; None where it does not say. `lister` is the program that lists jobs."""
    program = PurePath(lister).name
    return next((each.end(number) for each in SCHEDULERS if each.lister == program), None)


def _finds(pattern: str, text: str, flags: int = 0) -> bool:
    """Whether a pattern is given and is found in a text."""
    return bool(pattern) and re.search(pattern, text, flags) is not None
