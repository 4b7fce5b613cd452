"""Write a folder that WorkflowHub and Zenodo take as it is: crate, citation, signatures, licence, terms of the data.

    python -m workflow_scripts.publish results/demo published/demo --authors 'Doe, Jane; Roe, Richard'

Only results of a study that ran to its end and in which `audit verify` finds no fault are published; stale ones are a
fault, unless they are waived.
Without --authors, the author is the name that git has for you. docs/publishing.md says what is in the folder and where
it goes. Exit status: 0 it is there, 1 the results have faults, 2 it cannot be done.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from workflow_scripts.provenance.ledger import LedgerError, read_ledger
from workflow_scripts.provenance.signature import SignatureError
from workflow_scripts.provenance.study_of_results import study_of
from workflow_scripts.provenance.verify import verify
from workflow_scripts.publishing.folder import publish
from workflow_scripts.runtime.command_line import add_set, documented_parser, print_error, print_lines
from workflow_scripts.runtime.module_code import ROOT
from workflow_scripts.study.job_plan import planned_of
from workflow_scripts.study.study import StudyError

DONE, FAULTS, IMPOSSIBLE = 0, 1, 2
SHOWN = 20


def main(arguments: Sequence[str] | None = None) -> int:
    """Publish the results on the command line; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        return _publish(options)
    except (LedgerError, SignatureError, StudyError, ValueError) as error:
        print_error(error)
    except OSError as error:
        print_error(f"{error.filename or 'a file'} cannot be read or written ({error.strerror})")
    return IMPOSSIBLE


def _publish(options: argparse.Namespace) -> int:
    authors = _authors(options.authors)
    ledger = read_ledger(options.folder)
    if "report" not in ledger.jobs:
        raise ValueError(
            f"{options.folder}: nothing is published, because the study has no report yet; let it end first"
        )
    study = study_of(ledger, None, options.set)
    verdict = verify(ledger, None if study is None else planned_of(study))
    if verdict.findings:
        count = len(verdict.findings)
        print_error(f"{options.folder}: nothing is published, because `audit verify` finds {count} faults:")
        print_lines(*verdict.findings[:SHOWN], file=sys.stderr)
        if any(finding.kind == "stale" for finding in verdict.findings):
            print_error("Stale results are made again by `make run`, or kept on purpose by `audit waive`.")
        return FAULTS
    result = publish(ledger, options.target, authors)
    print_lines(f"{options.target}: {result.title}, version {result.version}")
    known = " (git's user.name; others: AUTHORS='Doe, Jane; Roe, Richard')" if options.authors is None else ""
    print_lines(f"to be cited with the authors {'; '.join(result.authors)}{known}")
    return DONE


def _authors(stated: str | None) -> tuple[str, ...]:
    """The authors, as they are to be cited; never an invented one. Raises ValueError where none is known."""
    text = _git_user() if stated is None else stated
    authors = tuple(name for part in text.split(";") if (name := part.strip()))
    if not authors:
        raise ValueError(
            "nobody is known to have made these results, and a citation needs an author: "
            "name them, as in AUTHORS='Doe, Jane; Roe, Richard' (--authors of this command)"
        )
    if any(not name.isprintable() for name in authors):
        raise ValueError(f"--authors {text!r}: a name is printable text")
    return authors


def _git_user() -> str:
    try:
        done = subprocess.run(["git", "config", "user.name"], cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip()


def _parser() -> argparse.ArgumentParser:
    parser = documented_parser("publish", __doc__)
    parser.add_argument("folder", type=Path, metavar="DIR", help="a results folder, as results/demo")
    parser.add_argument("target", type=Path, metavar="TARGET", help="a new folder, as published/demo")
    parser.add_argument("--authors", metavar="'FAMILY, GIVEN; ...'", help="who made the results")
    add_set(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
