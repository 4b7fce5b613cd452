"""How fast we are, against the plain reference or the naive way in the same process, or against an earlier checkout.

Each thing is done in both ways in turn, on one thread, data included. Times are medians over the rounds; ratios are
taken round by round, and shown with the lowest and the highest. The plain reference (workflow_scripts/reference) is the
published code's way in current PyTorch: it dispatches about as many operations, and its data loader is the published
one.

    python -m workflow_scripts.benchmark                                   everything; a quarter of an hour
    python -m workflow_scripts.benchmark --only depth data --rounds 3
    python -m workflow_scripts.benchmark --json benchmark.json

With --against, the other is what an earlier checkout does, such as a git worktree: each row of docs/performance.md is
measured in both in turn, by processes of each with the same Python and packages, and by this checkout's code. Times are
of processors, except where the clock is named.

    python -m workflow_scripts.benchmark --against ../earlier              all but the long rows; an hour
    python -m workflow_scripts.benchmark --against ../earlier --rows training job_start
    python -m workflow_scripts.benchmark --against ../earlier --long       and the long rows, once each; two hours
"""

import argparse
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from workflow_scripts.benchmark.checkouts import ROUNDS, against, is_checkout
from workflow_scripts.benchmark.paired_timing import HEADER, Comparison
from workflow_scripts.benchmark.parts import PARTS, Found
from workflow_scripts.benchmark.rows import ROWS
from workflow_scripts.runtime.command_line import documented_parser
from workflow_scripts.tables.files import write_json


def main(arguments: list[str] | None = None) -> int:
    """Measure, print a table and write the JSON that was asked for; returns the exit status."""
    options = _options(arguments)
    facts = machine()
    print(f"One thread; {', '.join(f'{key} {value}' for key, value in facts.items())}")
    print(HEADER)
    compared, counted, complaints = list[dict[str, Any]](), list[dict[str, Any]](), list[str]()
    for found in _found(options, complaints):
        if isinstance(found, Comparison):
            print(found.line(), flush=True)
            compared.append(found.numbers())
        else:
            name, numbers = found
            print(f"{name}: " + ", ".join(f"{key} {_short(value)}" for key, value in numbers.items()), flush=True)
            counted.append({"name": name, **numbers})
    print(*complaints, sep="\n", end="\n" if complaints else "", file=sys.stderr)
    if options.json:
        written = {"machine": facts, "compared": compared, "counted": counted}
        write_json(options.json, written)
    return 1 if complaints else 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = documented_parser("benchmark", __doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--against", type=_checkout, metavar="FOLDER", help="compare with this checkout, side by side")
    parser.add_argument("--rows", nargs="+", choices=ROWS, metavar="ROW", help=f"with --against: {', '.join(ROWS)}")
    parser.add_argument("--long", action="store_true", help="with --against: also the long rows")
    parser.add_argument("--rounds", type=_positive, help=f"measurements of each, in turn ({ROUNDS}; of long rows 1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write what was measured to this file")
    options = parser.parse_args(arguments)
    if options.against is None and (options.rows or options.long):
        parser.error("--rows and --long are for a comparison with an earlier checkout; name it with --against")
    if options.against is not None and options.only:
        parser.error("--only chooses parts measured against the plain reference; with --against, choose with --rows")
    if options.rows and options.long:
        parser.error("--rows already names what is measured; leave --long out")
    return options


def _found(options: argparse.Namespace, complaints: list[str]) -> Found:
    """What the command line asks to measure; what cannot be measured is added to `complaints`."""
    if options.against is not None:
        rows = options.rows or [name for name, row in ROWS.items() if options.long or not row.long]
        yield from against(options.against, rows, options.rounds, complaints.append)
        return
    import torch

    torch.set_num_threads(1)
    for part in options.only or PARTS:
        yield from PARTS[part](options.rounds or ROUNDS)


def machine() -> dict[str, str]:
    """The processor and the versions that decide how fast things are."""
    versions = {package: version(package) for package in ("torch", "numba", "numpy")}
    return {"processor": _processor(), "Python": platform.python_version(), **versions}


def _processor() -> str:
    """The processor's name, where the system names it."""
    facts = Path("/proc/cpuinfo")
    named = [line for line in facts.read_text().splitlines() if line.startswith("model name")] if facts.exists() else []
    return named[0].partition(":")[2].strip() if named else platform.processor() or platform.machine()


def _short(value: Any) -> str:
    if isinstance(value, list):
        return "(" + " ".join(_short(each) for each in value) + ")"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return number


def _checkout(text: str) -> Path:
    if not is_checkout(folder := Path(text)):
        raise argparse.ArgumentTypeError(f"{text} is not a checkout of this project: it holds no workflow_scripts")
    return folder
