"""Snakemake's locks on the files of a run, made to end with the run.

They are files in `.snakemake/locks`. A run that is killed, with its terminal, for memory or with its machine, leaves
its own, and later ones are refused until a person unlocks the folder; a run that ends removes those of others, too.
Here each run holds a kernel lock on its own lock files, and removes those that nobody holds.
"""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from workflow_scripts.runtime.locks import held, hold_on_all_machines, is_free, lock_if_possible

SECONDS = 10.0
"""For which a run that starts waits for another that does."""


def end_locks_with_runs() -> None:
    """Make Snakemake lock the files of a run for as long as its process lives."""
    from snakemake.persistence.file import FilePersistence

    lock = FilePersistence.lock

    @contextmanager
    def lock_while_alive(persistence: Any) -> Iterator[None]:
        folder = Path(persistence.path) / "locks"
        with ExitStack() as stack:
            with lock_if_possible(folder.with_name("starting.lock"), SECONDS) as alone:
                if alone and hold_on_all_machines(folder):
                    _remove_unheld(folder)
                    _refuse_common_file(persistence)
                persistence.unlock = partial(_unlock, persistence)
                stack.enter_context(lock(persistence))
                for file in persistence._lockfile.values():
                    stack.enter_context(held(Path(file)))
                stack.callback(persistence.unlock)  # while they are held, so that nobody takes them for left behind
            yield

    FilePersistence.lock = lock_while_alive


def _remove_unheld(folder: Path) -> None:
    """Remove the lock files of runs that were killed. Only with the lock under which others make and hold theirs."""
    left = [file for file in folder.glob("*.lock") if is_free(file)]
    for file in left:
        file.unlink(missing_ok=True)
    if left:
        print("the lock of an earlier run, which was killed, is removed", file=sys.stderr, flush=True)


def _refuse_common_file(persistence: Any) -> None:
    """Raise WorkflowError for a file that another run, which lives, makes or reads: to unlock would be no remedy."""
    from snakemake_interface_common.exceptions import WorkflowError

    read, made = set(map(str, persistence.all_inputfiles())), set(map(str, persistence.all_outputfiles()))
    for kind, file in persistence._read_locks():
        if file in made or (kind == "output" and file in read):
            does = "makes" if kind == "output" else "reads"
            raise WorkflowError(
                f"a run that still goes on {does} {file}, too (two studies may share a data set); "
                "start this one again when that has ended"
            )


def _unlock(persistence: Any) -> None:
    """Remove a run's own lock files."""
    for file in persistence._lockfile.values():
        Path(file).unlink(missing_ok=True)
    persistence._lockfile.clear()
