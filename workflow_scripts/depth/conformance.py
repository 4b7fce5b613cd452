"""Our values for the reference vectors of the depth search.

A vector is a dictionary with `kind`, `config`, inputs and `expected`: what the published implementation computed in
float64 on a CPU. Each function here computes the same quantities, under the same names, with the code that runs use.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from workflow_scripts.depth import compiled, posterior
from workflow_scripts.depth.prior import geometric_log_prior
from workflow_scripts.depth.published_networks import (
    Q_LOGITS,
    network_from_published,
    published_state,
    q_logits_from_published,
)
from workflow_scripts.depth.training import DepthModel
from workflow_scripts.study.depth_settings import DepthTraining

KL_CLAMP = DepthTraining().kl_clamp


def depth_posterior(vector: dict[str, Any]) -> dict[str, Any]:
    """Posterior, objective with its gradients, and predictions, from q's parameter and the logits of every depth."""
    config, inputs = vector["config"], vector["inputs"]
    q_logits = inputs["q_logits"].clone().requires_grad_()
    logits, y = inputs["per_depth_logits"].clone().requires_grad_(), inputs["y"]
    learnt = _learnt(q_logits, config["prior_decay"])
    q = learnt.log_q().exp()
    nll, kl = posterior.expected_negative_log_likelihood(logits, y, q), learnt.kl()
    grad_q, grad_logits = torch.autograd.grad(nll + kl / config["train_size"], [learnt.q_logits, logits])
    q, log_q, logits = q.detach(), learnt.log_q().detach(), logits.detach()
    d_opt = posterior.optimal_depth(q)
    per_depth = posterior.negative_log_likelihoods(logits, y)
    return {
        "prior": learnt.log_prior.exp(),
        "q": q,
        "layer_on_probability": posterior.layer_on_probability(q),
        "expected_negative_log_likelihood": nll.detach(),
        "kl": kl.detach(),
        "grad_q_logits": grad_q,
        "grad_per_depth_logits": grad_logits,
        "mixture_probabilities": posterior.mixture_log_probabilities(logits, log_q).exp(),
        "d_opt": d_opt,
        "expected_depth": posterior.expected_depth(q),
        "pruned_probabilities_at_d_opt": posterior.pruned_log_probabilities(logits, log_q, d_opt).exp(),
        "optimal_q": posterior.optimal_q(learnt.log_prior, per_depth, config["train_size"]),
    }


def depth_training(vector: dict[str, Any]) -> dict[str, Any]:
    """Objective of every epoch and state after the last one, of full-batch training from the given state."""
    config, state, batch = vector["config"], vector["state_dict"], vector["batch"]
    network = network_from_published(state)
    chosen: posterior.Posterior = posterior.FixedPosterior(network.max_depth)
    if config["method"] == "LDN":
        chosen = _learnt(state[Q_LOGITS], config["prior_decay"])
    model = DepthModel(network, chosen).to(batch["x"].dtype)
    settings = DepthTraining(
        epochs=config["epochs"],
        patience=config["epochs"],
        batch_size=len(batch["y"]),
        learning_rate=config["learning_rate"],
        momentum=config["momentum"],
        weight_decay=config["weight_decay"],
    )
    history = compiled.train(model, (batch["x"], batch["y"]), None, settings, torch.Generator()).history
    float64 = torch.float64
    q_logits = chosen.q_logits if isinstance(chosen, posterior.LearntPosterior) else None
    return {
        "negative_log_likelihood": torch.tensor([epoch.negative_log_likelihood for epoch in history], dtype=float64),
        "kl_per_sample": torch.tensor([epoch.kl_per_sample for epoch in history], dtype=float64),
        "state_dict_after": published_state(network, q_logits),
    }


def depth_network(vector: dict[str, Any]) -> dict[str, Any]:
    """Logits of every depth in both modes, with the running statistics after one pass in training mode."""
    state, batch = vector["state_dict"], vector["batch"]
    network = network_from_published(state)
    network.train()
    with torch.no_grad():
        in_training = network(batch["x"])
        network.eval()
        in_evaluation = network(batch["x"])
    q = torch.softmax(state[Q_LOGITS], 0) if Q_LOGITS in state else posterior.FixedPosterior(network.max_depth).one_hot
    return {
        "per_depth_logits_train_mode": in_training,
        "expected_negative_log_likelihood": posterior.expected_negative_log_likelihood(in_training, batch["y"], q),
        "running_statistics_after": {
            name: tensor for name, tensor in published_state(network, None).items() if ".running_" in name
        },
        "per_depth_logits_eval_mode_after": in_evaluation,
    }


KINDS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "depth_posterior": depth_posterior,
    "depth_training": depth_training,
    "depth_network": depth_network,
}


def _learnt(q_logits: Tensor, decay: float) -> posterior.LearntPosterior:
    learnt = posterior.LearntPosterior(geometric_log_prior(len(q_logits) - 1, decay), KL_CLAMP).to(q_logits.dtype)
    q_logits_from_published({Q_LOGITS: q_logits.detach()}, learnt.q_logits)
    return learnt
