"""A training of the depth search on spirals against the plain reference."""

import time

import torch

from workflow_scripts.benchmark.paired_timing import Comparison, Work, compare, timed
from workflow_scripts.depth import compiled
from workflow_scripts.depth.run_setup import build, load
from workflow_scripts.reference import depth as reference
from workflow_scripts.study.depth_settings import DepthRun

SECONDS = 1.0  # that the reference's part of a round takes, about


def depth_run(max_depth: int, rounds: int) -> Comparison:
    """An LDN of the paper's spirals, width 20, 200 training points; unlike ours the reference tests nothing."""
    run = _run(max_depth)
    start = time.perf_counter()
    _theirs(run, 4)
    epochs = max(4, round(4 * SECONDS / (time.perf_counter() - start)))
    return compare(depth_work(max_depth, epochs), timed(lambda: _theirs(run, epochs)), "plain reference", rounds)


def depth_work(max_depth: int, epochs: int) -> Work:
    """Our training of the same."""
    run = _run(max_depth)
    return Work("depth run", f"LDN, D={max_depth}, {epochs} epochs", timed(lambda: _ours(run, epochs)))


def _run(max_depth: int) -> DepthRun:
    return DepthRun(model="ldn", max_depth=max_depth, data_seed=1, weight_seed=1)


def _ours(run: DepthRun, epochs: int) -> None:
    data = load(run)
    settings = run.training.model_copy(update={"epochs": epochs, "patience": epochs})
    compiled.train(build(run), data.train, data.held_out, settings, torch.Generator())


def _theirs(run: DepthRun, epochs: int) -> None:
    x, y = load(run).train
    config = {"method": "LDN", "max_depth": run.max_depth, "prior_decay": run.prior_decay, "weight_decay": 0.0}
    config |= {"learning_rate": run.training.learning_rate, "momentum": run.training.momentum, "epochs": epochs}
    reference.train(
        reference.fully_connected_network(2, run.width, run.max_depth, num_classes=2, learnt=True), x, y, config
    )
