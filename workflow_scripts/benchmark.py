"""How fast trainings are, against the plain reference in the same process: python -m workflow_scripts.benchmark

Prints, for fully connected depth networks of the paper's spirals (width 20, 200 training points), run-epochs per second
of the compiled training, of the torch path and of the plain reference (tests/reference), one thread each. The three
take turns; figures are medians over the rounds, ratios are taken round by round.

    python -m workflow_scripts.benchmark --depths 5 20 --rounds 3 --json benchmark.json
"""

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import torch

from tests.reference import depth as reference
from workflow_scripts.depth import compiled, training
from workflow_scripts.depth.runs import build, load
from workflow_scripts.study.depth import DepthRun

DEPTHS = (5, 20, 50, 100)
SECONDS = 1.0  # that each measurement takes, about

Train = Callable[[int], None]  # for a number of epochs


def main(arguments: list[str] | None = None) -> int:
    """Measure, print a table and write the JSON that was asked for; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m workflow_scripts.benchmark",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--depths", type=_depth, nargs="+", default=DEPTHS, metavar="D", help="residual blocks")
    parser.add_argument("--rounds", type=_positive, default=5, help="measurements of each, in turn (default 5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write what was measured to this file")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    machine = {"processor": _processor(), "torch": torch.__version__, "numba": numba.__version__}
    print(f"Run-epochs per second, one thread, median of {options.rounds} rounds; {', '.join(machine.values())}")
    print(f"{'D':>4} {'compiled':>10} {'torch':>10} {'reference':>10}   compiled / reference (lowest to highest)")
    rows = []
    for depth in options.depths:
        row = measure(depth, options.rounds)
        rows.append(row)
        ratios = row["ratios"]
        print(
            f"{depth:>4} {row['compiled']:>10.0f} {row['torch']:>10.0f} {row['reference']:>10.0f}   "
            f"{statistics.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f})",
            flush=True,
        )
    if options.json:
        options.json.write_text(json.dumps({"machine": machine, "depth_run": rows}, indent=2) + "\n")
    return 0


def measure(max_depth: int, rounds: int) -> dict[str, Any]:
    """Run-epochs per second of the three trainings of an LDN, and the ratio of the first to the last in each round."""
    run = DepthRun(model="ldn", max_depth=max_depth, data_seed=1, weight_seed=1)
    trainings = {
        "compiled": _ours(compiled.train, run),
        "torch": _ours(training.train, run),
        "reference": _reference(run),
    }
    epochs = {name: _epochs_that_take(SECONDS, train) for name, train in trainings.items()}
    rates: dict[str, list[float]] = {name: [] for name in trainings}
    for _ in range(rounds):
        for name, train in trainings.items():
            rates[name].append(epochs[name] / _seconds(train, epochs[name]))
    ratios = [ours / theirs for ours, theirs in zip(rates["compiled"], rates["reference"], strict=True)]
    return {
        "max_depth": max_depth,
        **{name: statistics.median(measured) for name, measured in rates.items()},
        "ratios": ratios,
    }


def _ours(train: Callable[..., training.Result], run: DepthRun) -> Train:
    data = load(run)

    def for_epochs(epochs: int) -> None:
        settings = run.training.model_copy(update={"epochs": epochs, "patience": epochs})
        train(build(run), data.train, data.held_out, settings, torch.Generator())

    return for_epochs


def _reference(run: DepthRun) -> Train:
    """The plain loop; unlike ours it neither measures test points nor keeps the best weights."""
    x, y = load(run).train
    config = {"method": "LDN", "max_depth": run.max_depth, "prior_decay": run.prior_decay, "weight_decay": 0.0}
    config |= {"learning_rate": run.training.learning_rate, "momentum": run.training.momentum}

    def for_epochs(epochs: int) -> None:
        network = reference.fully_connected_network(2, run.width, run.max_depth, num_classes=2, learnt=True)
        reference.train(network, x, y, {**config, "epochs": epochs})

    return for_epochs


def _epochs_that_take(seconds: float, train: Train) -> int:
    """How many epochs take about that long, once the first, which compiles, is over."""
    train(2)
    epochs = 4
    while (taken := _seconds(train, epochs)) < seconds / 4:
        epochs *= 2
    return max(1, round(epochs * seconds / taken))


def _seconds(train: Train, epochs: int) -> float:
    start = time.perf_counter()
    train(epochs)
    return time.perf_counter() - start


def _processor() -> str:
    """The processor's name, where the system tells it."""
    facts = Path("/proc/cpuinfo")
    named = [line for line in facts.read_text().splitlines() if line.startswith("model name")] if facts.exists() else []
    return named[0].partition(":")[2].strip() if named else platform.processor() or platform.machine()


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return number


def _depth(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text} is less than 0")
    return number


if __name__ == "__main__":
    sys.exit(main())
