"""Check a study's configuration without starting anything.

    python -m workflow_scripts.check config/demo.yaml

Says nothing and exits with 0 when all is well; otherwise one sentence that names the file, the key and what is allowed,
and exit status 2. With `--profile` what that needs is checked, too, and a Slurm cluster is asked what it would refuse.
Files Snakemake itself cannot load are recognised here, so `make run` calls this first.
"""

import shutil
import sys
from pathlib import Path

import yaml

from workflow_scripts.cluster.preflight import ask_cluster, requests_of, submit_program
from workflow_scripts.runtime.command_line import documented_parser, print_error
from workflow_scripts.study.name_checks import Mistake, suggestion
from workflow_scripts.study.open_study import ROOT, load
from workflow_scripts.study.study import Study, StudyError

PROFILES = ROOT / "profiles"


def main(arguments: list[str] | None = None) -> int:
    """Check the study given on the command line; returns the exit status."""
    parser = documented_parser("check", __doc__)
    parser.add_argument("file", type=Path, metavar="FILE", help="a study, config/NAME.yaml")
    parser.add_argument("--profile", metavar="NAME", help="a profile that it is to run with, a folder of profiles/")
    options = parser.parse_args(arguments)
    try:
        study = load([options.file], {})
        check_networks_of(study, options.file)
        if options.profile is not None:
            check_profile(options.profile, study)
    except StudyError as error:
        print_error(error)
        return 2
    return 0


def check_networks_of(study: Study, file: Path) -> None:
    """Raise StudyError for a study that names networks which cannot be built."""
    if study.cells is None:
        return
    from workflow_scripts.cells.network_check import check_networks  # loads torch, which no other mistake needs

    try:
        check_networks(study.cells)
    except Mistake as mistake:
        raise StudyError(f"{file}: cells.{mistake.key}: {mistake.reason}") from None


def check_profile(name: str, study: Study) -> None:
    """Raise StudyError for a profile that is not there, that needs a program this machine lacks, or whose cluster would
    not run the study's jobs; says what else is worth knowing before a start."""
    known = sorted(path.parent.name for path in PROFILES.glob("*/config.yaml"))
    if name not in known:
        raise StudyError(f"profiles/{name}: there is no such profile{suggestion(name, known)}")
    settings = yaml.safe_load((PROFILES / name / "config.yaml").read_text())
    program = submit_program(settings)
    if program is not None and shutil.which(program) is None:
        missing = f"jobs are submitted with {program}, which this machine lacks"
        raise StudyError(f"profiles/{name}: {missing}; start it where the cluster's commands are")
    needs = {rule: resources.model_dump() for rule, resources in study.resources.items()}
    refusals, remarks = ask_cluster(settings, requests_of(settings, needs))
    if refusals:
        what = "change the submit command of the profile, or resources of the study"
        raise StudyError(f"profiles/{name}: {'; '.join(refusals)}; {what}")
    print(*(f"profiles/{name}: {remark}" for remark in remarks), sep="\n", end="\n" if remarks else "", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
