"""This checkout against an earlier one: each row is measured in both in turn, by processes of each."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from workflow_scripts.benchmark.paired_timing import Comparison, Measure, Spent, Work, comparisons, in_turn
from workflow_scripts.benchmark.rows import ROWS

HERE = Path(__file__).parents[2]
PROCESS_FILE = Path(__file__).with_name("checkout_process.py")
ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS")}
ROUNDS = 7


class SideError(Exception):
    """Something that cannot be measured in one of the checkouts; its text is one sentence."""


def is_checkout(folder: Path) -> bool:
    """Whether a folder holds this project's code."""
    return (folder / "workflow_scripts" / "__init__.py").is_file()


def against(
    folder: Path, rows: Sequence[str], rounds: int | None, complain: Callable[[str], None]
) -> Iterator[Comparison]:
    """Measure rows, here and in `folder`, in turn; what cannot be measured is complained of and left out.

    Without `rounds`, seven of each, and one of those that are long.
    """
    with ExitStack() as stack:
        ours, theirs = (stack.enter_context(_Side(each)) for each in (HERE, folder))
        for name in rows:
            row = ROWS[name]
            times = rounds or (1 if row.long else ROUNDS)
            try:
                if row.process == "kept":
                    yield from _by_kept_processes(name, ours, theirs, times)
                else:
                    yield from _by_new_processes(name, folder, times)
            except SideError as error:
                complain(f"{name}: {error}")


def _by_kept_processes(name: str, ours: "_Side", theirs: "_Side", rounds: int) -> Iterator[Comparison]:
    for side in (ours, theirs):
        side.ask(f"begin {name}")
    while True:
        here, there = ours.ask("next"), theirs.ask("next")
        if "end" in here or "end" in there:
            return
        if not ROWS[name].long:
            for side in (ours, theirs):
                side.spent()  # compiles, writes bytecode and fills caches
        spent = in_turn(ours.spent, theirs.spent, rounds)
        yield from comparisons(_work(here, ours.spent), spent, theirs.folder.name)


def _by_new_processes(name: str, folder: Path, rounds: int) -> Iterator[Comparison]:
    """Of a row with one line."""

    def ours() -> Spent:
        return _anew(name, HERE)[1]

    def theirs() -> Spent:
        return _anew(name, folder)[1]

    described, _ = _anew(name, HERE)
    theirs()
    yield from comparisons(_work(described, ours), in_turn(ours, theirs, rounds), folder.resolve().name)


def _anew(name: str, folder: Path) -> tuple[dict[str, Any], Spent]:
    """The description of a row's line, and what it took in a process of its own."""
    with tempfile.TemporaryDirectory() as empty:
        variables = {"NUMBA_CACHE_DIR": empty} if ROWS[name].process == "cold" else {}
        with _Side(folder, variables) as side:
            side.ask(f"begin {name}")
            return side.ask("next"), side.spent()


def _work(described: Mapping[str, Any], measure: Measure) -> Work:
    return Work(described["name"], described["setting"], measure, tuple(described["compared"]))


class _Side:
    """The process that measures in one checkout; it is started when it is first asked, and anew where it died."""

    def __init__(self, folder: Path, variables: Mapping[str, str] | None = None) -> None:
        """`variables` of the environment are set for the process."""
        self.folder, self.variables = folder.resolve(), variables or {}
        self.process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.process is not None:
            self.process.communicate()

    def ask(self, request: str) -> dict[str, Any]:
        """Its answer. Raises SideError where it has none."""
        process = self.process = self.process or self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(f"{request}\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            self.process = None
            raise SideError(f"its process in {self.folder} ended with status {process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise SideError(f"it cannot be measured in {self.folder} ({answer['error']})")
        return answer

    def spent(self) -> Spent:
        """What doing once what is in hand takes."""
        return self.ask("measure")

    def _started(self) -> "subprocess.Popen[str]":
        command = [sys.executable, "-P", str(PROCESS_FILE)]  # without this file's folder on the path
        environment = {**os.environ, **ONE_THREAD, "PYTHONPATH": str(self.folder), **self.variables}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        pipe = subprocess.PIPE
        return subprocess.Popen(command, cwd=self.folder, env=environment, stdin=pipe, stdout=pipe, text=True)
