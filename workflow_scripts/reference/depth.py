"""Variational depth search: the posterior's quantities, the two networks and full-batch training.

Source: Antorán, Allingham, Hernández-Lobato 2020 (arXiv 2002.02797). Depths are d = 0..D. Attribute names, the
spelling `stochstic_layers` among them, are those of the published code.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn


def depth_prior(max_depth: int, decay: float, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """(D+1,): p_d proportional to decay^(1+d)."""
    p = torch.tensor([decay ** (1 + d) for d in range(max_depth + 1)], dtype=dtype)
    return p / p.sum()


def layer_on_probability(q: torch.Tensor) -> torch.Tensor:
    """(D,): P(block i is on) = sum of q_d over d >= i, for the blocks i = 1..D."""
    return torch.stack([q[i:].sum() for i in range(1, len(q))]) if len(q) > 1 else q[1:]


def nll_per_depth(per_depth_logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """(D+1,): mean cross-entropy of every depth's logits (D+1, N, K)."""
    return torch.stack([F.cross_entropy(logits, y) for logits in per_depth_logits])


def expected_nll(q: torch.Tensor, per_depth_logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """mean_n sum_d q_d CE(f_d(x_n), y_n)."""
    return (q * nll_per_depth(per_depth_logits, y)).sum()


def kl_divergence(q: torch.Tensor, p: torch.Tensor) -> torch.Tensor:
    """KL(q || p), both clamped to [1e-10, 1 - 1e-10]."""
    q, p = q.clamp(1e-10, 1 - 1e-10), p.clamp(1e-10, 1 - 1e-10)
    return (q * (q.log() - p.log())).sum()


def mixture_probabilities(q: torch.Tensor, per_depth_logits: torch.Tensor) -> torch.Tensor:
    """(N, K): sum_d q_d softmax(f_d)."""
    return sum(weight * torch.softmax(logits, dim=-1) for weight, logits in zip(q, per_depth_logits, strict=True))


def optimal_depth(q: torch.Tensor) -> int:
    """d_opt: the first depth with q_d > 0.95 max q."""
    return next(d for d, weight in enumerate(q) if weight > 0.95 * q.max())


def expected_depth(q: torch.Tensor) -> float:
    """E[d] = sum_d q_d d."""
    return sum(d * float(weight) for d, weight in enumerate(q))


def pruned_posterior(q: torch.Tensor, depth: int) -> torch.Tensor:
    """(depth+1,): q'_j = q_j below `depth`, and all the remaining mass at `depth`."""
    return torch.cat([q[:depth], q[depth:].sum().reshape(1)])


def pruned_probabilities(q: torch.Tensor, per_depth_logits: torch.Tensor, depth: int) -> torch.Tensor:
    """(N, K): the mixture when no block after `depth` is run."""
    return mixture_probabilities(pruned_posterior(q, depth), per_depth_logits[: depth + 1])


def optimal_posterior(p: torch.Tensor, nll: torch.Tensor, train_size: int) -> torch.Tensor:
    """(D+1,): q*_d proportional to p_d exp(-N nll_d), the minimiser of expected NLL + KL / N for fixed weights."""
    return torch.softmax(p.log() - train_size * nll, dim=0)


class ProbModel(nn.Module):
    """The posterior q = softmax(q_logits), uniform at the start."""

    def __init__(self, max_depth: int) -> None:
        super().__init__()
        self.q_logits = nn.Parameter(torch.zeros(max_depth + 1))

    def forward(self) -> torch.Tensor:
        return torch.softmax(self.q_logits, dim=0)


class MLPBlock(nn.Module):
    """x + BN(ReLU(Linear(x))): (N, width) -> (N, width)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.block = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.BatchNorm1d(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.block(x)


class BottleneckBlock(nn.Module):
    """x + pre-activation bottleneck (1x1, 3x3, 1x1): (N, outer, H, W) -> (N, outer, H, W)."""

    def __init__(self, outer_width: int, inner_width: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.BatchNorm2d(outer_width),
            nn.ReLU(),
            nn.Conv2d(outer_width, inner_width, 1),
            nn.BatchNorm2d(inner_width),
            nn.ReLU(),
            nn.Conv2d(inner_width, inner_width, 3, padding=1),
            nn.BatchNorm2d(inner_width),
            nn.ReLU(),
            nn.Conv2d(inner_width, outer_width, 1),
        )
        # The published class registers the same modules under a second name.
        self.net = self.block

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.block(x)


class GlobalAverage(nn.Module):
    """(N, C, H, W) -> (N, C)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean(dim=(2, 3))


class ResidualHead(nn.Module):
    """x + BN(ReLU(Linear(x))): (N, width) -> (N, width)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.ops = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.BatchNorm1d(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.ops(x)


class DepthNetwork(nn.Module):
    """Input layer, residual blocks and one output head shared by all depths: x -> logits (D+1, N, K).

    With `learnt` it holds the posterior (LDN); a deterministic depth network (DDN) has none.
    """

    def __init__(
        self, input_layer: nn.Module, output_layer: nn.Module, blocks: Sequence[nn.Module], learnt: bool
    ) -> None:
        super().__init__()
        self.input_layer = input_layer
        self.output_layer = output_layer
        if learnt:
            self.prob_model = ProbModel(len(blocks))
        self.stochstic_layers = nn.ModuleList(blocks)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.input_layer(x)
        # Depth 0 comes first: in train mode the head's BatchNorm sees the depths in this order.
        logits = [self.output_layer(x)]
        for block in self.stochstic_layers:
            x = block(x)
            logits.append(self.output_layer(x))
        return torch.stack(logits)


def fully_connected_network(
    input_features: int, width: int, max_depth: int, num_classes: int, learnt: bool
) -> DepthNetwork:
    """The network of the spirals."""
    blocks = [MLPBlock(width) for _ in range(max_depth)]
    return DepthNetwork(nn.Linear(input_features, width), nn.Linear(width, num_classes), blocks, learnt)


def convolutional_network(
    input_channels: int, outer_width: int, inner_width: int, max_depth: int, num_classes: int
) -> DepthNetwork:
    """The network of the image data sets, with a learnt depth."""
    input_layer = nn.Sequential(nn.Conv2d(input_channels, outer_width, 5), nn.AvgPool2d(2))
    output_layer = nn.Sequential(GlobalAverage(), ResidualHead(outer_width), nn.Linear(outer_width, num_classes))
    blocks = [BottleneckBlock(outer_width, inner_width) for _ in range(max_depth)]
    return DepthNetwork(input_layer, output_layer, blocks, learnt=True)


def train(network: DepthNetwork, x: torch.Tensor, y: torch.Tensor, config: dict) -> dict[str, torch.Tensor]:
    """Full-batch SGD in train mode, changing the network in place.

    Returns negative_log_likelihood (epochs,) and kl_per_sample (epochs,), both from before the epoch's step. A DDN has
    all of q at the last depth and no prior, so its divergence is 0.
    """
    learnt = config["method"] == "LDN"
    p = depth_prior(config["max_depth"], config["prior_decay"], x.dtype)
    optimizer = torch.optim.SGD(
        network.parameters(),
        lr=config["learning_rate"],
        momentum=config["momentum"],
        weight_decay=config["weight_decay"],
    )
    network.train()
    likelihoods, divergences = [], []
    for _ in range(config["epochs"]):
        logits = network(x)
        if learnt:
            q = network.prob_model()
            nll, kl = expected_nll(q, logits, y), kl_divergence(q, p) / len(y)
        else:
            nll, kl = F.cross_entropy(logits[-1], y), torch.zeros((), dtype=x.dtype)
        likelihoods.append(nll.detach())
        divergences.append(kl.detach())
        optimizer.zero_grad()
        (nll + kl).backward()
        optimizer.step()
    return {"negative_log_likelihood": torch.stack(likelihoods), "kl_per_sample": torch.stack(divergences)}
