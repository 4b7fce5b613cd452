"""One checkout's side of a comparison: a process that does and times one thing after another as it is asked.

It runs in the checkout that is measured, whose code it imports, but for what measures: the packages in FROM_HERE are
those of this file's own checkout, so that both sides are measured by the same code, which an earlier checkout may lack.

Requests are lines on standard input: `begin PART`, `next` (get the part's next thing ready and do it once, which
compiles and fills caches), `measure`. Each is answered by one line of JSON on standard output; what the measured code
prints goes to standard error.
"""

import json
import os
import sys
from collections.abc import Iterator
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
    parts = _Parts()
    for line in sys.stdin:
        try:
            answer = parts.answer(*line.split())
        except Exception as error:  # whatever an earlier checkout lacks
            answer = {"error": " ".join(f"{type(error).__name__}: {error}".split())}
        print(json.dumps(answer), file=answers, flush=True)


class _Parts:
    """The part in hand."""

    def __init__(self) -> None:
        self.works: Iterator[Work] = iter(())
        self.work: Work | None = None

    def answer(self, request: str, part: str = "") -> dict[str, Any]:
        if request == "begin":
            import torch

            from workflow_scripts.benchmark.measurements import WORKS

            torch.set_num_threads(1)
            self.work, self.works = None, WORKS[part]()
            return {}
        if request == "next":
            self.work = None
            self.work = next(self.works, None)
            if self.work is None:
                return {"end": True}
            self.work.measure()
            return {"name": self.work.name, "setting": self.work.setting}
        assert self.work is not None
        return {"seconds": self.work.measure()}


def _take(package: str) -> None:
    """Let a package's modules come from this file's checkout, whatever is first on the path."""
    sys.modules[package] = module = ModuleType(package)
    module.__path__ = [str(HERE.joinpath(*package.split(".")))]


if __name__ == "__main__":
    main()
