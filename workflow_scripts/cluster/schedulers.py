"""What differs between schedulers and cannot be said in a profile: their words.

Which command submits, lists and cancels jobs stands in the profile. Here is how to read what they say: a refusal that
ends by itself, a reason to wait that does not, and why a job is gone.
"""

import re
import subprocess
from collections.abc import Sequence
from pathlib import PurePath

PASSES = re.compile(
    r"Submit(Jobs?)?(PerUser|PerAccount)?Limit|SubmitJob|MaxJobCount"  # Slurm: too many jobs of one user or at all
    r"|jobs are allowed per user|maximum number of jobs|jobs? limit reached|exceed\w* .*limit on (the )?number of jobs"
    r"|unable to contact|connect failure|connection (refused|timed out|reset)|communication (connection )?failure"
    r"|can't connect|cannot connect|error contacting|timed out|temporarily|try again|is down|persist|zero bytes",
    re.IGNORECASE,
)
"""Refusals that end without anybody's doing: the scheduler does not answer, or holds as many jobs as it may."""

STAYS = re.compile(
    r"(Partition|Assoc\w*|QOS\w*)(Time|Node|Wall\w*)?Limit|Partition(Down|Inactive)|MaxWall|PerJob|Held|Invalid|NotAllowed"
    r"|BadConstraints|DependencyNeverSatisfied|ReservationDeleted|\bEqw\b|\bhqw\b"
)
"""Reasons for which a job may wait for ever unless somebody changes something."""
QUEUED = re.compile(r"(Assoc|QOS)(Grp|Max)(?!\w*PerJob)(Jobs|Cpu|CPU|Mem|GRES|Gres|Node)\w*Limit")
"""Of these, limits on what runs at once: they end as other jobs end."""
COMPLETING = "COMPLETING"
NOT_ENDED = re.compile("PENDING|RUNNING|COMPLETING|REQUEUED|SUSPENDED|CONFIGURING")
BY_ITSELF = re.compile("FAILED|COMPLETED")
"""States of a job whose script ended, of which its own marks say more."""


def passes(refusal: str) -> bool:
    """Whether a refusal to take a job is worth waiting for."""
    return PASSES.search(refusal) is not None


def stays(reason: str) -> bool:
    """Whether the reason for which a job waits lasts until somebody changes something."""
    return STAYS.search(reason) is not None and QUEUED.search(reason) is None


def job_number(said: str) -> str | None:
    """The scheduler's number of a job, from what its command said: `7`, `7;cluster`, `7.host`, `Job <7> is ...`."""
    for word in said.split():
        word = word.strip("<>()\"',.").split(";")[0]
        if re.fullmatch(r"\d[\w.\[\]-]*", word):
            return word
    return None


def listed(said: str) -> dict[str, str]:
    """The jobs in a scheduler's list, by the digits of their number, with the rest of their line."""
    found = {}
    for line in said.splitlines():
        first, _, rest = line.strip().partition(" ")
        if digits := re.match(r"\d+", first):
            found[digits[0]] = " ".join(rest.split())
    return found


def end_of(lister: str, number: str) -> str | None:
    """Why a job ended, in the scheduler's words; None where it does not tell. `lister` is the program that lists jobs.

    Slurm is asked for its accounts, and where it keeps none for what the controller still knows; Grid Engine for its
    accounting file.
    """
    program = PurePath(lister).name
    if program == "squeue":
        said = _said(["sacct", "-X", "-n", "-P", "-j", number, "-o", "State,ExitCode,NodeList"])
        state, code, nodes, *_ = [*(said.splitlines() or [""])[-1].split("|"), "", "", ""]
        if not state or NOT_ENDED.match(state):  # no accounts, or not there yet
            facts = dict(re.findall(r"(\w+)=(\S*)", _said(["scontrol", "show", "job", "-o", number])))
            state, code, nodes = (facts.get(key, "") for key in ("JobState", "ExitCode", "NodeList"))
        told = bool(state) and not NOT_ENDED.match(state) and not BY_ITSELF.match(state)
        return _slurm_end(state, code, nodes) if told else None
    if program == "qstat":
        facts = dict(
            re.findall(r"^(failed|exit_status|maxvmem|hostname) +(.*?) *$", _said(["qacct", "-j", number]), re.M)
        )
        return ", ".join(f"{key} {value}" for key, value in facts.items()) or None
    return None


def _slurm_end(state: str, code: str, nodes: str) -> str:
    meaning = {
        "OUT_OF_MEMORY": "it used more memory than it asked for; raise mem_mb of its rule in the study's resources",
        "TIMEOUT": "it reached its time limit; it goes on from its checkpoint, or raise runtime of its rule",
        "NODE_FAIL": "its node died",
        "PREEMPTED": "a job of higher priority took its place",
        "CANCELLED": "it was cancelled",
    }.get(state.split()[0].rstrip("+") if state else "", "")
    where = "" if nodes in ("", "None assigned", "(null)") else f" on {nodes}"
    return f"Slurm: {state}{where}, exit code {code}" + (f": {meaning}" if meaning else "")


def _said(command: Sequence[str]) -> str:
    """What a command said; nothing where it failed, because a reason is worth asking for but never needed."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
