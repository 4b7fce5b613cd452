"""The schedulers of clusters: how a job of each is known, and what its own words mean. Another is one more entry.

Which command submits, lists and cancels jobs is in the profile. `cluster/scheduler_output.py` reads what they print.
HTCondor gives its jobs no number in the environment.
"""

import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple


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


def _started_by(environment: Mapping[str, str]) -> Scheduler | None:
    return next((each for each in SCHEDULERS if all(environment.get(name) for name in each.variables)), None)


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
