"""Opening a study inside the Snakefile: configuration in, its plan out; a mistake ends in one sentence."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from workflow_scripts.study.job_plan import Plan
from workflow_scripts.study.name_checks import suggestion
from workflow_scripts.study.strict_yaml import UnclearValue, load_yaml
from workflow_scripts.study.study import REHEARSAL, Study, StudyError, command_line_layer, load_study, merge, read_layer

ROOT = Path(__file__).parents[2]
LOCAL = ROOT / "config" / "local.yaml"

FIGURES_ONLY = "figures_only"
"""A key of --config that steers the workflow and is not part of a study."""


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
            raise StudyError(f"{_shown(path)}: there is no such study{suggestion(path.stem, study_names())}")
    layers = [read_layer(path, _shown(path)) for path in config_files]
    if LOCAL.is_file():
        layers.append(read_layer(LOCAL, "config/local.yaml"))
    layers.append(command_line_layer(command_line))
    return load_study(layers)


def open_study(workflow: Any) -> Plan:
    """The plan of the study Snakemake was started with; ends the program with one sentence on a mistake."""
    settings = workflow.config_settings
    try:
        given = _given(settings.config_args)
        figures_only = _truth(FIGURES_ONLY, given.pop(FIGURES_ONLY, False))
        study = load([Path(path) for path in settings.configfiles or ()], given)
    except StudyError as error:
        sys.exit(str(error))
    return Plan(study, existing_only=figures_only)


def _given(entries: Sequence[str]) -> dict[str, Any]:
    """The settings of `--config KEY=VALUE ...`, from its words: Snakemake takes everything in braces for text."""
    given: dict[str, Any] = {}
    for key, _, text in (entry.partition("=") for entry in entries):
        try:
            value = text if key == "set" and not text.startswith(("[", "'", '"')) else load_yaml(text)
        except UnclearValue as error:
            raise StudyError(f"--config: {key}: {error.problem}") from None
        except yaml.YAMLError:
            raise StudyError(f"--config: {key} has a value that is not valid YAML: {text}") from None
        given = merge(given, {key: value}, "--config")
    return given


def _truth(key: str, value: Any) -> bool:
    try:
        return TypeAdapter(bool).validate_python(value)
    except ValidationError:
        given = "empty" if value is None else value
        raise StudyError(f"--config: {key} is {given}; allowed: true or false") from None


def _shown(path: Path) -> str:
    try:
        return path.resolve().relative_to(ROOT).as_posix()
    except ValueError:
        return str(path)
