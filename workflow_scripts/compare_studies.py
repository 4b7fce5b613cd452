"""Show two studies side by side: where their settings differ, their verdicts on the papers' claims, their figures.

    python -m workflow_scripts.compare_studies results/demo results/short page.html

Writes one page that needs no network and links to both reports. Exit status: 0, or 2 where a results folder cannot be
read, a verdict is older than its tables, or the page cannot be written.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from workflow_scripts.gather_claims import changed_tables, outdated_words
from workflow_scripts.report.two_studies import read_results, two_studies
from workflow_scripts.runtime.command_line import documented_parser, print_error, print_lines
from workflow_scripts.runtime.durable import write_durably


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        _write(options.one, options.other, options.page)
    except ValueError as error:
        print_error(error)
        return 2
    except OSError as error:
        print_error(f"{error.filename or 'a file'} cannot be read or written ({error.strerror})")
        return 2
    print_lines(f"{options.page} is written.")
    return 0


def _write(one: Path, other: Path, page: Path) -> None:
    if one.resolve() == other.resolve():
        raise ValueError(f"{one} and {other} are the same folder; give the results of two studies")
    for folder in (one, other):
        if page.resolve().is_relative_to(folder.resolve()):
            raise ValueError(f"{page} would be a file without a record in {folder}; write the page elsewhere")
    both = [read_results(folder) for folder in (one, other)]
    for each in both:
        if changed := changed_tables(each.folder, each.claims):
            raise ValueError(outdated_words(each.folder, changed))
    write_durably(page, two_studies(both[0], both[1], page.resolve().parent).encode())


def _parser() -> argparse.ArgumentParser:
    parser = documented_parser("compare_studies", __doc__)
    parser.add_argument("one", type=Path, help="the results folder of a study")
    parser.add_argument("other", type=Path, help="that of another")
    parser.add_argument("page", type=Path, help="the HTML file to write")
    return parser


if __name__ == "__main__":
    sys.exit(main())
