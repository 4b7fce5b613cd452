"""Programs that are started to be measured, in copies of a checkout."""

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import workflow_scripts
from workflow_scripts.benchmark.paired_timing import CLOCK, PROCESSOR, Spent

ROOT = Path(workflow_scripts.__path__[0]).parent
"""The checkout that is measured."""
PARTS = ("Makefile", "Snakefile", "rules", "workflow_scripts", "figures", "config", "envs", "profiles")
"""Of the checkout, that a run needs."""
LEFT_OUT = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "NUMBA_CACHE_DIR")
"""Variables that would let a copy run other code, or keep its bytecode and its compiled loops elsewhere."""


def environment() -> dict[str, str]:
    """That of a program which runs in a copy."""
    return {name: value for name, value in os.environ.items() if name not in LEFT_OUT}


@contextmanager
def copy_of_checkout() -> Iterator[Path]:
    """The files that a run needs, without what was compiled, in a folder that is removed at the end."""
    with tempfile.TemporaryDirectory() as base:
        tree = Path(base) / "tree"
        tree.mkdir()
        for part in PARTS:
            if (ROOT / part).is_dir():
                shutil.copytree(ROOT / part, tree / part, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(ROOT / part, tree / part)
        yield tree


def spent_by(command: Sequence[str], folder: Path) -> Spent:
    """What a program and all that it starts take. Raises RuntimeError, with its last line, where it fails."""
    clock, before = time.perf_counter(), _processor_seconds()
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True)
    spent = {CLOCK: time.perf_counter() - clock, PROCESSOR: _processor_seconds() - before}
    if done.returncode:
        words = " ".join(command).replace(sys.executable, "python")
        printed = [line for line in (done.stdout + done.stderr).splitlines() if not line.startswith("make:")]
        raise RuntimeError(f"{words} ended with status {done.returncode}: {(printed or ['it printed nothing'])[-1]}")
    return spent


def _processor_seconds() -> float:
    """Of all processes that this one started and that have ended, with those that they started."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
