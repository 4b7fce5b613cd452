"""Watch a study that runs: jobs done and left, the time left, the jobs that run with their curves, and failures.

    python -m workflow_scripts.watch config/demo.yaml

Only looks: nothing is written, and no job is disturbed. On a terminal it looks again every few seconds, until every job
is done or Ctrl-C; elsewhere, and with --once, it prints what it sees and ends. A job counts as done when its record is
there, of the settings and code at hand; whether files were altered since is what `status` finds. Exit status: 0, or 2
for a mistake in the configuration.
"""

import argparse
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.live import Live

from workflow_scripts.runtime.command_line import print_error, stop_writing, study_parser
from workflow_scripts.study.job_plan import planned_of
from workflow_scripts.study.open_study import named_study
from workflow_scripts.study.study import StudyError
from workflow_scripts.watching.study_now import StudyWatch
from workflow_scripts.watching.view import View

SECONDS = 2.0
"""Between two looks, at least."""
UNBOUNDED = 10_000
"""Columns where lines go to a file or a program, so that none is cut."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Watch the study on the command line; returns the exit status."""
    options = _parser().parse_args(arguments)
    console = Console(highlight=False)
    live = sys.stdout.isatty() and not console.is_dumb_terminal and not options.once
    if not sys.stdout.isatty():
        console.width = UNBOUNDED
    try:
        study = named_study(options.file, options.set)
        watched = StudyWatch(planned_of(study), f"results/{study.study}")
        if live:
            _watch(watched, console, options.all)
        else:
            console.print(View(watched.look(), options.all))
    except (StudyError, ValueError) as error:
        print_error(error)
        return 2
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            stop_writing()
        else:
            print_error(f"{error.filename or 'a file'} cannot be read ({error.strerror})")
        return 2
    except KeyboardInterrupt:
        pass
    return 0


def _watch(watched: StudyWatch, console: Console, everything: bool) -> None:
    with Live(console=console, auto_refresh=False) as live:
        for now in watched.looks(SECONDS):
            live.update(View(now, everything), refresh=True)


def _parser() -> argparse.ArgumentParser:
    parser = study_parser("watch", __doc__)
    parser.add_argument("--once", action="store_true", help="look once, and end")
    parser.add_argument("--all", action="store_true", help="show every job that runs or failed")
    return parser


if __name__ == "__main__":
    sys.exit(main())
