"""Python that has loaded libraries: commands of a copied workflow run in processes forked from it.

Loading the libraries takes longer than most of these commands. Their own modules they load themselves, from the copy.
"""

import gc
import importlib
import json
import os
import runpy
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

LIBRARIES = ("filelock", "pandas", "pydantic", "snakemake.cli", "snakemake.persistence.file", "snakemake.report", "yte")


def run_module(
    tree: Path, module: str, *arguments: str, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """As `python -m MODULE ARGUMENTS` in the folder `tree`; what it printed and its exit status."""
    loaded = _loaded()
    assert loaded.stdin is not None and loaded.stdout is not None
    with tempfile.TemporaryDirectory() as folder:
        printed = [Path(folder) / name for name in ("output", "errors")]
        asked = [str(tree), module, arguments, environment or dict(os.environ), *map(str, printed)]
        print(json.dumps(asked), file=loaded.stdin, flush=True)
        status = int(loaded.stdout.readline())
        return subprocess.CompletedProcess([module, *arguments], status, *(path.read_text() for path in printed))


def end() -> None:
    """End the process that has loaded the libraries, where one was started."""
    if _loaded.cache_info().currsize:
        _loaded().communicate()
        _loaded.cache_clear()


@cache
def _loaded() -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _serve() -> None:
    """Fork for each line of the input; print the exit status."""
    for library in LIBRARIES:
        importlib.import_module(library)
    gc.freeze()  # no process looks for garbage among them
    while line := sys.stdin.readline():
        child = os.fork()
        if child == 0:
            return _run(*json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    return None


def _run(tree: str, module: str, arguments: list[str], environment: dict[str, str], output: str, errors: str) -> None:
    os.chdir(tree)
    os.environ.clear()
    os.environ.update(environment)
    nothing = os.open(os.devnull, os.O_RDONLY)
    written = [os.open(path, os.O_WRONLY | os.O_CREAT) for path in (output, errors)]
    for number, file in enumerate((nothing, *written)):
        os.dup2(file, number)
        os.close(file)
    sys.path[0] = tree
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _serve()
