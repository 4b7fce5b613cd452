"""A trained depth network read back from its run's folder, pruned at the depth that its posterior chose.

from pathlib import Path
from workflow_scripts.depth.trained_network import load_depth_network

group = Path("results/demo/depth/max_depth_seed-1_spirals_ldn_D0-15_width-20")
network = load_depth_network(group / "max_depth_ldn_D5_width-20_seed-1")
probabilities = network.predict(points)  # float32 (n, 2), standardised as the training points; or uint8 images
"""

import pickle
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from workflow_scripts.data.augment import normalise
from workflow_scripts.data.normalised import Normalised, require_images
from workflow_scripts.depth.networks import DepthNetwork, prune
from workflow_scripts.depth.posterior import (
    FixedPosterior,
    mixture_log_probabilities,
    optimal_depth,
    prune_log_q,
    pruned_log_probabilities,
)
from workflow_scripts.depth.run_folder import read_part, read_settings
from workflow_scripts.depth.run_setup import build
from workflow_scripts.depth.training import DepthModel
from workflow_scripts.study.cell_job_settings import Images
from workflow_scripts.study.depth_settings import ImageRun


@dataclass(frozen=True)
class FoundDepthNetwork:
    """A trained network with its posterior, and the images it learnt from; None for spirals."""

    model: DepthModel
    images: Images | None

    @property
    def depth(self) -> int:
        """d_opt, blocks: the first depth whose q is near the largest; D of a network of fixed depth."""
        return optimal_depth(self.model.posterior.log_q().exp())

    @torch.no_grad()
    def predict(self, x: Tensor) -> Tensor:
        """Class probabilities (n, classes) of the network pruned at `depth`, in full precision.

        Of uint8 images (n, channels, side, side), or of points (n, 2) in float32, standardised as those of the
        training. Raises ValueError for others.
        """
        if self.images is not None:
            require_images(x, self.images.channels, self.images.side)
            x = normalise(x, self.images.mean, self.images.deviation)
        elif x.dtype != torch.float32 or x.shape[1:] != (2,):
            raise ValueError(f"points are {x.dtype} {tuple(x.shape)}, this network takes float32 (n, 2)")
        network, log_q = self.model.network.eval(), self.model.posterior.log_q()
        if isinstance(self.model.posterior, FixedPosterior):
            return network.deepest(x).softmax(1)
        return pruned_log_probabilities(network(x), log_q, self.depth).exp()

    @torch.no_grad()
    def module(self) -> nn.Module:
        """The same as one plain module in evaluation mode, with copies of the weights; images are normalised inside."""
        network = prune(self.model.network, self.depth)
        network.layout = "modules"
        fixed = isinstance(self.model.posterior, FixedPosterior)
        pruned = _Pruned(network, None if fixed else prune_log_q(self.model.posterior.log_q(), self.depth))
        return (pruned if self.images is None else Normalised(pruned, self.images.mean, self.images.deviation)).eval()


class _Pruned(nn.Module):
    """Probabilities of all depths mixed by q; without q those of the last one."""

    def __init__(self, network: DepthNetwork, log_q: Tensor | None) -> None:
        super().__init__()
        self.network = network
        self.log_q: Tensor | None
        self.register_buffer("log_q", log_q)

    def forward(self, x: Tensor) -> Tensor:
        if self.log_q is None:
            return self.network.deepest(x).softmax(1)
        return mixture_log_probabilities(self.network(x), self.log_q).exp()


def load_depth_network(folder: Path) -> FoundDepthNetwork:
    """The network of a run's folder, on the CPU. Raises ValueError, in one sentence, when it holds none."""
    run = read_settings(folder)
    outcome = read_part(folder / "outcome.json").get("outcome")
    model = build(run)
    try:
        model.load_state_dict(torch.load(folder / "weights.pt", map_location="cpu", weights_only=True))
    except FileNotFoundError:
        raise ValueError(f"{folder}: it has no weights; its training has the outcome {outcome}") from None
    except (OSError, KeyError, TypeError, ValueError, RuntimeError, pickle.UnpicklingError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{folder}: it has no readable trained network ({reason[:200]})") from None
    return FoundDepthNetwork(model, run.data.images if isinstance(run.data, ImageRun) else None)
