"""The command of a job: the one wrapper with the job's place, identity and files. Rules and job scripts share it.

Only the standard library is used here, because a program that is started for every job imports this module.
"""

import shlex
from collections.abc import Callable, Collection, Mapping
from typing import Any

NamedFiles = Callable[..., str]
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


def named_files(
    together: Mapping[str, str] | None = None, unread: Collection[str] = (), outputs: str | None = None
) -> NamedFiles:
    """A function for a rule's param `files`: its inputs and outputs as the wrapper's options, by their names.

    `together` gives an input the name of another; `unread` are inputs that are waited for and not read; `outputs` is
    one name for all outputs, in place of theirs. Snakemake does not count a param that takes `input` or `output` among
    what makes a result stale.
    """
    renamed = together or {}

    def files(wildcards: Any, input: Any, output: Any) -> str:
        given: dict[str, list[str]] = {}
        for name, paths in input.items():
            if name not in unread:
                given.setdefault(renamed.get(name, name), []).extend(_listed(paths))
        made: dict[str, list[str]] = {}
        for name, paths in output.items():
            made.setdefault(outputs or name, []).extend(_listed(paths))
        options = [("--input", name, paths) for name, paths in given.items()]
        options += [("--output", name, paths) for name, paths in made.items()]
        return " ".join(shlex.join([option, name, *paths]) for option, name, paths in options if paths)

    return files


def _listed(paths: Any) -> list[str]:
    return [str(paths)] if isinstance(paths, str) else [str(path) for path in paths]
