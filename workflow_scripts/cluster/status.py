"""The state of a job, where `status.sh` cannot say it at once: prints `running`, `success` or `failed`.

    python -m workflow_scripts.cluster.status LIST COMMAND ... NUMBER

A job that ended by itself left its exit status on disk. One that did not is taken for ended only when the scheduler
answers, and two answers some time apart do not list it. So a scheduler that does not answer, for however long, costs
nothing: every job is taken to run on. Why a job was lost or waits forever is reported once, in the scheduler's words.

Times are written into the files, because a file server's clock may differ from that of the machine that asks.
"""

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from workflow_scripts.cluster.submission_files import REGISTER, Submission, digits_of, now, one_line, registered, write
from workflow_scripts.runtime.scheduler_dialects import end_of, has_ended, listed, stays

LISTED = REGISTER / "listed"
UNANSWERED = REGISTER / "unanswered"
FRESH_SECONDS = 15.0
"""For which a list of jobs, or the lack of one, is not asked for again; `status.sh` has the same."""
LOST_AFTER_SECONDS = 20.0
"""Between the answers that do not list a job: its exit status may need a moment to show on a shared file system."""
REPORT_EVERY_SECONDS = 600.0
KILLED, STOPPED = 128, 75
"""Exit statuses from the first on are those of signals; a wrapper that was asked to end has the second."""


def main(arguments: Sequence[str]) -> int:
    """Print the state of one job; returns the exit status, which is always 0."""
    *lister, number = arguments
    print(state(lister, number))
    return 0


def state(lister: Sequence[str], number: str) -> str:
    """`running`, `success` or `failed`."""
    submission = registered(number)
    if submission is not None and submission.exit_status == 0:
        return "success"
    known = _listed(lister)
    if known is None:
        return "running"
    line = known.get(digits_of(number))
    if line is not None and not has_ended(line):
        if submission is not None:
            (submission.folder / "missing").unlink(missing_ok=True)
        return "running"
    if submission is None:  # its folder was removed: nothing more will be known of it
        return "failed"
    status = submission.exit_status
    if status is None and not _lost(submission):
        return "running"
    if status is None or status >= KILLED or status == STOPPED:
        reason = end_of(lister[0], number) or _without_scheduler(status)
        if reason is not None:
            submission.note("failure.json", {"noticed": now(), "reason": reason})
            _say(f"{submission.job} (scheduler's job {number}): {reason}")
    return "success" if status == 0 else "failed"


def _without_scheduler(status: int | None) -> str | None:
    """Why a job has no result, where the scheduler does not say; None where its attempt's own trace says it."""
    if status is None:
        return "the scheduler lost it"
    return None if status == STOPPED else f"it was killed by signal {status - KILLED}"


def _listed(lister: Sequence[str]) -> dict[str, str] | None:
    """The jobs that the scheduler holds, and what it says of each; None where it does not answer."""
    if _is_fresh(UNANSWERED):
        return None
    if _is_fresh(LISTED):
        return listed(LISTED.read_text())
    try:
        done = subprocess.run(lister, capture_output=True, text=True, timeout=60, check=False)
        complaint = None if done.returncode == 0 else one_line(done.stderr or done.stdout)
    except (OSError, subprocess.TimeoutExpired) as error:
        complaint = one_line(str(error))
    if complaint is not None:
        _unanswered(complaint)
        return None
    if UNANSWERED.exists():
        UNANSWERED.unlink()
        _say("the scheduler answers again")
    found = listed(done.stdout)
    lines = (f"{number} {line}\n" for number, line in found.items())
    write(LISTED, "".join([f"asked {int(time.time())}\n", *lines]))
    _say_waiting(found)
    return found


def _unanswered(complaint: str) -> None:
    """Say that the scheduler does not answer, once and then every ten minutes."""
    reported = _number_in(UNANSWERED, 2)
    if reported is None or time.time() - reported > REPORT_EVERY_SECONDS:
        reported = time.time()
        _say(f"the scheduler does not answer ({complaint}); its jobs are taken to run on")
    write(UNANSWERED, f"asked {int(time.time())} {int(reported)}\n")


def _say_waiting(found: dict[str, str]) -> None:
    """Say once of every job for which reason it waits, where that lasts until somebody changes something."""
    for number, line in found.items():
        submission = registered(number)
        if submission is None or not stays(line) or submission.waiting == line or submission.has_begun():
            continue
        submission.note("waiting", line)
        _say(
            f"{submission.job} (scheduler's job {number}) waits, and will until something changes: {line}; change what"
            " it asks for (resources of its rule in the study, the profile's submit command), or ask the site"
        )


def _lost(submission: Submission) -> bool:
    """Whether an answer some time ago did not list the job either."""
    mark = submission.folder / "missing"
    since = _number_in(mark, 1)
    if since is None:
        submission.note("missing", f"since {int(time.time())}")
        return False
    return time.time() - since > LOST_AFTER_SECONDS


def _is_fresh(file: Path) -> bool:
    """Whether the scheduler was asked a moment ago, as the first line of a file says."""
    asked = _number_in(file, 1)
    return asked is not None and 0 <= time.time() - asked < FRESH_SECONDS


def _number_in(file: Path, place: int) -> float | None:
    """A number in the first line of a file, by its place; None where there is none."""
    try:
        return float(file.read_text().split("\n", 1)[0].split()[place])
    except (OSError, ValueError, IndexError):
        return None


def _say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
