"""Check a study's configuration without starting anything.

    python -m workflow_scripts.check config/demo.yaml

Says nothing and exits with 0 when all is well; otherwise one sentence that names the file, the key and what is allowed,
and exit status 2. With `--profile` what that needs is checked, too. Files Snakemake itself cannot load are told apart
here, so `make run` calls this first.
"""

import shutil
import sys
from pathlib import Path

import yaml

from workflow_scripts.runtime.command_line import documented_parser
from workflow_scripts.study.names import nearest
from workflow_scripts.study.open_study import ROOT, load
from workflow_scripts.study.study import StudyError

PROFILES = ROOT / "profiles"


def main(arguments: list[str] | None = None) -> int:
    """Check the study given on the command line; returns the exit status."""
    parser = documented_parser("check", __doc__)
    parser.add_argument("file", type=Path, metavar="FILE", help="a study, config/NAME.yaml")
    parser.add_argument("--profile", metavar="NAME", help="a profile that it is to run with, a folder of profiles/")
    options = parser.parse_args(arguments)
    try:
        load([options.file], {})
        if options.profile is not None:
            check_profile(options.profile)
    except StudyError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def check_profile(name: str) -> None:
    """Raise StudyError for a profile that is not there, or that needs a program this machine lacks."""
    known = sorted(path.parent.name for path in PROFILES.glob("*/config.yaml"))
    if name not in known:
        raise StudyError(f"profiles/{name}: there is no such profile{nearest(name, known)}")
    settings = yaml.safe_load((PROFILES / name / "config.yaml").read_text())
    if settings.get("executor") == "slurm" and shutil.which("sbatch") is None:
        missing = "jobs are submitted with sbatch, which this machine lacks"
        raise StudyError(f"profiles/{name}: {missing}; start it where the cluster's commands are")


if __name__ == "__main__":
    sys.exit(main())
