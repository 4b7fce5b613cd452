"""The command of a job: the one wrapper with the job's place, identity and files. Rules and job scripts share it.

Only the standard library is used here, because a program that is started for every job imports this module.
"""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

ANEW = "NAS_ANEW"
"""Set in the environment where a person asked for what could be put back to be computed: --force and its kin."""


def job_command(root: str, log: str, identity: str, files: str, *more: str, gpu: str | int = 0) -> str:
    """The shell command that runs a job; but for the path `root`, its arguments are texts of a shell, quoted already.

    `gpu` is the number of devices that it was given.
    """
    wrapper = f"python -m workflow_scripts.run --root {shlex.quote(root)} --log {log} --job {identity} {files}"
    return " ".join([wrapper, *([f"--gpu {gpu}"] if gpu else []), *more])


def rule_command(root: str, *more: str, gpu: bool = False) -> str:
    """The same as a rule's `shell`, for a rule with the params `job` and `files`, and with the resource `gpu`."""
    devices = "{resources.gpu}" if gpu else 0
    forced = f"${{{{{ANEW}:+--anew}}}}"
    return job_command(root, "{log:q}", "{params.job:q}", "{params.files}", forced, *more, gpu=devices)


def access_option(access: str) -> str:
    """The wrapper's option that says where data may come from; its braces doubled, as Snakemake formats commands."""
    return "--access " + shlex.quote(access).replace("{", "{{").replace("}", "}}")


def named_files(wildcards: Any, input: Any, output: Any) -> str:
    """For a rule's param `files`: its inputs and outputs as the wrapper's options, by their names.

    Snakemake does not count a param that takes `input` or `output` among what makes a result stale.
    """
    given, made = ({name: _listed(paths) for name, paths in files.items()} for files in (input, output))
    return file_options(given, made)


def file_options(inputs: Mapping[str, Sequence[str]], outputs: Mapping[str, Sequence[str]]) -> str:
    """The wrapper's options for files by their names, quoted for a shell."""
    options = [("--input", name, paths) for name, paths in inputs.items()]
    options += [("--output", name, paths) for name, paths in outputs.items()]
    return " ".join(shlex.join([option, name, *paths]) for option, name, paths in options if paths)


def _listed(paths: Any) -> list[str]:
    return [str(paths)] if isinstance(paths, str) else [str(path) for path in paths]
