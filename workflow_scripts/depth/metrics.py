"""How good predictions are, from log-probabilities and true classes.

The public code of "Variational Depth Search in ResNets" (arXiv 2002.02797) reports as log-likelihood the mean
probability of the true class, because it takes the negative log-likelihood of probabilities without their logarithm.
Here the two have their own names.
"""

import torch
from torch import Tensor


def log_likelihood(log_probabilities: Tensor, y: Tensor) -> Tensor:
    """Mean of log p(y_n | x_n), nats: (...,) from log-probabilities (..., N, K) and classes y (N,)."""
    return _of_true_class(log_probabilities, y).mean(dim=-1)


def mean_true_class_probability(log_probabilities: Tensor, y: Tensor) -> Tensor:
    """Mean of p(y_n | x_n): (...,) from log-probabilities (..., N, K); the published "log-likelihood"."""
    return _of_true_class(log_probabilities, y).exp().mean(dim=-1)


def error_percent(log_probabilities: Tensor, y: Tensor) -> Tensor:
    """Share of points whose likeliest class is not y_n, percent: (...,) from (..., N, K); logits serve as well."""
    return 100 * (log_probabilities.argmax(dim=-1) != y).to(torch.float64).mean(dim=-1)


def _of_true_class(log_probabilities: Tensor, y: Tensor) -> Tensor:
    return log_probabilities.gather(-1, y.expand(log_probabilities.shape[:-1]).unsqueeze(-1)).squeeze(-1)
