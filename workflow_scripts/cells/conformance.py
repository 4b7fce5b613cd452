"""Our cell search computed on the inputs of reference vectors (kinds `supernet` and `evaluation_network`)."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from workflow_scripts.cells.bilevel_step import (
    Randomness,
    WeightRule,
    first_order_gradient,
    loss_of,
    second_order_gradient,
    weight_step,
)
from workflow_scripts.cells.cell_network import batch_norms, together
from workflow_scripts.cells.curvature import full_hessian, hessian_product, largest_eigenvalue
from workflow_scripts.cells.genotype_network import EvaluationNetwork
from workflow_scripts.cells.supernet import Alphas, Supernet, frozen_statistics
from workflow_scripts.runtime.optimizers import SGD
from workflow_scripts.study.cell_job_settings import layout_of
from workflow_scripts.study.search_spaces import load_space
from workflow_scripts.tables.genotype import parse_genotype

Vector = dict[str, Any]


def supernet(vector: Vector) -> Vector:
    """Every expected quantity of a supernet vector, each from the state the vector gives."""
    config = vector["config"]
    space = load_space(config["space"])
    images = vector["batch"]["x_train"]
    network = Supernet(
        space["normal"],
        space["reduce"],
        config["init_channels"],
        config["layers"],
        config["num_classes"],
        config["nodes"],
        image_channels=images.shape[1],
        layout=layout_of(config["init_channels"]),
    ).to(images.dtype)
    network.load_state_dict(vector["state_dict"])
    alphas = Alphas(*(vector["alphas"][kind].clone().requires_grad_() for kind in ("normal", "reduce")))
    train = (images, vector["batch"]["y_train"])
    valid = (vector["batch"]["x_valid"], vector["batch"]["y_valid"])
    buffers = together(network, vector["momentum_buffers"])
    quiet = Randomness()

    with frozen_statistics(network.norms), torch.no_grad():
        logits = network(valid[0], alphas)
        loss_train = loss_of(network, alphas, train, quiet)
    first = first_order_gradient(network, alphas, valid, quiet)
    rule = WeightRule(config["learning_rate"], config["momentum"], config["weight_decay"])
    second = second_order_gradient(
        network, alphas, train, valid, rule, buffers, quiet, config["finite_difference_radius"]
    )
    hessian = full_hessian(hessian_product(network, alphas, valid, quiet), alphas, config["arch_weight_decay"])
    genotype = network.genotype(alphas)

    optimizer = SGD(network.weights, config["learning_rate"], config["momentum"], config["weight_decay"])
    for name, weight in network.named_weights().items():
        optimizer.state[weight] = {"momentum_buffer": buffers[name].clone()}
    step = weight_step(network, alphas, train, optimizer, config["grad_clip"], quiet)
    return {
        "logits_valid": logits,
        "loss_valid": F.cross_entropy(logits, valid[1]),
        "grad_alphas_first_order": first._asdict(),
        "grad_alphas_second_order": second._asdict(),
        "hessian": hessian,
        "dominant_eigenvalue": largest_eigenvalue(hessian),
        "genotype": genotype.text(),
        "loss_train": loss_train,
        "grad_norm_train": step.gradient_norm,
        "parameters_after_step": {name: value.detach() for name, value in network.named_parameters()},
    }


def evaluation_network(vector: Vector) -> Vector:
    """Every expected quantity of an evaluation-network vector."""
    config, batch = vector["config"], vector["batch"]
    network = EvaluationNetwork(
        parse_genotype(config["genotype"]),
        config["init_channels"],
        config["layers"],
        config["num_classes"],
        config["auxiliary"],
        image_channels=batch["x"].shape[1],
    ).to(batch["x"].dtype)
    network.load_state_dict(vector["state_dict"])
    if network.auxiliary_head is not None:
        # The published head changes its input in place, which the classifier of a network of up to three cells sees.
        network.auxiliary_head.features[0] = nn.ReLU(inplace=True)
    with torch.no_grad():
        network.eval()
        evaluated, _ = network(batch["x"])
        network.train()
        with frozen_statistics(batch_norms(network)):
            logits, auxiliary = network(batch["x"])
        loss = F.cross_entropy(logits, batch["y"])
        if auxiliary is not None:
            loss = loss + config["auxiliary_weight"] * F.cross_entropy(auxiliary, batch["y"])
    return {
        "logits_train_mode": logits,
        "logits_auxiliary": auxiliary,
        "loss": loss,
        "logits_eval_mode": evaluated,
        "parameter_count": network.parameter_count(with_auxiliary=True),
    }


KINDS: dict[str, Callable[[Vector], Vector]] = {"supernet": supernet, "evaluation_network": evaluation_network}
