"""The prior over depth, p_d for d in {0..D}, of the training, of q* and of the tables.

Another prior is another body of `log_prior`; it makes the depth searches stale.
"""

import torch
from torch import Tensor

from workflow_scripts.study.depth_settings import DepthRun


def log_prior(run: DepthRun) -> Tensor:
    """log p (D+1,) of a run's network in float64, normalised: the paper's."""
    return geometric_log_prior(run.max_depth, run.prior_decay)


def geometric_log_prior(max_depth: int, decay: float) -> Tensor:
    """log p (D+1,) in float64, with p_d proportional to decay^(1 + d)."""
    exponents = torch.arange(1, max_depth + 2, dtype=torch.float64)
    return torch.log_softmax(exponents * torch.log(torch.tensor(decay, dtype=torch.float64)), dim=0)
