"""Makers of test vectors: inputs drawn from a seed, and the values the reference computes from them.

Each function returns the dictionary of one reference vector file: `kind`, `config`, its inputs, `expected`. All tensors
are float64 (labels int64). The weights start from the framework's own initialisation; the BatchNorm parameters and
running statistics are moved off 1 and 0, so that leaving one out shows.
"""

import torch
from torch import nn

from workflow_scripts.reference import depth
from workflow_scripts.reference.evaluation_network import EvaluationNetwork
from workflow_scripts.reference.genotype import parse_genotype
from workflow_scripts.reference.spaces import spaces
from workflow_scripts.reference.supernet import NODES, Supernet

from .expected import Vector, copied_state, expected_values

__all__ = [
    "depth_network_vector",
    "depth_posterior_vector",
    "depth_training_vector",
    "evaluation_vector",
    "expected_values",
    "spaces",
    "supernet_vector",
]

DTYPE = torch.float64


def normal(*shape: int) -> torch.Tensor:
    """N(0, 1) in float64."""
    return torch.randn(*shape, dtype=DTYPE)


@torch.no_grad()
def random_state(module: nn.Module) -> dict[str, torch.Tensor]:
    """The state of a freshly made module in float64, its BatchNorm layers moved off their initial values."""
    module.to(DTYPE)
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            layer.running_mean += 0.1 * normal(layer.num_features)
            layer.running_var += 0.2 * torch.rand(layer.num_features, dtype=DTYPE)
            if layer.affine:
                layer.weight += 0.05 * normal(layer.num_features)
                layer.bias += 0.05 * normal(layer.num_features)
    return copied_state(module)


def with_expected(vector: Vector) -> Vector:
    """The vector with its `expected` values added."""
    return {**vector, "expected": expected_values(vector)}


def supernet_vector(
    space: str,
    seed: int,
    init_channels: int = 4,
    layers: int = 4,
    num_classes: int = 10,
    image_size: int = 16,
    batch: int = 8,
    learning_rate: float = 0.02,
    momentum: float = 0.9,
    weight_decay: float = 3e-3,
    arch_weight_decay: float = 1e-3,
    grad_clip: float = 5.0,
    finite_difference_radius: float = 0.01,
    alpha_scale: float = 0.3,
) -> Vector:
    """Kind `supernet`. In space s4 the values hold fresh noise, so another implementation cannot agree with them.

    `layers` is at least 3: a smaller network has no normal cell, so no gradient for one.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Supernet(space, init_channels, layers, num_classes)
        vector = {
            "kind": "supernet",
            "config": {
                "space": space,
                "init_channels": init_channels,
                "layers": layers,
                "nodes": NODES,
                "num_classes": num_classes,
                "learning_rate": learning_rate,
                "momentum": momentum,
                "weight_decay": weight_decay,
                "arch_weight_decay": arch_weight_decay,
                "grad_clip": grad_clip,
                "finite_difference_radius": finite_difference_radius,
            },
            "state_dict": random_state(model),
            "momentum_buffers": {name: 0.01 * normal(*p.shape) for name, p in model.named_parameters()},
            "alphas": {kind: alpha_scale * normal(*alphas.shape) for kind, alphas in model.alphas.items()},
            "batch": {
                "x_train": normal(batch, 3, image_size, image_size),
                "y_train": torch.randint(num_classes, (batch,)),
                "x_valid": normal(batch, 3, image_size, image_size),
                "y_valid": torch.randint(num_classes, (batch,)),
            },
        }
        return with_expected(vector)


def evaluation_vector(
    genotype: str,
    seed: int,
    init_channels: int = 4,
    layers: int = 6,
    num_classes: int = 10,
    image_size: int = 32,
    batch: int = 4,
    auxiliary: bool = True,
    auxiliary_weight: float = 0.4,
) -> Vector:
    """Kind `evaluation_network` of a genotype in text form. The auxiliary head needs 32x32 images.

    Without the head `expected` holds no `logits_auxiliary`.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = EvaluationNetwork(parse_genotype(genotype), init_channels, layers, num_classes, auxiliary)
        vector = {
            "kind": "evaluation_network",
            "config": {
                "genotype": genotype,
                "init_channels": init_channels,
                "layers": layers,
                "num_classes": num_classes,
                "auxiliary": auxiliary,
                "auxiliary_weight": auxiliary_weight,
            },
            "state_dict": random_state(network),
            "batch": {
                "x": normal(batch, 3, image_size, image_size),
                "y": torch.randint(num_classes, (batch,)),
            },
        }
        return with_expected(vector)


def depth_posterior_vector(
    max_depth: int,
    seed: int,
    num_classes: int = 5,
    samples: int = 40,
    train_size: int = 200,
    prior_decay: float = 0.85,
    logit_scale: float = 2.0,
) -> Vector:
    """Kind `depth_posterior`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        vector = {
            "kind": "depth_posterior",
            "config": {
                "max_depth": max_depth,
                "num_classes": num_classes,
                "train_size": train_size,
                "prior_decay": prior_decay,
            },
            "inputs": {
                "q_logits": normal(max_depth + 1),
                "per_depth_logits": logit_scale * normal(max_depth + 1, samples, num_classes),
                "y": torch.randint(num_classes, (samples,)),
            },
        }
        return with_expected(vector)


def depth_training_vector(
    method: str,
    seed: int,
    max_depth: int = 5,
    width: int = 20,
    num_classes: int = 2,
    input_features: int = 2,
    samples: int = 200,
    learning_rate: float = 0.1,
    momentum: float = 0.5,
    weight_decay: float = 0.0,
    epochs: int = 10,
    prior_decay: float = 0.85,
) -> Vector:
    """Kind `depth_training`, `method` LDN or DDN."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = depth.fully_connected_network(input_features, width, max_depth, num_classes, method == "LDN")
        vector = {
            "kind": "depth_training",
            "config": {
                "network": "fully_connected",
                "method": method,
                "max_depth": max_depth,
                "width": width,
                "num_classes": num_classes,
                "input_features": input_features,
                "learning_rate": learning_rate,
                "momentum": momentum,
                "weight_decay": weight_decay,
                "epochs": epochs,
                "prior_decay": prior_decay,
            },
            "state_dict": random_state(network),
            "batch": {"x": normal(samples, input_features), "y": torch.randint(num_classes, (samples,))},
        }
        return with_expected(vector)


def depth_network_vector(
    seed: int,
    max_depth: int = 3,
    outer_width: int = 16,
    inner_width: int = 8,
    input_channels: int = 1,
    num_classes: int = 10,
    image_size: int = 28,
    batch: int = 8,
) -> Vector:
    """Kind `depth_network`: the convolutional network with a learnt depth, q uniform."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = depth.convolutional_network(input_channels, outer_width, inner_width, max_depth, num_classes)
        vector = {
            "kind": "depth_network",
            "config": {
                "network": "convolutional",
                "max_depth": max_depth,
                "outer_width": outer_width,
                "inner_width": inner_width,
                "input_channels": input_channels,
                "num_classes": num_classes,
            },
            "state_dict": random_state(network),
            "batch": {
                "x": normal(batch, input_channels, image_size, image_size),
                "y": torch.randint(num_classes, (batch,)),
            },
        }
        return with_expected(vector)
