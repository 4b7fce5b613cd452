"""Opening a study inside the Snakefile: configuration in, its plan out; a mistake ends in one sentence."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from workflow_scripts.study.job_plan import Plan
from workflow_scripts.study.name_checks import suggestion
from workflow_scripts.study.study import (
    REHEARSAL,
    Study,
    StudyError,
    command_line_layer,
    load_study,
    merge,
    read_layer,
    typed_value,
)

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "config"
LOCAL = CONFIG / "local.yaml"

FIGURES_ONLY = "figures_only"
"""A key of --config that steers the workflow and is not part of a study."""


def study_names() -> list[str]:
    """The studies that come with the repository or were added to it, sorted; no rehearsals, which are made of them."""
    names = (path.stem for path in CONFIG.glob("*.yaml") if path != LOCAL)
    return sorted(name for name in names if not name.endswith(REHEARSAL))


def load(config_files: Sequence[Path], command_line: dict[str, Any], local: bool = True) -> Study:
    """The study of the given files, under `config/local.yaml` where `local` holds, and the command line.

    Raises StudyError.
    """
    if not config_files:
        raise StudyError(f"no study was named; give --configfile config/NAME.yaml ({', '.join(study_names())})")
    for path in config_files:
        if not path.exists():
            raise StudyError(f"{_shown(path)}: there is no such study{suggestion(path.stem, study_names())}")
    layers = [read_layer(path, _shown(path)) for path in config_files]
    if local and LOCAL.is_file():
        layers.append(read_layer(LOCAL, "config/local.yaml"))
    layers.append(command_line_layer(command_line))
    return load_study(layers)


def named_study(file: Path, changes: str | None = None, local: bool = True) -> Study:
    """The study that a command names, with the settings that its `--set` changes; `local` as for `load`.

    Raises StudyError.
    """
    return load([file], {} if changes is None else {"set": changes}, local)


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
        is_text = key == "set" and not text.startswith(("[", "'", '"'))
        value = text if is_text else typed_value("--config", key, text, "valid YAML")
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
