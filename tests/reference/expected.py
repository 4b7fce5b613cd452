"""The expected values of a test vector, computed by the reference from the vector's inputs alone."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

from workflow_scripts.reference import depth, supernet
from workflow_scripts.reference.evaluation_network import EvaluationNetwork, parameter_count
from workflow_scripts.reference.genotype import derive_genotype, parse_genotype
from workflow_scripts.reference.spaces import spaces

Vector = dict[str, Any]


def copied_state(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """A state dict that later steps do not change."""
    return {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}


def build_supernet(vector: Vector) -> supernet.Supernet:
    """The supernet of a vector, in train mode, at the state given."""
    config = vector["config"]
    model = supernet.Supernet(config["space"], config["init_channels"], config["layers"], config["num_classes"])
    model.to(vector["batch"]["x_train"].dtype)
    model.load_state_dict(vector["state_dict"])
    model.set_alphas(vector["alphas"])
    return model.train()


def supernet_expected(vector: Vector) -> Vector:
    """Kind `supernet`; every value starts from the state given, so each from a model of its own."""
    config, batch, buffers = vector["config"], vector["batch"], vector["momentum_buffers"]
    x_valid, y_valid = batch["x_valid"], batch["y_valid"]
    logits = build_supernet(vector)(x_valid).detach()
    curvature = supernet.hessian_alphas(build_supernet(vector), x_valid, y_valid, config["arch_weight_decay"])
    stepped = build_supernet(vector)
    step = supernet.weight_step(stepped, batch, buffers, config)
    return {
        "logits_valid": logits,
        "loss_valid": F.cross_entropy(logits, y_valid),
        "grad_alphas_first_order": supernet.gradient_first_order(build_supernet(vector), x_valid, y_valid),
        "grad_alphas_second_order": supernet.gradient_second_order(build_supernet(vector), batch, buffers, config),
        "hessian": curvature,
        "dominant_eigenvalue": supernet.dominant_eigenvalue(curvature),
        "genotype": str(derive_genotype(vector["alphas"], spaces[config["space"]])),
        **step,
        "parameters_after_step": {name: p.detach().clone() for name, p in stepped.named_parameters()},
    }


def build_evaluation_network(vector: Vector) -> EvaluationNetwork:
    """The evaluation network of a vector at the state given."""
    config = vector["config"]
    network = EvaluationNetwork(
        parse_genotype(config["genotype"]),
        config["init_channels"],
        config["layers"],
        config["num_classes"],
        config["auxiliary"],
    )
    network.to(vector["batch"]["x"].dtype)
    network.load_state_dict(vector["state_dict"])
    return network


@torch.no_grad()
def evaluation_expected(vector: Vector) -> Vector:
    """Kind `evaluation_network`; both modes start from the state given."""
    config, x, y = vector["config"], vector["batch"]["x"], vector["batch"]["y"]
    logits, auxiliary = build_evaluation_network(vector).train()(x)
    loss = F.cross_entropy(logits, y)
    expected = {"logits_train_mode": logits}
    if auxiliary is not None:
        expected["logits_auxiliary"] = auxiliary
        loss = loss + config["auxiliary_weight"] * F.cross_entropy(auxiliary, y)
    network = build_evaluation_network(vector).eval()
    return {
        **expected,
        "loss": loss,
        "logits_eval_mode": network(x)[0],
        "parameter_count": parameter_count(network),
    }


def depth_posterior_expected(vector: Vector) -> Vector:
    """Kind `depth_posterior`."""
    config, y = vector["config"], vector["inputs"]["y"]
    q_logits = vector["inputs"]["q_logits"].clone().requires_grad_()
    logits = vector["inputs"]["per_depth_logits"].clone().requires_grad_()
    p = depth.depth_prior(config["max_depth"], config["prior_decay"], logits.dtype)
    q = torch.softmax(q_logits, dim=0)
    nll, kl = depth.expected_nll(q, logits, y), depth.kl_divergence(q, p)
    grad_q_logits, grad_logits = torch.autograd.grad(nll + kl / config["train_size"], [q_logits, logits])
    q, logits = q.detach(), logits.detach()
    d_opt = depth.optimal_depth(q)
    return {
        "prior": p,
        "q": q,
        "layer_on_probability": depth.layer_on_probability(q),
        "expected_negative_log_likelihood": nll.detach(),
        "kl": kl.detach(),
        "grad_q_logits": grad_q_logits,
        "grad_per_depth_logits": grad_logits,
        "mixture_probabilities": depth.mixture_probabilities(q, logits),
        "d_opt": d_opt,
        "expected_depth": depth.expected_depth(q),
        "pruned_probabilities_at_d_opt": depth.pruned_probabilities(q, logits, d_opt),
        "optimal_q": depth.optimal_posterior(p, depth.nll_per_depth(logits, y), config["train_size"]),
    }


def depth_training_expected(vector: Vector) -> Vector:
    """Kind `depth_training`."""
    config = vector["config"]
    network = depth.fully_connected_network(
        config["input_features"], config["width"], config["max_depth"], config["num_classes"], config["method"] == "LDN"
    ).to(vector["batch"]["x"].dtype)
    network.load_state_dict(vector["state_dict"])
    record = depth.train(network, vector["batch"]["x"], vector["batch"]["y"], config)
    return {**record, "state_dict_after": copied_state(network)}


@torch.no_grad()
def depth_network_expected(vector: Vector) -> Vector:
    """Kind `depth_network`: one train-mode pass, then one in evaluation mode with the statistics it left."""
    config, x, y = vector["config"], vector["batch"]["x"], vector["batch"]["y"]
    network = depth.convolutional_network(
        config["input_channels"],
        config["outer_width"],
        config["inner_width"],
        config["max_depth"],
        config["num_classes"],
    ).to(x.dtype)
    network.load_state_dict(vector["state_dict"])
    logits = network.train()(x)
    statistics = {name: tensor for name, tensor in copied_state(network).items() if "running_" in name}
    return {
        "per_depth_logits_train_mode": logits,
        "expected_negative_log_likelihood": depth.expected_nll(network.prob_model(), logits, y),
        "running_statistics_after": statistics,
        "per_depth_logits_eval_mode_after": network.eval()(x),
    }


EXPECTED: dict[str, Callable[[Vector], Vector]] = {
    "supernet": supernet_expected,
    "evaluation_network": evaluation_expected,
    "depth_posterior": depth_posterior_expected,
    "depth_training": depth_training_expected,
    "depth_network": depth_network_expected,
}


def expected_values(vector: Vector) -> Vector:
    """The values of `expected` for any kind of vector; an `expected` it may already hold is not read."""
    return EXPECTED[vector["kind"]](vector)
