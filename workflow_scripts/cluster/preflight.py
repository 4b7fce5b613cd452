"""Ask a Slurm cluster, before anything is submitted, what of a study it would refuse or leave waiting forever.

Each different request of the study's rules goes to `sbatch --test-only` exactly as the profile would submit it. What
that does not look at is asked for: the time limits of the partition and of the user's account, and how many jobs the
user may have at a time. Of other schedulers nothing is asked.
"""

import argparse
import getpass
import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from workflow_scripts.cluster.submission_files import one_line
from workflow_scripts.runtime.scheduler_dialects import passes

Request = Mapping[str, int]
"""What the jobs of a rule ask for: `runtime` in minutes, `mem_mb`, `gpu`."""
OTHER = "other rules"
SUBMIT = "workflow_scripts.cluster.submit"
UNLIMITED = ("", "UNLIMITED", "INFINITE", "-1")


def requests_of(profile: Mapping[str, Any], study: Mapping[str, Request]) -> dict[str, Request]:
    """What jobs ask for, by rule: the study's, else the profile's default for all other rules."""
    default = {str(key): int(value) for key, value in profile.get("default-resources", {}).items() if _is_whole(value)}
    return {**{rule: {**default, **request} for rule, request in study.items()}, OTHER: {**default, "gpu": 0}}


def ask_cluster(profile: Mapping[str, Any], requests: Mapping[str, Request]) -> tuple[list[str], list[str]]:
    """What the cluster would not do, and what is worth knowing, each as a sentence. Nothing where it is not Slurm."""
    refusals: list[str] = []
    remarks: list[str] = []
    for rules, command in _commands(profile, requests):
        answer = _answer([*command[:1], "--test-only", *command[1:], "--wrap=true"])
        if answer is not None and passes(answer) and "Submit" not in answer:
            return [], [f"the cluster does not answer now ({answer}); jobs are submitted once it does"]
        if answer is not None and not passes(answer):
            refusals.append(f"the cluster refuses jobs of {rules}: {answer}")
        else:
            asks = max(requests[rule].get("runtime", 0) for rule in rules.split(", "))
            refusals += [f"{rules}: {asks} minutes are asked for, and {limit}" for limit in _too_long(command, asks)]
    if refusals or not any(_commands(profile, requests)):
        return refusals, remarks
    most, jobs = _most_jobs(), int(profile.get("jobs", 1))
    if most is not None and most < jobs:
        limit = f"the cluster takes {most} jobs of yours at a time, fewer than the {jobs} of the profile's key jobs"
        remarks.append(f"{limit}: the others wait until it takes them")
    return refusals, remarks


def submit_program(profile: Mapping[str, Any]) -> str | None:
    """The program that submits a profile's jobs; None where they are not submitted."""
    _, command = _submit(profile)
    return command[0] if command else None


def _submit(profile: Mapping[str, Any]) -> tuple[str, list[str]]:
    """The option of jobs with devices, and the submit command, as the profile has them."""
    words = shlex.split(str(profile.get("cluster-generic-submit-cmd", "")))
    if SUBMIT not in words:
        return "", words
    parser = argparse.ArgumentParser()
    parser.add_argument("--with-gpu", default="")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args(words[words.index(SUBMIT) + 1 :])
    return options.with_gpu, options.command


def _commands(profile: Mapping[str, Any], requests: Mapping[str, Request]) -> Iterator[tuple[str, list[str]]]:
    """The rules that ask for the same, with commas between, and the command that submits their jobs."""
    with_gpu, command = _submit(profile)
    if not command or not command[0].endswith("sbatch"):
        return
    same: dict[tuple[str, ...], list[str]] = {}
    for rule, request in requests.items():
        devices = request.get("gpu", 0)
        whole = [*command, *(shlex.split(with_gpu) if devices else [])]
        values = {"@log": "/dev/null", "@name": "question", "@gpu": str(devices)}
        values |= {f"{{resources.{key}}}": str(value) for key, value in request.items()}
        same.setdefault(tuple(_filled(word, values) for word in whole), []).append(rule)
    for filled, rules in same.items():
        yield ", ".join(rules), list(filled)


def _too_long(command: Sequence[str], minutes: int) -> Iterator[str]:
    """The limits that a run time goes beyond; jobs that do are taken, and wait forever."""
    partition = _option(command, "-p", "--partition")
    for line in _output_of(["scontrol", "show", "partition", "-o"]).splitlines():
        facts = dict(re.findall(r"(\w+)=(\S*)", line))
        is_it = facts.get("PartitionName") == partition or (partition is None and facts.get("Default") == "YES")
        limit = _minutes(facts.get("MaxTime", ""))
        if is_it and limit is not None and minutes > limit:
            yield f"the partition {facts['PartitionName']} allows {limit:g}; jobs would wait forever"
    account = _option(command, "-A", "--account")
    for _, _, wall in _associations(account):
        limit = _minutes(wall)
        if limit is not None and minutes > limit:
            yield f"your account allows {limit:g}; jobs would wait forever"


def _most_jobs() -> int | None:
    """How many jobs the user may have submitted at a time; None where there is no limit, or no accounts."""
    limits = [int(text) for most, group, _ in _associations(None) for text in (most, group) if text.isdecimal()]
    return min(limits, default=None)


def _associations(account: str | None) -> list[tuple[str, str, str]]:
    """Limits of the user's accounts: jobs submitted, the same of the group, time of one job; empty where none is."""
    command = ["sacctmgr", "-n", "-P", "show", "assoc", f"user={getpass.getuser()}"]
    command += [f"account={account}"] if account else []
    lines = _output_of([*command, "format=MaxSubmitJobs,GrpSubmitJobs,MaxWall"]).splitlines()
    return [(parts[0], parts[1], parts[2]) for line in lines if len(parts := line.split("|")) == 3]


def _minutes(text: str) -> float | None:
    """Minutes of a time as Slurm writes it, `1-02:03:04` or `02:03:04`; None for no limit."""
    if text in UNLIMITED:
        return None
    days, _, clock = text.rpartition("-")
    parts = [int(part) for part in clock.split(":")]
    hours, minutes, seconds = [0, 0, 0, *parts][-3:]
    return int(days or 0) * 1440 + hours * 60 + minutes + seconds / 60


def _option(command: Sequence[str], short: str, long: str) -> str | None:
    for number, word in enumerate(command):
        if word.startswith(f"{long}="):
            return word.partition("=")[2]
        if word in (short, long) and number + 1 < len(command):
            return command[number + 1]
    return None


def _answer(command: Sequence[str]) -> str | None:
    """What a command complained of; None where it ended well."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else one_line(done.stderr).removeprefix("allocation failure: ")


def _output_of(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def _filled(word: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        word = word.replace(name, value)
    return word


def _is_whole(value: object) -> bool:
    return isinstance(value, int) or (isinstance(value, str) and value.isdecimal())
