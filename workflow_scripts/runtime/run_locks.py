"""Snakemake's locks on the files of a run, made to end with the run.

They are files in `.snakemake/locks`. A run that is killed, with its terminal, for memory or with its machine, leaves
its own, and later ones are refused until a person unlocks the folder; a run that ends removes those of others, too.
Here each run holds a kernel lock on its own, which any death frees, and removes those that nobody holds.
"""

import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from workflow_scripts.runtime.locks import held, is_free, lock_if_possible

FOLDER = Path(".snakemake/locks")
SECONDS = 10.0
"""For which a run that starts waits for another that does."""


def end_locks_with_runs() -> None:
    """Make Snakemake lock the files of a run for as long as its process lives."""
    from snakemake.persistence.file import FilePersistence

    lock = FilePersistence.lock

    @contextmanager
    def lock_while_alive(persistence: Any) -> Iterator[None]:
        with ExitStack() as stack:
            with lock_if_possible(FOLDER.with_name("starting.lock"), SECONDS):
                left = [file for file in FOLDER.glob("*.lock") if is_free(file)]
                _remove(left)
                if left:
                    print("the lock of an earlier run, which was killed, is removed", file=sys.stderr, flush=True)
                others = set(FOLDER.glob("*.lock"))
                stack.enter_context(lock(persistence))
                own = set(FOLDER.glob("*.lock")) - others
                persistence.unlock = partial(_remove, own)
                for file in own:
                    stack.enter_context(held(file))
            yield

    FilePersistence.lock = lock_while_alive


def _remove(files: Iterable[Path]) -> None:
    for file in files:
        file.unlink(missing_ok=True)
