"""A run's data and its untrained model, from its settings."""

import torch
from torch import Tensor

from workflow_scripts.data.sets.spirals import spirals
from workflow_scripts.depth.networks import FullyConnectedNetwork
from workflow_scripts.depth.posterior import FixedPosterior, LearntPosterior, Posterior
from workflow_scripts.depth.training import DepthModel
from workflow_scripts.runtime.seeds import stream_seed
from workflow_scripts.study.depth import DepthRun

Points = tuple[Tensor, Tensor]


def build(depth_run: DepthRun) -> DepthModel:
    """The untrained model of a run; its weights depend on the run's weight seed and sizes only."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream_seed(depth_run.weight_seed, "weights"))
        network = FullyConnectedNetwork(2, depth_run.width, depth_run.data.arms, depth_run.max_depth)
    posterior: Posterior = FixedPosterior(depth_run.max_depth)
    if depth_run.model == "ldn":
        posterior = LearntPosterior(depth_run.max_depth, depth_run.prior_decay, depth_run.training.kl_clamp)
    return DepthModel(network, posterior)


def load(depth_run: DepthRun) -> tuple[Points, Points]:
    """Training and test points (x, y) of a run; they depend on its data settings and data seed only."""
    data = depth_run.data
    drawn = spirals(
        data.points,
        data.train_size,
        data.noise,
        data.start_angle_degrees,
        data.stop_angle_degrees,
        data.arms,
        depth_run.data_seed,
    )
    train_points = torch.from_numpy(drawn.x_train), torch.from_numpy(drawn.y_train)
    return train_points, (torch.from_numpy(drawn.x_test), torch.from_numpy(drawn.y_test))
