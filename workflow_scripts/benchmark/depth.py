"""A training of the depth search on spirals against the plain reference, and one on images."""

import time

import torch

from workflow_scripts.benchmark.made_up_images import CLASSES, image_settings
from workflow_scripts.benchmark.paired_timing import Comparison, Work, compare, timed
from workflow_scripts.depth import compiled
from workflow_scripts.depth.run_setup import RunData, build, load, train
from workflow_scripts.reference import depth as reference
from workflow_scripts.study.cell_job_settings import layout_of
from workflow_scripts.study.depth_settings import IMAGE_TRAINING, DepthRun, ImageRun

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


def image_work(max_depth: int = 20, width: int = 32, side: int = 16, batch: int = 128, steps: int = 10) -> Work:
    """One epoch of a training on images, with a measurement of as many as are in a batch at its end."""
    settings = {
        "images": image_settings(side, channels=1, augmented=False),
        "train_images": steps * batch,
        "held_out_images": batch,
        "test_images": batch,
        "inner_width": width // 2,
        "bfloat16": False,
        "fidelity": "corrected",
        "layout": layout_of(width // 2),
    }
    known = {name: value for name, value in settings.items() if name in ImageRun.model_fields}  # layout is new
    training = IMAGE_TRAINING.model_copy(update={"epochs": 1, "batch_size": batch})
    run = DepthRun(
        model="ldn",
        max_depth=max_depth,
        width=width,
        data=ImageRun(**known),
        training=training,
        data_seed=1,
        weight_seed=1,
    )
    draws = torch.Generator().manual_seed(1)
    x = torch.randn((steps + 1) * batch, 1, side, side, generator=draws)
    y = torch.randint(0, CLASSES, ((steps + 1) * batch,), generator=draws)
    held_out = (x[-batch:], y[-batch:])
    data = RunData((x[:-batch], y[:-batch]), held_out, held_out)
    setting = f"LDN, D={max_depth}, C={width}/{width // 2}, {side}x{side}, batch {batch}"
    return Work(f"image depth, {steps} steps", setting, timed(lambda: train(build(run), data, run)))


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
