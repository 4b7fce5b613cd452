"""This checkout against an earlier one: each thing is done in both in turn, by one process of each."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from workflow_scripts.benchmark.paired_timing import Comparison, Work, in_turn

HERE = Path(__file__).parents[2]
PROCESS_FILE = Path(__file__).with_name("checkout_process.py")
ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS")}


class SideError(Exception):
    """Something that cannot be measured in one of the checkouts; its text is one sentence."""


def is_checkout(folder: Path) -> bool:
    """Whether a folder holds this project's code."""
    return (folder / "workflow_scripts" / "__init__.py").is_file()


def against(folder: Path, parts: Sequence[str], rounds: int, complain: Callable[[str], None]) -> Iterator[Comparison]:
    """Measure the parts, here and in `folder`, in turn; what cannot be measured is complained of and left out."""
    with ExitStack() as stack:
        ours, theirs = (stack.enter_context(_Side(each)) for each in (HERE, folder))
        for part in parts:
            try:
                yield from _compared(part, ours, theirs, rounds)
            except SideError as error:
                complain(f"{part}: {error}")


def _compared(part: str, ours: "_Side", theirs: "_Side", rounds: int) -> Iterator[Comparison]:
    for side in (ours, theirs):
        side.ask(f"begin {part}")
    while True:
        here, there = ours.ask("next"), theirs.ask("next")
        if "end" in here or "end" in there:
            return
        work = Work(here["name"], here["setting"], ours.seconds)
        yield in_turn(work, theirs.seconds, theirs.folder.name, rounds)


class _Side:
    """The process that measures in one checkout; it is started when it is first asked, and anew where it died."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
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

    def seconds(self) -> float:
        """Of doing once what is in hand."""
        return float(self.ask("measure")["seconds"])

    def _started(self) -> "subprocess.Popen[str]":
        command = [sys.executable, "-P", str(PROCESS_FILE)]  # without this file's folder on the path
        environment = {**os.environ, **ONE_THREAD, "PYTHONPATH": str(self.folder)}
        pipe = subprocess.PIPE
        return subprocess.Popen(command, cwd=self.folder, env=environment, stdin=pipe, stdout=pipe, text=True)
