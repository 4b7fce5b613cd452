"""The state of every job of a study: which would run, why, at what cost; and what Snakemake alone would do."""

import os
import re
import shlex
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from workflow_scripts.provenance.hashing import sha256_of_recorded
from workflow_scripts.provenance.record import Record, lies_at
from workflow_scripts.provenance.staleness import record_or_fault, result_state
from workflow_scripts.provenance.waivers import Waivers
from workflow_scripts.runtime.job_lock import holder
from workflow_scripts.study.job import Job
from workflow_scripts.study.places import GROUP_ARCHITECTURES, Places

RUNNING = "running"
RUNS = ("missing", "without a record", "stale", "follows", "may follow", "altered")
"""States of jobs that should run before results are what they claim to be."""
NOT_MISSED = ("missing", "without a record", "stale", "altered")
"""States of a job's own result that Snakemake may not see."""
CHECKPOINTS = ("fetch_data", "own_data", "made_up_data", "gather_architectures")
"""Steps after which Snakemake looks again: what reads a file of theirs that was there runs only where it changed."""
AFTER_ARCHITECTURES = ("evaluate_genotype", "select_architecture")
"""Steps that Snakemake looks at again once the architectures of their group are gathered, where searches found them."""


@dataclass(frozen=True)
class JobState:
    """One job: its state, the reasons, and what running it cost before, in seconds; None where nobody knows.

    `damaged` are recorded files that are there with other content, or are gone from a folder that is there.
    """

    job: Job
    state: str
    reasons: tuple[str, ...] = ()
    seconds: float | None = None
    damaged: tuple[str, ...] = ()


def job_states(
    planned: Sequence[Job],
    results: str,
    folder: Path = Path(),
    *,
    read: Callable[[Path], Record | str | None] = record_or_fault,
    by_content: bool = True,
) -> list[JobState]:
    """The state of every job, in the order of `planned`, which is that in which data flows. Paths are from `folder`.

    Jobs on request are left out where they have no record. `read` reads a record. Unless `by_content`, no output is
    read, and none is found altered.

    States: `fresh`; `missing`, `without a record`, `stale` and `altered` for what is wrong with its own result;
    `follows` where it reads what will be made anew, `may follow` where that depends on what is found; `waived`; and
    `running`, of which nothing else is asked.
    """
    planned = [job for job in planned if not job.on_request or (folder / job.record).exists()]
    # Asked before their records are read, so that a job that ends meanwhile is not taken for one that never began.
    runners = {job.record: holder(folder / job.root, job.name) for job in planned}
    records = {job.record: read(folder / job.record) for job in planned}
    recorded = [(job, record) for job in planned if isinstance(record := records[job.record], Record)]
    times = _times(recorded)
    waivers = Waivers(folder / results)
    waivers.require_sound()
    damages = _damages(recorded, folder, results) if by_content else {}
    given = {path for job in planned if job.step == "given_architecture" for path in job.writes}
    running: dict[str, str] = {}  # outputs that will be made anew, and the job that makes them
    perhaps: dict[str, str] = {}
    found = []
    for job in planned:
        runner = runners[job.record]
        if runner is None:
            own = result_state(job, records[job.record], waivers, folder)
            state, reasons = own.state, own.reasons
        else:
            state, reasons = RUNNING, (runner,)
        damaged = damages.get(job.name, {}) if state == "fresh" else {}
        if damaged:
            state, reasons = "altered", tuple(f"{path} {what} after it was made" for path, what in damaged.items())
        if state in ("fresh", "waived"):
            sure = sorted({maker for path in job.reads if (maker := running.get(path))})
            maybe = sorted({maker for path in job.reads if (maker := perhaps.get(path))})
            waits = job.step in AFTER_ARCHITECTURES and given.isdisjoint(job.reads)
            if waits and all((folder / path).exists() for path in job.reads):
                gathering = Places(job.root).at(GROUP_ARCHITECTURES, group=job.name.split("/")[1])
                again = {maker for made in (running, perhaps) if (maker := made.get(gathering))}
                maybe, sure = sorted({*maybe, *sure, *again}), []
            if sure or maybe:
                state, reasons = ("follows", _reads(sure)) if sure else ("may follow", _reads(maybe))
        if state in (*RUNS, RUNNING):
            for path in job.writes:
                may_stay = job.step in CHECKPOINTS and (folder / path).exists()
                (perhaps if may_stay or state == "may follow" else running)[path] = job.name
        seconds = times.get(job.record, times.get(job.step))
        found.append(JobState(job, state, reasons, seconds, tuple(damaged)))
    return found


def _times(recorded: Sequence[tuple[Job, Record]]) -> dict[str, float]:
    """Seconds by record file, and the median by step."""
    by_step: dict[str, list[float]] = defaultdict(list)
    for job, record in recorded:
        if not record.is_copy:
            by_step[job.step].append(record.seconds)
    medians = {step: statistics.median(each) for step, each in by_step.items()}
    return medians | {job.record: record.seconds for job, record in recorded}


def _damages(recorded: Sequence[tuple[Job, Record]], folder: Path, results: str) -> dict[str, dict[str, str]]:
    """Per job, its recorded files that are not what was recorded, each with what was done to it."""
    sizes = {folder / output.path: output.bytes for _, record in recorded for output in record.outputs}
    found = sha256_of_recorded(sizes, folder / results)
    return {
        job.name: {
            output.path: "was altered" if os.path.lexists(folder / output.path) else "was removed"
            for output in record.outputs
            if found[folder / output.path] != output.sha256
        }
        for job, record in recorded
    }


def _reads(makers: list[str]) -> tuple[str, ...]:
    return (f"reads what {makers[0]} makes" + (f", and {len(makers) - 1} more" if len(makers) > 1 else ""),)


# Snakemake ------------------------------------------------------------------------------------------------------------


class DryRunError(Exception):
    """Snakemake could not plan; its text is the first lines that Snakemake printed."""


SNAKEMAKE = ".venv/bin/snakemake"
BANNERS = ("Using profile", "Assuming unrestricted", "host:", "Building DAG")
PLANNED_JOB = re.compile(r"^ {4,}log: (.*)\n(?:(?! {4,}log: ).*\n)*? {4,}reason: (.*)$", re.MULTILINE)
LINES_SHOWN = 4


def study_options(configfile: Path, settings: str | None) -> list[str]:
    """The options of Snakemake that name a study on this machine; `settings` as for `make run SET=`."""
    options = ["--profile", "profiles/local", "--configfile", str(configfile)]
    return [*options, "--config", f"set={settings}"] if settings else options


def snakemake_plan(options: Sequence[str]) -> dict[str, str]:
    """What `snakemake -n` would run with options: the log of every job, with its reason. Raises DryRunError."""
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--quiet", "host", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    output = done.stdout + done.stderr
    if done.returncode != 0:
        lines = [line for line in output.splitlines() if line.strip() and not line.startswith(BANNERS)]
        raise DryRunError("snakemake -n: " + " ".join(lines[:LINES_SHOWN] or ["it failed and printed nothing"]))
    return dict(PLANNED_JOB.findall(output))


def disagreements(found: Iterable[JobState], plan: dict[str, str]) -> list[str]:
    """Where Snakemake alone would do otherwise, in sentences that say why."""
    lines = []
    known = {job_state.job.log: job_state for job_state in found}
    for log, job_state in known.items():
        name = job_state.job.name
        if job_state.job.on_request:
            continue
        if log not in plan and job_state.state in (*NOT_MISSED, "follows"):
            why = {
                "altered": "it keeps no digest of outputs",
                "without a record": "it does not know of records",
                "stale": "it has lost its metadata of the result (.snakemake), or its outputs were marked with --touch",
            }.get(job_state.state, "it does not rerun what comes before")
            lines.append(f"{name} is {job_state.state}, but Snakemake would not run it: {why}")
        elif log in plan and job_state.state in ("fresh", "waived"):
            lines.append(f"{name} is {job_state.state}, but Snakemake would run it: {plan[log]}")
    lines += [f"{log} belongs to no job of the study, but Snakemake would run it" for log in plan if log not in known]
    return lines


def commands(found: Iterable[JobState], plan: dict[str, str], options: Sequence[str], most: int) -> list[str]:
    """What a person can type, in this order, to have results as they should be; nothing where nothing would run.

    `options` are those of Snakemake that name the study. What Snakemake would leave is asked for by name, of up to
    `most` jobs; what it takes for sound is removed before, or forced. Without force the wrapper puts back what it kept.
    """
    removed: list[str] = []
    asked: list[str] = []
    forced: list[str] = []
    for job_state in [each for each in found if each.job.log not in plan and each.state in NOT_MISSED][:most]:
        outputs = job_state.job.writes
        damaged = [path for path in outputs if any(lies_at(each, path) for each in job_state.damaged)]
        absent = [path for path in outputs if not Path(path).exists()]
        removed += damaged
        if damaged or absent or job_state.job.on_request:
            asked += [*damaged, *absent, *outputs][:1]
        else:
            forced.append(outputs[0])
    lines = [["rm", "-r", *removed]] if removed else []
    lines += [[SNAKEMAKE, *asked, *options]] if asked else []
    lines += [[SNAKEMAKE, *forced, "--force", *options]] if forced else []
    lines += [[SNAKEMAKE, *options]] if plan or asked or forced else []
    return [shlex.join(line) for line in lines]
