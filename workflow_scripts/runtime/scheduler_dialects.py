"""The schedulers of clusters: how a job of each is known, and what it prints means. Another is one more entry.

Which command submits, lists and cancels jobs is in the profile; what these print is read here, alike for all of them.
HTCondor gives its jobs no number in the environment.
"""

import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath
from typing import NamedTuple

NO_ANSWER = (
    r"maximum number of jobs|jobs? limit reached|exceed\w* .*limit on (the )?number of jobs"
    r"|unable to contact|connect failure|connection (refused|timed out|reset)|communication (connection )?failure"
    r"|can't connect|cannot connect|error contacting|timed out|temporarily|try again|is down"
)
"""Refusals of any scheduler that end without anybody's doing: it does not answer, or holds as many jobs as it may."""


class Scheduler(NamedTuple):
    """What is known of a scheduler; where a pattern is empty, it has no words of its own for that."""

    name: str
    variables: tuple[str, ...]
    """what it sets in a job: first the job's number, then what must be there, too"""
    lister: str = ""
    """the program that lists jobs"""
    busy: str = ""
    """pattern of refusals that end by themselves: it holds as many jobs as it may; upper and lower case are the same"""
    stuck: str = ""
    """pattern of reasons for which a job may wait forever unless somebody changes something"""
    queued: str = ""
    """pattern of those among them that end as other jobs end: limits on what runs at once"""
    completing: str = ""
    """pattern in the line of a listed job that has ended"""
    end: Callable[[str], str | None] = lambda number: None
    """why the job with a number ended, in the scheduler's words; None where it does not say"""


def scheduler_name(environment: Mapping[str, str]) -> str | None:
    """The scheduler that started this process; None outside a job."""
    found = _started_by(environment)
    return None if found is None else found.name


def scheduler_job(environment: Mapping[str, str]) -> str | None:
    """The number of the scheduler's job that this process runs in, as the scheduler writes it; None outside a job."""
    found = _started_by(environment)
    return None if found is None else environment[found.variables[0]]


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


def _started_by(environment: Mapping[str, str]) -> Scheduler | None:
    return next((each for each in SCHEDULERS if all(environment.get(name) for name in each.variables)), None)


def _finds(pattern: str, text: str, flags: int = 0) -> bool:
    """Whether a pattern is given and is found in a text."""
    return bool(pattern) and re.search(pattern, text, flags) is not None


def _slurm_end(number: str) -> str | None:
    """Slurm is asked for its accounts, and where it keeps none for what the controller still knows."""
    not_ended = re.compile("PENDING|RUNNING|COMPLETING|REQUEUED|SUSPENDED|CONFIGURING")
    output = _output_of(["sacct", "-X", "-n", "-P", "-j", number, "-o", "State,ExitCode,NodeList"])
    state, code, nodes, *_ = [*(output.splitlines() or [""])[-1].split("|"), "", "", ""]
    if not state or not_ended.match(state):  # no accounts, or not there yet
        facts = dict(re.findall(r"(\w+)=(\S*)", _output_of(["scontrol", "show", "job", "-o", number])))
        state, code, nodes = (facts.get(key, "") for key in ("JobState", "ExitCode", "NodeList"))
    by_itself = re.match("FAILED|COMPLETED", state)  # the script ended, and its own marks say more
    if not state or not_ended.match(state) or by_itself:
        return None
    meaning = {
        "OUT_OF_MEMORY": "it used more memory than it asked for; raise mem_mb of its rule in the study's resources",
        "TIMEOUT": "it reached its time limit; it goes on from its checkpoint, or raise runtime of its rule",
        "NODE_FAIL": "its node died",
        "PREEMPTED": "a job of higher priority took its place",
        "CANCELLED": "it was cancelled",
    }.get(state.split()[0].rstrip("+"), "")
    where = "" if nodes in ("", "None assigned", "(null)") else f" on {nodes}"
    return f"Slurm: {state}{where}, exit code {code}" + (f": {meaning}" if meaning else "")


def _grid_engine_end(number: str) -> str | None:
    """Grid Engine is asked for its accounting file."""
    facts = re.findall(r"^(failed|exit_status|maxvmem|hostname) +(.*?) *$", _output_of(["qacct", "-j", number]), re.M)
    return ", ".join(f"{key} {value}" for key, value in dict(facts).items()) or None


def _output_of(command: Sequence[str]) -> str:
    """What a command printed; nothing where it failed, because a reason is worth asking for but never needed."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


SCHEDULERS = (
    Scheduler(
        "Slurm",
        ("SLURM_JOB_ID",),
        lister="squeue",
        busy=r"Submit(Jobs?)?(PerUser|PerAccount)?Limit|SubmitJob|MaxJobCount|persist|zero bytes",
        stuck=r"(Partition|Assoc\w*|QOS\w*)(Time|Node|Wall\w*)?Limit|Partition(Down|Inactive)|MaxWall|PerJob|Held"
        r"|Invalid|NotAllowed|BadConstraints|DependencyNeverSatisfied|ReservationDeleted",
        queued=r"(Assoc|QOS)(Grp|Max)(?!\w*PerJob)(Jobs|Cpu|CPU|Mem|GRES|Gres|Node)\w*Limit",
        completing="COMPLETING",
        end=_slurm_end,
    ),
    Scheduler("PBS", ("PBS_JOBID",)),
    Scheduler("LSF", ("LSB_JOBID",)),
    Scheduler(
        "Grid Engine",
        ("JOB_ID", "SGE_TASK_ID"),  # other programs, too, call something JOB_ID
        lister="qstat",
        busy="jobs are allowed per user",
        stuck=r"\bEqw\b|\bhqw\b",
        end=_grid_engine_end,
    ),
)
