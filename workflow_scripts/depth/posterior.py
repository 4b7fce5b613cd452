"""The distribution over depth: posterior q, objective, and predictions that follow from q.

Depth d in {0..D} is a latent variable of a residual network; f_d(x) are the logits after d blocks. Source:
"Variational Depth Search in ResNets" (arXiv 2002.02797), sections 2 and 3. Everything takes the logits of all depths,
(D+1, N, K) for N points and K classes, from one forward pass; nothing is changed in place.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

NEAR_MAXIMUM = 0.95  # d_opt is the first depth whose q exceeds this share of the largest q (paper, section 3)


class LearntPosterior(nn.Module):
    """q = softmax(a) with the parameter a (D+1,) starting at zeros, so uniform: the LDN's."""

    def __init__(self, log_prior: Tensor, kl_clamp: float) -> None:
        """A posterior over the depths of a prior, log p (D+1,); the clamp as in `kl_divergence`."""
        super().__init__()
        self.log_prior: Tensor
        self.q_logits = nn.Parameter(torch.zeros(len(log_prior)))
        self.kl_clamp = kl_clamp
        self.register_buffer("log_prior", log_prior, persistent=False)

    def log_q(self) -> Tensor:
        """log q (D+1,)."""
        return torch.log_softmax(self.q_logits, dim=0)

    def kl(self) -> Tensor:
        """KL(q || p), nats."""
        prior = self.log_prior.exp().to(self.q_logits.dtype)
        return kl_divergence(torch.softmax(self.q_logits, dim=0), prior, self.kl_clamp)

    @torch.no_grad()
    def set_optimal(self, per_depth_nll: Tensor, train_size: int) -> None:
        """Make q the q* of `optimal_q`."""
        best = optimal_logits(self.log_prior.to(per_depth_nll), per_depth_nll, train_size)
        self.q_logits.copy_(torch.log_softmax(best, dim=0))


class FixedPosterior(nn.Module):
    """q one-hot at the largest depth: the DDN's. It has no parameters and no prior, so no divergence."""

    def __init__(self, max_depth: int) -> None:
        """A posterior that is certain of max_depth."""
        super().__init__()
        self.one_hot: Tensor
        one_hot = torch.zeros(max_depth + 1)
        one_hot[max_depth] = 1
        self.register_buffer("one_hot", one_hot, persistent=False)

    def log_q(self) -> Tensor:
        """log q (D+1,): 0 at the largest depth, minus infinity elsewhere."""
        return self.one_hot.log()

    def kl(self) -> Tensor:
        """Zero."""
        return self.one_hot.new_zeros(())


Posterior = LearntPosterior | FixedPosterior


def kl_divergence(q: Tensor, prior: Tensor, clamp: float) -> Tensor:
    """KL(q || p) in nats, from probabilities (D+1,) that are first clamped to [clamp, 1 - clamp]."""
    q, prior = q.clamp(clamp, 1 - clamp), prior.clamp(clamp, 1 - clamp)
    return (q * (q.log() - prior.log())).sum()


def negative_log_likelihoods(logits: Tensor, y: Tensor) -> Tensor:
    """Mean cross entropy of each depth (D+1,), nats, from logits (D+1, N, K) and classes y (N,)."""
    depths, points, classes = logits.shape
    every = functional.cross_entropy(logits.reshape(-1, classes), y.repeat(depths), reduction="none")
    return every.view(depths, points).mean(dim=1)


def expected_negative_log_likelihood(logits: Tensor, y: Tensor, q: Tensor) -> Tensor:
    """sum_d q_d * mean_n CE(f_d(x_n), y_n), nats: the data term of the objective."""
    return torch.dot(q, negative_log_likelihoods(logits, y))


def optimal_q(log_prior: Tensor, per_depth_nll: Tensor, train_size: int) -> Tensor:
    """q* (D+1,), the posterior that maximises the ELBO for fixed weights.

    Of all q, sum_d q_d (-N nll_d) - KL(q || p) = log Z - KL(q || q*), with Z the sum over d of p_d exp(-N nll_d). So
    q*_d is proportional to p_d exp(-N nll_d), with nll_d (D+1,) the mean training cross entropy of depth d in
    evaluation mode, nats, and N the number of training points.
    """
    return torch.softmax(optimal_logits(log_prior, per_depth_nll, train_size), dim=0)


def optimal_logits(log_prior: Tensor, per_depth_nll: Tensor, train_size: int) -> Tensor:
    """log q* (D+1,), see `optimal_q`, but for a constant."""
    return log_prior - train_size * per_depth_nll


def optimal_depth(q: Tensor) -> int:
    """d_opt, the first depth with q_d > 0.95 max q. Raises ValueError when q is not finite."""
    if not torch.isfinite(q).all():
        raise ValueError("the posterior over depth holds a value that is not finite, so it has no optimal depth")
    return int((q > NEAR_MAXIMUM * q.max()).nonzero()[0])


def expected_depth(q: Tensor) -> float:
    """E[d] = sum_d q_d d, in blocks."""
    return float(torch.dot(q, torch.arange(len(q), dtype=q.dtype, device=q.device)))


def layer_on_probability(q: Tensor) -> Tensor:
    """P(block i is on) = sum of q_d over d >= i, for i = 1..D: (D,)."""
    return q.flip(0).cumsum(0).flip(0)[1:]


def prune_log_q(log_q: Tensor, depth: int) -> Tensor:
    """log q' (depth+1,) of the network pruned at `depth`: the mass of all deeper depths moves to `depth`.

    Raises ValueError when the depth is not one of q's.
    """
    if not 0 <= depth < len(log_q):
        raise ValueError(f"cannot prune at depth {depth}: the posterior covers depths 0 to {len(log_q) - 1}")
    return torch.cat([log_q[:depth], log_q[depth:].logsumexp(0, keepdim=True)])


def mixture_log_probabilities(logits: Tensor, log_q: Tensor) -> Tensor:
    """log sum_d q_d softmax(f_d) (N, K), from the logits of the depths that log_q (D+1,) covers."""
    return torch.logsumexp(torch.log_softmax(logits, dim=-1) + log_q[:, None, None], dim=0)


def pruned_log_probabilities(logits: Tensor, log_q: Tensor, depth: int) -> Tensor:
    """log predictions (N, K) of the network pruned at `depth`, from the logits of at least depths 0..depth."""
    return mixture_log_probabilities(logits[: depth + 1], prune_log_q(log_q, depth))
