"""TensorBoard's event files of a study, live: losses, errors and eigenvalues of every run, epoch by epoch.

    python -m workflow_scripts.board config/demo.yaml
    .venv/bin/tensorboard --logdir board

Runs that are done are written from their histories; those that run from their logs, whose numbers are rounded, until
they are done. It looks again every few seconds until every job of the study is done, or Ctrl-C; with --once it looks
once. The files are views, not results: they can be removed and written again. Exit status: 0, 1 where tensorboard is
not installed, 2 for a mistake in the configuration.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from workflow_scripts.runtime.command_line import print_error, print_lines, study_parser
from workflow_scripts.study.job_plan import SOURCE_STEPS, planned_of
from workflow_scripts.study.open_study import named_study
from workflow_scripts.study.study import StudyError
from workflow_scripts.watching.run_curves import run_curves
from workflow_scripts.watching.study_now import StudyWatch

if TYPE_CHECKING:
    from workflow_scripts.watching.event_files import EventFiles

SECONDS = 5.0
"""Between two looks, at least."""
FOLDER = Path("board")


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the event files of the study on the command line; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        from workflow_scripts.watching.event_files import EventFiles
    except ModuleNotFoundError as error:
        print_error(f"{error.name} is not installed; `make board` installs what it needs (envs/extras.txt)")
        return 1
    try:
        study = named_study(options.file, options.set)
        folder = options.to or FOLDER / study.study
        _write(StudyWatch(planned_of(study), f"results/{study.study}"), EventFiles(folder), options.once)
    except (StudyError, ValueError) as error:
        print_error(error)
        return 2
    except OSError as error:
        print_error(f"{error.filename or 'a file'} cannot be read or written ({error.strerror})")
        return 2
    except KeyboardInterrupt:
        pass
    return 0


def _write(watched: StudyWatch, files: "EventFiles", once: bool) -> None:
    runs = [job for job in watched.planned if job.step in SOURCE_STEPS]
    print_lines(f"{files.folder}: to see it, type .venv/bin/tensorboard --logdir {files.folder}")
    for now in watched.looks(SECONDS):
        new = sum(files.write(run) for job in runs for run in run_curves(job))
        if new:
            print_lines(f"{now.done} of {now.jobs} jobs done, {len(now.running)} run; new points of {new} runs")
        if once:
            return


def _parser() -> argparse.ArgumentParser:
    parser = study_parser("board", __doc__)
    parser.add_argument("--to", type=Path, metavar="DIR", help="where the files go; board/NAME otherwise")
    parser.add_argument("--once", action="store_true", help="look once, and end")
    return parser


if __name__ == "__main__":
    sys.exit(main())
