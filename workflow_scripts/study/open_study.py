"""Opening a study inside the Snakefile: configuration in, jobs out; a mistake ends in one sentence."""

import shlex
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
ANEW = "anew"  # set by the process that a person starts, for those that it starts on a cluster, and never by a person


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
    given = dict(settings.config or {})
    if not workflow.is_main_process:
        given.pop(ANEW, None)
    try:
        study = load([Path(path) for path in settings.configfiles or ()], given)
    except StudyError as error:
        sys.exit(str(error))
    return Jobs(study, existing_only=bool(config.get(FIGURES_ONLY)))


def shell_prefix(workflow: Any) -> str:
    """What goes before each shell command: whether it computes `anew`, and that `python` is the one running Snakemake.

    The latter not where a conda environment is asked for, which brings its own.
    """
    anew = f"anew={'--anew' if is_forced(workflow) else ''}; "
    methods = {str(method).lower() for method in workflow.deployment_settings.deployment_method}
    if any("conda" in method for method in methods):
        return anew
    return f"{anew}export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH; "


def is_forced(workflow: Any) -> bool:
    """Whether a person told Snakemake to compute what it could leave alone: --force, --forceall or --forcerun.

    A job on a cluster is started by a Snakemake of its own, always with --force, so there the word of the process that
    submitted it counts. In that one it is known only after the Snakefile was read: from `onstart` on.
    """
    if not workflow.is_main_process:
        return bool(workflow.config_settings.config.get(ANEW))
    asked = workflow.dag_settings
    return asked is not None and bool(asked.forceall or asked.forcerun or asked.forcetargets)


def pass_on_forcing(workflow: Any) -> None:
    """Tell the processes that Snakemake starts on a cluster from now on whether their jobs are forced."""
    settings = workflow.config_settings
    if is_forced(workflow):
        settings.config_args = [*(settings.config_args or ()), f"{ANEW}=true"]


def command(root: str, *arguments: str, access: str | None = None) -> str:
    """The shell command of a rule: the wrapper with the job's place and identity, then its inputs and outputs.

    The prefix of all commands sets `$anew`. `access` is JSON for the wrapper's option of that name; its braces are
    doubled, because Snakemake formats commands.
    """
    wrapper = f"python -m workflow_scripts.run $anew --root {root}"
    quoted = [] if access is None else ["--access " + shlex.quote(access).replace("{", "{{").replace("}", "}}")]
    return " ".join([wrapper, "--log {log} --job {params.job:q}", *arguments, *quoted])


def _shown(path: Path) -> str:
    try:
        return path.resolve().relative_to(ROOT).as_posix()
    except ValueError:
        return str(path)
