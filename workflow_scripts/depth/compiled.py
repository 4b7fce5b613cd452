"""Training of a fully connected depth network as one compiled program for a processor.

These networks are so small that a step in torch is mostly the cost of calling its operations. Here an epoch is one
program that numba compiles: BLAS products, and plain loops for the rest. What is computed is what `training.train`
computes, in the precision of the model: objective, batch normalisation, SGD, early stopping and best snapshot.
"""

import math

import numpy as np
import torch
from torch import Tensor

from workflow_scripts.depth.kernels import Array, NetworkShape, evaluate_points, train_epochs
from workflow_scripts.depth.networks import FullyConnectedNetwork
from workflow_scripts.depth.posterior import LearntPosterior
from workflow_scripts.depth.training import DepthModel, Epoch, EpochCallback, Points, Result, closed_form_from, epoch_of
from workflow_scripts.runtime.checkpoint import NO_CHECKPOINT, Checkpoint
from workflow_scripts.runtime.epochs import History, Parts, Tensors, resumed
from workflow_scripts.study.depth_settings import DepthTraining


def can_train(model: DepthModel, settings: DepthTraining, points: Points) -> bool:
    """Whether `train` here can replace `training.train`."""
    plain = settings.learning_rate_cut is None and settings.chosen_by == "training"
    return plain and isinstance(model.network, FullyConnectedNetwork) and points[0].device.type == "cpu"


def train(
    model: DepthModel,
    train_points: Points,
    test_points: Points | None,
    settings: DepthTraining,
    generator: torch.Generator,
    on_epoch: EpochCallback = lambda _: None,
    checkpoint: Checkpoint = NO_CHECKPOINT,
) -> Result:
    """As `training.train`, for a FullyConnectedNetwork on the CPU; minibatches are the same."""
    network = model.network
    assert isinstance(network, FullyConnectedNetwork)
    shape = network.shape
    parameters, running = _tensors(model)
    vector, statistics = (_joined(tensors, parameters[0].dtype) for tensors in (parameters, running))
    momentum, best, best_statistics = np.zeros_like(vector), vector.copy(), statistics.copy()
    prior, clamp = np.zeros(0, vector.dtype), 0.0
    if isinstance(model.posterior, LearntPosterior):
        prior, clamp = model.posterior.log_prior.exp().numpy().astype(vector.dtype), model.posterior.kl_clamp
    x, y = _columns(train_points[0]), train_points[1].numpy()
    points, steps = len(y), math.ceil(len(y) / settings.batch_size)
    rates = np.array([settings.learning_rate, settings.momentum, settings.weight_decay], vector.dtype)

    history, diverged_step = History(Epoch), -1  # the step of an epoch at which a value was not finite
    best_at = np.array([-1, -math.inf])  # epoch and ELBO of the best; -1: none yet
    arrays = (vector, momentum, statistics, best, best_statistics)
    parts: Parts = {"arrays": Tensors([torch.from_numpy(array) for array in (*arrays, best_at)]), "order": generator}
    for first in resumed(history, settings.epochs, parts, checkpoint):
        count = min(1 if first == 0 else settings.test_every, settings.epochs - first)
        orders = np.zeros((count if steps > 1 else 0, points), np.int64)
        for order in orders:
            order[:] = torch.randperm(points, generator=generator).numpy()
        measured = np.zeros((count, steps, 3))
        done, goes_on, diverged_step, best_epoch, best_elbo = train_epochs(
            arrays,
            shape,
            (x, y, orders, settings.batch_size),
            rates,
            (prior, clamp),
            (first, int(best_at[0]), float(best_at[1]), settings.patience),
            closed_form_from(model, settings),
            measured,
        )
        best_at[:] = best_epoch, best_elbo
        for number in range(first, first + done):
            test: tuple[float | None, float | None] = (None, None)
            if test_points is not None and number % settings.test_every == 0:
                test = _test(vector, statistics, shape, len(prior) > 0, test_points)
            history.append(epoch_of(number, measured[number - first].tolist(), points, settings.batch_size, test))
            on_epoch(history[-1])
        if not goes_on:
            break
    best_epoch, best_elbo = int(best_at[0]), float(best_at[1])
    _write(model, vector, statistics, len(history) * steps)
    if best_epoch < 0:
        return Result("diverged", history, None, None, None, len(history), diverged_step)
    if diverged_step >= 0:
        return Result("diverged", history, best_epoch, best_elbo, None, len(history), diverged_step)
    if not (np.isfinite(best).all() and np.isfinite(best_statistics).all()):
        return Result("diverged", history, best_epoch, best_elbo, None, best_epoch, steps - 1)
    last = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    _write(model, best, best_statistics, (best_epoch + 1) * steps)
    snapshot = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.load_state_dict(last)
    return Result("finished", history, best_epoch, best_elbo, snapshot)


def _tensors(model: DepthModel) -> tuple[list[Tensor], list[Tensor]]:
    """The model's parameters in the order of their vector, and its running statistics in the order of theirs."""
    named = dict(model.named_parameters()) | dict(model.named_buffers())
    blocks = range(model.network.max_depth)
    parameters = ["network.input_layer.weight", "network.input_layer.bias", "network.head.weight", "network.head.bias"]
    for layer in ("0.weight", "0.bias", "2.weight", "2.bias"):
        parameters += [f"network.blocks.{block}.layers.{layer}" for block in blocks]
    if isinstance(model.posterior, LearntPosterior):
        parameters.append("posterior.q_logits")
    running = [
        f"network.blocks.{block}.layers.2.{name}" for name in ("running_mean", "running_var") for block in blocks
    ]
    return [named[name].detach() for name in parameters], [named[name] for name in running]


def _joined(tensors: list[Tensor], precision: torch.dtype) -> Array:
    """One vector, a copy; empty where there are no tensors."""
    joined: Array = torch.cat([torch.zeros(0, dtype=precision), *(tensor.flatten() for tensor in tensors)]).numpy()
    return joined


def _write(model: DepthModel, vector: Array, statistics: Array, steps: int) -> None:
    """Put both vectors, and the number of steps taken, into the model."""
    for tensors, values in zip(_tensors(model), (vector, statistics), strict=True):
        at = 0
        for tensor in tensors:
            tensor.copy_(torch.from_numpy(values[at : at + tensor.numel()]).view_as(tensor))
            at += tensor.numel()
    for name, buffer in model.named_buffers():
        if name.endswith("num_batches_tracked"):
            buffer.fill_(steps)


def _columns(x: Tensor) -> Array:
    """Points (N, F) as columns (F, N)."""
    return np.ascontiguousarray(x.numpy().T)


def _test(vector: Array, statistics: Array, shape: NetworkShape, learnt: bool, points: Points) -> tuple[float, float]:
    """Negative log-likelihood and error in percent of the mixed prediction, evaluation mode."""
    y = points[1].numpy()
    nll, wrong, _ = evaluate_points(vector, statistics, shape, learnt, _columns(points[0]), y)
    return nll, 100 * wrong / len(y)
