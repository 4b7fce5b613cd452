"""Step: measure how long forward passes of pruned and of deterministic networks take.

Both are made from one learnt network: all its blocks with the output of the deepest alone, which is the deterministic
network of depth D; and pruned at d_opt, where the blocks after d_opt do not exist and the outputs of all depths that
are left are mixed by q. Forward passes alone are timed, warmed up, in turn. Times are measurements: of all tables only
this one is not the same bytes when it is made again.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from workflow_scripts.depth.networks import prune
from workflow_scripts.depth.posterior import mixture_log_probabilities, prune_log_q
from workflow_scripts.depth.run_folder import read_part, read_runs
from workflow_scripts.depth.run_setup import build, device_of
from workflow_scripts.runtime.progress import Progress
from workflow_scripts.runtime.stopwatch import milliseconds
from workflow_scripts.study.depth_settings import DepthRun, ImageRun
from workflow_scripts.tables.depth_tables import DEPTH_SPEED

USES_GPU = True

WARM_UP, REPEATS = 2, 9
IMAGES_PER_PASS, POINTS_PER_PASS = 64, 512


def run(
    settings: dict[str, Any], inputs: dict[str, list[Path]], outputs: dict[str, list[Path]], progress: Progress
) -> None:
    """Measure every finished LDN in the group folders inputs["folder"]; write outputs["depth_speed"]."""
    learnt = [(path, keys, run) for path, keys, run in read_runs(inputs["folder"]) if run.model == "ldn"]
    rows = []
    for number, (path, keys, depth_run) in enumerate(learnt, start=1):
        outcome = read_part(path / "outcome.json")
        if outcome["outcome"] != "finished":
            continue
        device = device_of(depth_run)
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else ""
        d_opt, points = outcome["d_opt"], _points(depth_run, device)
        deterministic, pruned = _passes(path, depth_run, d_opt, points)
        for repeat in range(-WARM_UP, REPEATS):
            times = milliseconds(deterministic, device), milliseconds(pruned, device)
            if repeat >= 0:
                measured = {"deterministic_milliseconds": times[0], "d_opt_milliseconds": times[1]}
                where = f"{device.type} {name}".strip()
                rows.append(
                    {**keys, "d_opt": d_opt, "batch": len(points), "device": where, "repeat": repeat, **measured}
                )
        progress.advance(number, len(learnt), keys["run"])
    DEPTH_SPEED.write(DEPTH_SPEED.frame(rows), outputs["depth_speed"][0])


def _points(depth_run: DepthRun, device: torch.device) -> torch.Tensor:
    """A batch to predict; what it shows does not matter to the time."""
    data = depth_run.data
    if not isinstance(data, ImageRun):
        return torch.zeros(POINTS_PER_PASS, 2, device=device)
    shape = (IMAGES_PER_PASS, data.images.channels, data.images.side, data.images.side)
    return torch.zeros(shape, device=device).contiguous(memory_format=torch.channels_last)


def _passes(
    path: Path, depth_run: DepthRun, d_opt: int, points: torch.Tensor
) -> tuple[Callable[[], object], Callable[[], object]]:
    """The two forward passes."""
    model = build(depth_run)
    model.load_state_dict(torch.load(path / "weights.pt", weights_only=True))
    model.to(points.device).eval()
    smaller, log_q = prune(model.network, d_opt), prune_log_q(model.posterior.log_q().detach(), d_opt)
    return (
        lambda: torch.softmax(model.computed(model.network.deepest, points), dim=-1),
        lambda: mixture_log_probabilities(model.computed(smaller, points), log_q).exp(),
    )
