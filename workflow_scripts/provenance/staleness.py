"""Where a study stands: which jobs would run, why, and what that would cost; and what Snakemake alone would do."""

import statistics
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from workflow_scripts.provenance.hashing import sha256_of_files
from workflow_scripts.provenance.queries import recorded, state_of
from workflow_scripts.provenance.record import Record
from workflow_scripts.provenance.waivers import Waivers
from workflow_scripts.study.job_list import PlannedJob

RUNS = ("missing", "without a record", "stale", "follows", "may follow", "altered")
"""States of jobs that should run before results are what they claim to be."""
CHECKPOINTS = ("fetch_data", "made_up_data", "gather_architectures")
"""Steps after which Snakemake looks again: what reads a file of theirs that was there runs only where it changed."""
BEHIND_ARCHITECTURES = ("evaluate_genotype", "select_architecture")
"""Steps that Snakemake looks at again once the architectures of their group are gathered."""


@dataclass(frozen=True)
class Standing:
    """One job: its state, the reasons, and what running it cost before, in seconds; None where nobody knows."""

    job: PlannedJob
    state: str
    reasons: tuple[str, ...] = ()
    seconds: float | None = None

    @property
    def log(self) -> str:
        """The path of its log, by which Snakemake names it too."""
        return f"{self.job.root}/logs/{self.job.name}.log"


def standings(planned: Sequence[PlannedJob], results: str, folder: Path = Path()) -> list[Standing]:
    """The state of every job, in the order of `planned`, which is that in which data flows. Paths are from `folder`.

    States: `fresh`; `missing`, `without a record`, `stale` and `altered` for what is wrong with its own result;
    `follows` where it reads what will be made anew, `may follow` where that depends on what is found; `waived`.
    """
    records = {job.record: recorded(folder / job.record) for job in planned}
    times = _times(planned, records)
    waivers = Waivers(folder / results)
    altered = _altered(planned, records, folder)
    running: dict[str, str] = {}  # outputs that will be made anew, and the job that makes them
    perhaps: dict[str, str] = {}
    found = []
    for job in planned:
        own = state_of(job, records[job.record], waivers, folder)
        state, reasons = own.state, own.reasons
        if state == "fresh" and altered[job.name]:
            state = "altered"
            reasons = tuple(f"{path} was altered after it was made" for path in altered[job.name])
        if state in ("fresh", "waived"):
            sure = sorted({maker for path in job.inputs if (maker := running.get(path))})
            maybe = sorted({maker for path in job.inputs if (maker := perhaps.get(path))})
            if job.step in BEHIND_ARCHITECTURES and all((folder / path).exists() for path in job.inputs):
                gathering = f"{job.root}/cells/architectures/{job.name.split('/')[1]}.yaml"
                again = {maker for made in (running, perhaps) if (maker := made.get(gathering))}
                maybe, sure = sorted({*maybe, *sure, *again}), []
            if sure or maybe:
                state, reasons = ("follows", _reads(sure)) if sure else ("may follow", _reads(maybe))
        if state in RUNS:
            for path in job.outputs:
                may_stay = job.step in CHECKPOINTS and (folder / path).exists()
                (perhaps if may_stay or state == "may follow" else running)[path] = job.name
        found.append(Standing(job, state, reasons, times.get(job.record, times.get(job.step))))
    return found


def _times(planned: Iterable[PlannedJob], records: dict[str, Record | str | None]) -> dict[str, float]:
    """Seconds by record file, and the median by step."""
    times: dict[str, float] = {}
    steps: dict[str, list[float]] = {}
    for job in planned:
        record = records[job.record]
        if isinstance(record, Record):
            times[job.record] = record.seconds
            steps.setdefault(job.step, []).append(record.seconds)
    return times | {step: statistics.median(each) for step, each in steps.items()}


def _altered(
    planned: Iterable[PlannedJob], records: dict[str, Record | str | None], folder: Path
) -> dict[str, list[str]]:
    """Per job, its outputs that are there and are not what was recorded."""
    written = {
        job.name: {output.path: output.sha256 for output in record.outputs}
        for job in planned
        if isinstance(record := records[job.record], Record)
    }
    found = sha256_of_files(folder / path for outputs in written.values() for path in outputs)
    return {
        name: [path for path, digest in outputs.items() if found[folder / path] not in (digest, None)]
        for name, outputs in written.items()
    }


def _reads(makers: list[str]) -> tuple[str, ...]:
    return (f"reads what {makers[0]} makes" + (f", and {len(makers) - 1} more" if len(makers) > 1 else ""),)


# Snakemake ------------------------------------------------------------------------------------------------------------


class DryRunError(Exception):
    """Snakemake could not plan; its text is what it said last."""


BANNERS = ("Using profile", "Assuming unrestricted", "host:", "Building DAG")
LINES_TOLD = 4


def snakemake_plan(configfile: Path, settings: str | None) -> dict[str, str]:
    """What `snakemake -n` would run: the log of every job, with its reason. Raises DryRunError."""
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--profile", "profiles/local", "--quiet", "host"]
    command += ["--configfile", str(configfile), *(["--config", f"set={settings}"] if settings else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.strip() and not line.startswith(BANNERS)]
        raise DryRunError("snakemake -n: " + " ".join(said[:LINES_TOLD] or ["it failed and said nothing"]))
    return dict(_jobs_told(done.stdout + done.stderr))


def _jobs_told(said: str) -> Iterator[tuple[str, str]]:
    log = None
    for line in said.splitlines():
        key, _, value = line.strip().partition(": ")
        if line.startswith("    ") and key == "log":
            log = value
        elif line.startswith("    ") and key == "reason" and log is not None:
            yield log, value
            log = None


def disagreements(found: Iterable[Standing], plan: dict[str, str]) -> list[str]:
    """Where Snakemake alone would do otherwise, in sentences that say why."""
    lines = []
    known = {standing.log: standing for standing in found}
    for log, standing in known.items():
        name = standing.job.name
        if log not in plan and standing.state in ("missing", "without a record", "stale", "altered", "follows"):
            why = {
                "altered": "it keeps no digest of outputs",
                "without a record": "it does not know of records",
                "stale": "it has lost its metadata of the result (.snakemake), or its outputs were marked with --touch",
            }.get(standing.state, "it does not rerun what comes before")
            lines.append(f"{name} is {standing.state}, but Snakemake would not run it: {why}")
        elif log in plan and standing.state in ("fresh", "waived"):
            lines.append(f"{name} is {standing.state}, but Snakemake would run it: {plan[log]}")
    lines += [f"{log} belongs to no job of the study, but Snakemake would run it" for log in plan if log not in known]
    return lines
