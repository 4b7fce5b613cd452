"""A trained architecture read back from its evaluation's folder, to predict with.

from pathlib import Path
from workflow_scripts.cells.trained_network import load_found_network

folder = "results/demo/cells/evaluations/s4_fashion_mnist_8x8/darts/l2-0.1_drop-0_seed-1/seed-1"
network = load_found_network(Path(folder))
probabilities = network.predict(images)  # uint8 tensor (n, channels, side, side)
"""

import copy
import pickle
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from workflow_scripts.cells.genotype_network import EvaluationNetwork
from workflow_scripts.cells.operations import Noise
from workflow_scripts.data.augment import normalise
from workflow_scripts.data.normalised import Normalised, require_images
from workflow_scripts.study.cell_job_settings import Images
from workflow_scripts.tables.files import read_json
from workflow_scripts.tables.genotype import parse_genotype


@dataclass(frozen=True)
class FoundNetwork:
    """A trained network and what it needs to know of its images."""

    network: EvaluationNetwork
    images: Images

    @torch.no_grad()
    def predict(self, images: Tensor) -> Tensor:
        """Class probabilities (n, classes) of uint8 images (n, channels, side, side). Raises ValueError for others."""
        require_images(images, self.images.channels, self.images.side)
        self.network.eval()
        logits, _ = self.network(normalise(images, self.images.mean, self.images.deviation), 0.0, torch.Generator())
        return logits.softmax(1)

    def module(self) -> nn.Module:
        """The same as one plain module in evaluation mode, with copies of the weights: from uint8 images, normalised
        inside, to class probabilities (n, classes).

        Raises ValueError for an architecture with the operation noise, whose output is another for the same image.
        """
        if any(isinstance(operation, Noise) for operation in self.network.operations()):
            reason = "draws new numbers for each image, so there is no one output to hand on"
            raise ValueError(f"its architecture has the operation noise, which {reason}")
        network = copy.deepcopy(self.network)
        network.auxiliary_head = None  # for training only
        return Normalised(_Probabilities(network), self.images.mean, self.images.deviation).eval()


class _Probabilities(nn.Module):
    def __init__(self, network: EvaluationNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.network(x)[0]
        return logits.softmax(1)


def load_found_network(folder: Path) -> FoundNetwork:
    """The network of an evaluation's folder, on the CPU. Raises ValueError, in one sentence, when it holds none."""
    try:
        outcome = read_json(folder / "outcome.json")
        weights = torch.load(folder / "weights.pt", map_location="cpu", weights_only=True)
        if "network" not in outcome:
            raise ValueError(f"nothing was trained there ({outcome['outcome']})")
        images = Images.model_validate(outcome["images"])
        built = outcome["network"]
        network = EvaluationNetwork(
            parse_genotype(outcome["architecture"]["genotype_text"]),
            built["init_channels"],
            built["layers"],
            images.classes,
            built["auxiliary"],
            image_channels=images.channels,
        )
        network.load_state_dict(weights)
    except (OSError, KeyError, TypeError, ValueError, RuntimeError, pickle.UnpicklingError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{folder}: it has no readable trained network ({reason[:200]})") from None
    return FoundNetwork(network, images)
