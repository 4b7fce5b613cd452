"""Opening a study inside the Snakefile: configuration in, jobs out; a mistake ends in one sentence."""

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from workflow_scripts.runtime.locks import lock_problem
from workflow_scripts.study.job_command import ANEW
from workflow_scripts.study.jobs import Jobs
from workflow_scripts.study.names import nearest
from workflow_scripts.study.study import REHEARSAL, Layer, Study, StudyError, command_line_layer, load_study, read_layer

ROOT = Path(__file__).parents[2]
LOCAL = ROOT / "config" / "local.yaml"

# Keys of --config that steer the workflow and are no part of a study.
FIGURES_ONLY = "figures_only"


def study_names() -> list[str]:
    """The studies that come with the repository or were added to it, sorted; no rehearsals, which are made of them."""
    names = (path.stem for path in (ROOT / "config").glob("*.yaml") if path != LOCAL)
    return sorted(name for name in names if not name.endswith(REHEARSAL))


def load(config_files: Sequence[Path], command_line: dict[str, Any]) -> Study:
    """The study of the given files, under `config/local.yaml` and the command line. Raises StudyError."""
    if not config_files:
        raise StudyError(f"no study was named; give --configfile config/NAME.yaml ({', '.join(study_names())})")
    for path in config_files:
        if not path.exists():
            raise StudyError(f"{_shown(path)}: there is no such study{nearest(path.stem, study_names())}")
    layers: list[Layer] = [read_layer(path, _shown(path)) for path in config_files]
    if LOCAL.is_file():
        layers.append(read_layer(LOCAL, "config/local.yaml"))
    layers.append(command_line_layer({key: value for key, value in command_line.items() if key != FIGURES_ONLY}))
    return load_study(layers)


def open_study(workflow: Any, config: dict[str, Any]) -> Jobs:
    """The jobs of the study Snakemake was started with; ends the program with one sentence on a mistake."""
    settings = workflow.config_settings
    try:
        study = load([Path(path) for path in settings.configfiles or ()], dict(settings.config or {}))
    except StudyError as error:
        sys.exit(str(error))
    return Jobs(study, existing_only=bool(config.get(FIGURES_ONLY)))


def use_this_python() -> None:
    """Make `python` the one that runs Snakemake, for the commands of rules and of profiles.

    Where Snakemake sets up a conda environment, that goes before.
    """
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"


def require_locks(workflow: Any, folders: Iterable[Path]) -> None:
    """End the program, in one sentence, where the file system of a folder has no locks that hold where jobs run."""
    for folder in folders:
        problem = lock_problem(folder, several_machines=not workflow.local_exec)
        if problem is not None:
            sys.exit(problem)


def note_forcing(workflow: Any) -> None:
    """Let jobs know, through the environment, that a person asked for what could be left alone to be computed.

    That is --force, --forceall or --forcerun; known only after the Snakefile was read. The Snakemake that a cluster's
    job may start is always told --force, but it is not the main process, whose word counts.
    """
    asked = workflow.dag_settings
    if workflow.is_main_process and asked is not None and (asked.forceall or asked.forcerun or asked.forcetargets):
        os.environ[ANEW] = "yes"


def _shown(path: Path) -> str:
    try:
        return path.resolve().relative_to(ROOT).as_posix()
    except ValueError:
        return str(path)
