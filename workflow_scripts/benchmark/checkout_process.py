"""One checkout's side of a comparison: a process that does and measures one thing after another as it is asked.

It runs in the checkout that is measured, whose code it imports, but for what measures: the packages in FROM_HERE are
those of this file's own checkout, so that both sides are measured by the same code, which an earlier checkout may lack.

Requests are lines on standard input: `begin ROW`, `next` (get the row's next thing ready), `measure` (do it once). Each
is answered by one line of JSON on standard output; what the measured code prints goes to standard error.
"""

import json
import os
import sys
from collections.abc import Generator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workflow_scripts.benchmark.paired_timing import Work

HERE = Path(__file__).parents[2]
FROM_HERE = ("workflow_scripts.benchmark", "workflow_scripts.reference")


def main() -> None:
    """Answer until standard input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for package in FROM_HERE:
        _take(package)
    row = _Row()
    for line in sys.stdin:
        try:
            answer = row.answer(*line.split())
        except Exception as error:  # whatever an earlier checkout lacks
            answer = {"error": " ".join(f"{type(error).__name__}: {error}".split())}
        print(json.dumps(answer), file=answers, flush=True)
    row.end()


class _Row:
    """The row in hand."""

    def __init__(self) -> None:
        self.works: Generator[Work] | None = None
        self.work: Work | None = None

    def answer(self, request: str, name: str = "") -> dict[str, Any]:
        if request == "begin":
            from workflow_scripts.benchmark.rows import ROWS

            self.end()
            self.works = ROWS[name].works()
            return {}
        if request == "next":
            assert self.works is not None
            self.work = None
            self.work = next(self.works, None)
            if self.work is None:
                return {"end": True}
            return {"name": self.work.name, "setting": self.work.setting, "compared": self.work.compared}
        assert self.work is not None
        return self.work.measure()

    def end(self) -> None:
        """Let the row remove what it made."""
        self.work = None
        if self.works is not None:
            self.works.close()


def _take(package: str) -> None:
    """Let a package's modules come from this file's checkout, whatever is first on the path."""
    sys.modules[package] = module = ModuleType(package)
    module.__path__ = [str(HERE.joinpath(*package.split(".")))]


if __name__ == "__main__":
    main()
