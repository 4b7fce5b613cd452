"""What is stale in a study, why, and what running it would cost, before anything runs.

    python -m workflow_scripts.status config/demo.yaml

Compares every result with its record, its settings and its code, and with what `snakemake -n` would do; says where
Snakemake alone would be wrong. During a run it names the jobs that run, and leaves Snakemake out. Exit status: 0 also
where jobs would run, 2 for a mistake in the configuration.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from workflow_scripts.provenance.failed_jobs import failed_jobs_of
from workflow_scripts.provenance.job_states import (
    RUNNING,
    RUNS,
    DryRunError,
    JobState,
    commands,
    disagreements,
    job_states,
    snakemake_plan,
    study_options,
)
from workflow_scripts.runtime.command_line import print_error, print_lines, stop_writing, study_parser
from workflow_scripts.runtime.progress import duration
from workflow_scripts.study.job import Job
from workflow_scripts.study.job_plan import planned_of
from workflow_scripts.study.open_study import named_study
from workflow_scripts.study.study import StudyError
from workflow_scripts.watching.job_log import read_progress

SHOWN = 10


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the state of the study on the command line; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        study = named_study(options.file, options.set)
        results = f"results/{study.study}"
        planned = planned_of(study)
        found = job_states(planned, results)
        _print_states(results, found, options.all)
        print_lines(*_failed(planned))
        if any(job_state.state == RUNNING for job_state in found):
            print_lines("A run is under way: watch it (make watch), or ask again when it has ended.")
            return 0
        snakemake = study_options(options.file, options.set)
        plan = snakemake_plan(snakemake)
    except (StudyError, DryRunError, ValueError) as error:
        print_error(error)
        return 2
    except BrokenPipeError:
        stop_writing()
        return 2
    except OSError as error:
        print_error(f"{error.filename or 'a file'} cannot be read ({error.strerror})")
        return 2
    different = disagreements(found, plan)
    print_lines(*different[:SHOWN])
    if len(different) > SHOWN and not options.all:
        print_lines(f"... and {len(different) - SHOWN} more")
    if not different:
        print_lines(
            f"Snakemake would run the same jobs ({len(plan)})." if plan else "Snakemake would run nothing either."
        )
    typed = commands(found, plan, snakemake, len(found) if options.all else SHOWN)
    if typed:
        print_lines("To make what would run, type (then ask for the status again):", *(f"  {line}" for line in typed))
    return 0


def _print_states(results: str, found: list[JobState], everything: bool) -> None:
    counts = Counter(job_state.state for job_state in found)
    print_lines(f"{results}: {len(found)} jobs, " + ", ".join(f"{count} {state}" for state, count in counts.items()))
    for state in (RUNNING, *RUNS, "waived"):
        those = [job_state for job_state in found if job_state.state == state]
        for job_state in those if everything else those[:SHOWN]:
            print_lines(
                f"  {state}: {job_state.job.name}{_note(job_state)}",
                *(f"      {reason}" for reason in job_state.reasons),
            )
        if len(those) > SHOWN and not everything:
            print_lines(f"  {state}: ... and {len(those) - SHOWN} more (--all names each)")
    print_lines(_cost([job_state for job_state in found if job_state.state in RUNS]))


def _note(job_state: JobState) -> str:
    """How far a job is that runs; what running it would cost of any other."""
    if job_state.state == RUNNING:
        progress = read_progress(Path(job_state.job.log))
        left = "" if progress is None or progress.left is None else f", {duration(progress.left)} left"
        return "" if progress is None else f"  [{progress.done}/{progress.total}  {progress.note}{left}]"
    return "" if job_state.seconds is None else f"  [{duration(job_state.seconds)}]"


def _failed(planned: Sequence[Job]) -> list[str]:
    """The jobs whose last attempt left no result, and why; none that runs now."""
    lines = [f"  {line}" for failed in failed_jobs_of(planned) for line in failed.lines()]
    return ["Failed or killed:", *lines] if lines else []


def _cost(runs: list[JobState]) -> str:
    if not runs:
        return "Nothing would run."
    known = [job_state.seconds for job_state in runs if job_state.seconds is not None]
    unknown = Counter(job_state.job.step for job_state in runs if job_state.seconds is None)
    text = f"Running {len(runs)} jobs would cost {duration(sum(known))} of one core by recorded times"
    if unknown:
        text += "; no times are recorded of " + ", ".join(f"{count} {step}" for step, count in unknown.items())
    return f"{text}."


def _parser() -> argparse.ArgumentParser:
    parser = study_parser("status", __doc__)
    parser.add_argument("--all", action="store_true", help="name every job")
    return parser


if __name__ == "__main__":
    sys.exit(main())
