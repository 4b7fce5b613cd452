"""Rehearse a study: its whole graph, job by job, under its real profile, at a size at which each job takes a moment.

    python -m workflow_scripts.rehearse config/paper.yaml --profile slurm --jobs 300

The rehearsal is a study of its own, config/<study>-rehearsal.yaml, written here: the same jobs at the smallest settings
and on made-up images, into results/<study>-rehearsal. What goes wrong there would go wrong in the study. At the end
a table shows how its jobs went, what the workflow took besides computing, and what the study will need of that.
Started again it goes on, as any run does; delete results/<study>-rehearsal to begin anew.
"""

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType

from workflow_scripts.check import check_profile
from workflow_scripts.rehearsal import head_node
from workflow_scripts.rehearsal.rehearsal_report import report
from workflow_scripts.runtime.command_line import print_error, stop_writing, study_parser
from workflow_scripts.runtime.durable import write_durably
from workflow_scripts.study.job_plan import Plan
from workflow_scripts.study.open_study import CONFIG, ROOT, named_study
from workflow_scripts.study.rehearsal import number_of_jobs, rehearsal_of, sample_of
from workflow_scripts.study.study import Study, StudyError, study_text

SECONDS_BETWEEN_LOOKS = 2.0
HANDED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(arguments: Sequence[str] | None = None) -> int:
    """Rehearse the study on the command line; returns Snakemake's exit status, 2 for a mistake in the configuration."""
    options = _parser().parse_args(arguments)
    try:
        study = named_study(options.file, options.set)
        file = CONFIG / f"{rehearsal_of(study).study}.yaml"
        real, status = number_of_jobs(study), 0
        if not options.report_only:
            if options.profile is None:
                raise StudyError("--profile: name the profile that the study is to run with, such as slurm")
            check_profile(options.profile, study)
            small = _write(study, options.jobs, file)
            part = f"{number_of_jobs(small):,} of the {real:,} jobs of {study.study}"
            print(f"Rehearsing {part}: {_shown(file)}", flush=True)
            status = _run(file, options.profile, f"results/{small.study}")
        small = named_study(file)
        print(*report(Plan(small).jobs, study.study, real, f"results/{small.study}"), sep="\n")
    except StudyError as error:
        print_error(error)
        return 2
    except BrokenPipeError:
        stop_writing()
        return 2
    except OSError as error:
        print_error(f"{error.filename or 'a file'} cannot be read or written ({error.strerror})")
        return 2
    return status


def _write(study: Study, jobs: int | None, file: Path) -> Study:
    """Write the rehearsal's study. Raises StudyError where config/local.yaml would make another study of it."""
    small = rehearsal_of(study)
    if jobs is not None:
        small = sample_of(small, jobs)
    part = "" if jobs is None else f", {number_of_jobs(small)} of its jobs"
    comment = f"Made of the study {study.study}{part} by workflow_scripts.rehearse, which writes it anew."
    write_durably(file, study_text(small, comment))
    if named_study(file) != small:
        raise StudyError(
            f"config/local.yaml: it says otherwise than {_shown(file)}, so that no rehearsal can be made; move what it "
            "says besides data and resources into the study's own file"
        )
    return small


def _run(file: Path, profile: str, results: str) -> int:
    """Run Snakemake to its end while its load is watched; returns its exit status. Signals are handed on to it."""
    command = [sys.executable, "-m", "snakemake", "--profile", f"profiles/{profile}", "--configfile", _shown(file)]
    # A process group of its own, so that a signal reaches it and its jobs once, wherever it comes from.
    child = subprocess.Popen(command, process_group=0)

    def hand_on(number: int, frame: FrameType | None) -> None:
        with suppress(ProcessLookupError):  # it has ended
            os.killpg(child.pid, number)

    before = {number: signal.signal(number, hand_on) for number in HANDED_ON}
    try:
        watch = head_node.Watch(child.pid)
        while True:
            watch.look()
            try:
                status = child.wait(SECONDS_BETWEEN_LOOKS)
                break
            except subprocess.TimeoutExpired:
                continue
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if Path(results).is_dir():
        head_node.keep(watch.load_so_far(), Path(results))
    return status


def _shown(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def _parser() -> argparse.ArgumentParser:
    parser = study_parser("rehearse", __doc__)
    parser.add_argument("--profile", metavar="NAME", help="the profile it is to run with, a folder of profiles/")
    parser.add_argument("--jobs", type=_count, metavar="N", help="a sample of at most N jobs, of every kind")
    parser.add_argument("--report-only", action="store_true", help="run nothing; report on the rehearsal that is there")
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number of jobs; give 1 or more")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
