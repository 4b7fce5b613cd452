"""What is stale in a study, why, and what running it would cost, before anything runs.

    python -m workflow_scripts.status config/demo.yaml

Compares every result with its record, its settings and its code, and with what `snakemake -n` would do; says where
Snakemake alone would be wrong. Exit status: 0 also where jobs would run, 2 for a mistake in the configuration.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from workflow_scripts.provenance.failed_jobs import failures
from workflow_scripts.provenance.staleness import (
    RUNS,
    DryRunError,
    Standing,
    commands,
    disagreements,
    snakemake_plan,
    standings,
    study_options,
)
from workflow_scripts.provenance.study_of_results import planned_of
from workflow_scripts.runtime.command_line import documented_parser, stop_writing, tell, tell_error
from workflow_scripts.runtime.progress import duration
from workflow_scripts.study.open_study import load
from workflow_scripts.study.study import StudyError

SHOWN = 10


def main(arguments: Sequence[str] | None = None) -> int:
    """Tell how the study on the command line stands; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        study = load([options.file], {} if options.set is None else {"set": options.set})
        results = f"results/{study.study}"
        found = standings(planned_of(study), results)
        _tell(results, found, options.all)
        tell(*_failed(Path(results)))
        snakemake = study_options(options.file, options.set)
        plan = snakemake_plan(snakemake)
    except (StudyError, DryRunError, ValueError) as error:
        tell_error(error)
        return 2
    except BrokenPipeError:
        stop_writing()
        return 2
    except OSError as error:
        tell_error(f"{error.filename or 'a file'} cannot be read ({error.strerror})")
        return 2
    different = disagreements(found, plan)
    tell(*different[:SHOWN])
    if len(different) > SHOWN and not options.all:
        tell(f"... and {len(different) - SHOWN} more")
    if not different:
        tell(f"Snakemake would run the same jobs ({len(plan)})." if plan else "Snakemake would run nothing either.")
    typed = commands(found, plan, snakemake, len(found) if options.all else SHOWN)
    if typed:
        tell("To make what would run, type (then ask for the status again):", *(f"  {line}" for line in typed))
    return 0


def _tell(results: str, found: list[Standing], everything: bool) -> None:
    counts = Counter(standing.state for standing in found)
    tell(f"{results}: {len(found)} jobs, " + ", ".join(f"{count} {state}" for state, count in counts.items()))
    for state in (*RUNS, "waived"):
        those = [standing for standing in found if standing.state == state]
        for standing in those if everything else those[:SHOWN]:
            cost = "" if standing.seconds is None else f"  [{duration(standing.seconds)}]"
            tell(f"  {state}: {standing.job.name}{cost}", *(f"      {reason}" for reason in standing.reasons))
        if len(those) > SHOWN and not everything:
            tell(f"  {state}: ... and {len(those) - SHOWN} more (--all names each)")
    tell(_cost([standing for standing in found if standing.state in RUNS]))


def _failed(results: Path) -> list[str]:
    """The jobs whose last attempt left no result, and why."""
    lines = list(failures(results))
    return [f"Failed, killed or running still in {results}:", *(f"  {line}" for line in lines)] if lines else []


def _cost(runs: list[Standing]) -> str:
    if not runs:
        return "Nothing would run."
    known = [standing.seconds for standing in runs if standing.seconds is not None]
    unknown = Counter(standing.job.step for standing in runs if standing.seconds is None)
    told = f"Running {len(runs)} jobs would cost {duration(sum(known))} of one core by recorded times"
    if unknown:
        told += "; no times are recorded of " + ", ".join(f"{count} {step}" for step, count in unknown.items())
    return f"{told}."


def _parser() -> argparse.ArgumentParser:
    parser = documented_parser("status", __doc__)
    parser.add_argument("file", type=Path, metavar="FILE", help="a study, config/NAME.yaml")
    parser.add_argument("--set", metavar="'KEY=VALUE ...'", help="settings changed, as for make run SET=")
    parser.add_argument("--all", action="store_true", help="name every job")
    return parser


if __name__ == "__main__":
    sys.exit(main())
