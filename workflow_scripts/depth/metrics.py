"""How good predictions are, from log-probabilities and true classes.

The public code of "Variational Depth Search in ResNets" (arXiv 2002.02797) reports as log-likelihood the mean
probability of the true class, because it takes the negative log-likelihood of probabilities without their logarithm.
Here the two have their own names.
"""

import torch
from torch import Tensor

CALIBRATION_BINS = 10  # of equal width (paper, figure on calibration)


def log_likelihood(log_probabilities: Tensor, y: Tensor) -> Tensor:
    """Mean of log p(y_n | x_n), nats: (...,) from log-probabilities (..., N, K) and classes y (N,)."""
    return _of_true_class(log_probabilities, y).mean(dim=-1)


def mean_true_class_probability(log_probabilities: Tensor, y: Tensor) -> Tensor:
    """Mean of p(y_n | x_n): (...,) from log-probabilities (..., N, K); the published "log-likelihood"."""
    return _of_true_class(log_probabilities, y).exp().mean(dim=-1)


def error_percent(log_probabilities: Tensor, y: Tensor) -> Tensor:
    """Share of points whose likeliest class is not y_n, percent: (...,) from (..., N, K); logits serve as well."""
    return 100 * (log_probabilities.argmax(dim=-1) != y).to(torch.float64).mean(dim=-1)


def calibration_bins(log_probabilities: Tensor, y: Tensor) -> Tensor:
    """Per bin of the likeliest class's probability: points, their mean probability, the share predicted right.

    (B, 3) float64 from (N, K); bin b holds probabilities in (b / B, (b + 1) / B]. Empty bins hold zeros.
    """
    confidence, predicted = log_probabilities.double().exp().max(dim=-1)
    place = (torch.ceil(confidence * CALIBRATION_BINS).long() - 1).clamp(0, CALIBRATION_BINS - 1)
    columns = (torch.ones_like(confidence), confidence, (predicted == y).double())
    count, sums, hits = (torch.zeros(CALIBRATION_BINS).double().index_add_(0, place, column) for column in columns)
    return torch.stack([count, sums / count.clamp(min=1), hits / count.clamp(min=1)], dim=1)


def calibration_error(bins: Tensor) -> float:
    """The expected calibration error of the likeliest class, a share, from `calibration_bins`.

    Guo et al., On Calibration of Modern Neural Networks, 2017, equation 3, with its bins (lower edge, upper edge]. The
    tests compare it with torchmetrics, which differs on edges alone: its bins are [lower edge, upper edge), and a
    probability of exactly 1 has a bin of its own. Importing torchmetrics takes longer than training a small network.
    """
    count, confidence, right = bins.unbind(dim=1)
    return float((count * (confidence - right).abs()).sum() / count.sum())


def published_calibration_error(log_probabilities: Tensor, y: Tensor) -> float | None:
    """The calibration error as the published code has it, a share; None where it divides by an empty bin.

    The probabilities of all K classes are binned, each bin's confidence is its upper edge, and a probability counts as
    right only where its class is both likeliest and true.
    """
    probability = log_probabilities.double().exp()
    classes = torch.arange(probability.shape[-1])
    right = (classes == y[:, None]) & (classes == probability.argmax(dim=-1)[:, None])
    place = torch.ceil(probability * CALIBRATION_BINS).long().clamp(max=CALIBRATION_BINS).flatten() - 1
    inside = place >= 0  # a probability of exactly 0 is in no bin
    count = torch.bincount(place[inside], minlength=CALIBRATION_BINS).double()
    if (count == 0).any():
        return None
    hits = torch.bincount(place[inside], weights=right.flatten()[inside].double(), minlength=CALIBRATION_BINS)
    edges = torch.arange(1, CALIBRATION_BINS + 1) / CALIBRATION_BINS
    return float((count * (hits / count - edges).abs()).sum() / count.sum())


def _of_true_class(log_probabilities: Tensor, y: Tensor) -> Tensor:
    return log_probabilities.gather(-1, y.expand(log_probabilities.shape[:-1]).unsqueeze(-1)).squeeze(-1)
