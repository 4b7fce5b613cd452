"""A run's data and its untrained model, from its settings."""

from dataclasses import dataclass
from pathlib import Path

import torch

from workflow_scripts.data.augment import normalise
from workflow_scripts.data.image_batches import Part, load_part
from workflow_scripts.data.sets.spirals import spirals
from workflow_scripts.depth import compiled, training
from workflow_scripts.depth.networks import ConvolutionalNetwork, DepthNetwork, FullyConnectedNetwork
from workflow_scripts.depth.posterior import FixedPosterior, LearntPosterior, Posterior
from workflow_scripts.depth.prior import log_prior
from workflow_scripts.depth.training import DepthModel, Points
from workflow_scripts.runtime.checkpoint import NO_CHECKPOINT, Checkpoint
from workflow_scripts.runtime.device import compute_device
from workflow_scripts.runtime.seeds import stream, stream_seed
from workflow_scripts.study.depth_settings import DepthRun, ImageRun, SpiralData

WIDTH_FOR_GPU = 256  # units per layer from which fully connected networks use a GPU where there is one


@dataclass(frozen=True)
class RunData:
    """A run's points (x, y) on the device that computes.

    `held_out` are measured during the training, and of images choose the best epoch. They are the test points of
    spirals, and of images in the published form; else training images that train nothing.
    """

    train: Points
    held_out: Points
    test: Points


def device_of(depth_run: DepthRun) -> torch.device:
    """Where a run computes: images and wide layers on a GPU where there is one, small networks on the processor."""
    small = not isinstance(depth_run.data, ImageRun) and depth_run.width < WIDTH_FOR_GPU
    return torch.device("cpu") if small else compute_device()


def build(depth_run: DepthRun) -> DepthModel:
    """The untrained model of a run, on the CPU; its weights depend on the run's weight seed and sizes only."""
    data, learnt = depth_run.data, depth_run.model == "ldn"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream_seed(depth_run.weight_seed, "weights"))
        network: DepthNetwork
        if isinstance(data, ImageRun):
            network = ConvolutionalNetwork(
                data.images.channels,
                depth_run.width,
                data.inner_width,
                data.images.classes,
                depth_run.max_depth,
                per_depth_statistics=learnt and data.fidelity == "corrected",
                layout=data.layout,
            )
            network = network.to(memory_format=torch.channels_last)
        else:
            network = FullyConnectedNetwork(2, depth_run.width, data.arms, depth_run.max_depth)
    posterior: Posterior = FixedPosterior(depth_run.max_depth)
    if learnt:
        posterior = LearntPosterior(log_prior(depth_run), depth_run.training.kl_clamp)
    if isinstance(data, ImageRun):
        return DepthModel(network, posterior, data.bfloat16, head_sees_all=data.fidelity == "published")
    return DepthModel(network, posterior)


def load(depth_run: DepthRun, prepared: Path | None = None, device: torch.device | str = "cpu") -> RunData:
    """The data of a run, which depend on its data settings and data seed only; `prepared` is the file of images."""
    data = depth_run.data
    if isinstance(data, SpiralData):
        return _spirals(data, depth_run.data_seed, device)
    assert prepared is not None, "images come from a prepared file"
    return _images(data, depth_run.data_seed, prepared, device)


def train(
    model: DepthModel,
    data: RunData,
    depth_run: DepthRun,
    on_epoch: training.EpochCallback = lambda _: None,
    checkpoint: Checkpoint = NO_CHECKPOINT,
) -> training.Result:
    """Train the model of a run as its settings say, fully connected networks on a processor in a compiled program."""
    settings, generator = depth_run.training, stream(depth_run.weight_seed, "batches")
    fast = compiled.can_train(model, settings, data.train)
    chosen = compiled.train if fast else training.train
    return chosen(model, data.train, data.held_out, settings, generator, on_epoch, checkpoint)


def _spirals(data: SpiralData, seed: int, device: torch.device | str) -> RunData:
    assert data.train_points is not None, "a job's settings say how many points train"
    drawn = spirals(
        data.points,
        data.train_points,
        data.noise,
        data.start_angle_degrees,
        data.stop_angle_degrees,
        data.arms,
        seed,
    )
    train_points, test_points = (
        (torch.from_numpy(x).to(device), torch.from_numpy(y).to(device))
        for x, y in ((drawn.x_train, drawn.y_train), (drawn.x_test, drawn.y_test))
    )
    return RunData(train_points, test_points, test_points)


def _images(data: ImageRun, seed: int, prepared: Path, device: torch.device | str) -> RunData:
    every, test = (load_part(prepared, part, data.images) for part in ("train", "test"))
    drawn = torch.randperm(len(every), generator=stream(seed, "held out"))
    train_points = _points(every, drawn[: data.train_images], device)
    test_points = _points(test, torch.arange(data.test_images), device)
    if data.held_out_images == 0:
        return RunData(train_points, test_points, test_points)
    held_out = drawn[data.train_images : data.train_images + data.held_out_images]
    return RunData(train_points, _points(every, held_out, device), test_points)


def _points(part: Part, index: torch.Tensor, device: torch.device | str) -> Points:
    """Normalised images (n, C, S, S), channels last, with their classes."""
    images = part.images[index].to(device)
    return normalise(images, part.settings.mean, part.settings.deviation), part.labels[index].to(device)
