"""Opening a study inside the Snakefile: configuration in, jobs out; a mistake ends in one sentence."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from workflow_scripts.study.jobs import Jobs
from workflow_scripts.study.names import nearest
from workflow_scripts.study.study import Layer, Study, StudyError, command_line_layer, load_study, read_layer

ROOT = Path(__file__).parents[2]
LOCAL = ROOT / "config" / "local.yaml"

# Keys of --config that steer the workflow and are no part of a study.
FIGURES_ONLY = "figures_only"


def study_names() -> list[str]:
    """The studies that come with the repository, sorted."""
    return sorted(path.stem for path in (ROOT / "config").glob("*.yaml") if path != LOCAL)


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


def _shown(path: Path) -> str:
    try:
        return path.resolve().relative_to(ROOT).as_posix()
    except ValueError:
        return str(path)
