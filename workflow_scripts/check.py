"""Check a study's configuration without starting anything.

    python -m workflow_scripts.check config/demo.yaml

Says nothing and exits with 0 when all is well; otherwise one sentence that names the file, the key and what is allowed,
and exit status 2. Files Snakemake itself cannot load are told apart here, so `make run` calls this first.
"""

import argparse
import sys
from pathlib import Path

from workflow_scripts.study.start import load
from workflow_scripts.study.study import StudyError


def main(arguments: list[str] | None = None) -> int:
    """Check the study given on the command line; returns the exit status."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(
        prog="python -m workflow_scripts.check",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="a study, config/NAME.yaml")
    file = parser.parse_args(arguments).file
    try:
        load([file], {})
    except StudyError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
