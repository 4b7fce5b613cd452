"""The optimizers of the cell search and of trainings from scratch, and the learning rate of the weights in each epoch.

The unrolled step of a second-order search (`bilevel_step.WeightRule`) assumes SGD with momentum; the logged Hessian has
the alphas' weight decay on its diagonal.
"""

from collections.abc import Sequence

from torch import Tensor

from workflow_scripts.cells.cell_network import CellNetwork
from workflow_scripts.runtime.learning_rates import cosine_rate
from workflow_scripts.runtime.optimizers import SGD, Adam, Optimizer
from workflow_scripts.study.cell_settings import Search, Training


def weight_optimizer(network: CellNetwork, settings: Search | Training, l2: float, alone: bool = False) -> SGD:
    """The optimizer of a network's weights; `alone`: for passes of single operations, which step their parameters."""
    weights = list(network.parameters()) if alone else network.weights
    return SGD(weights, settings.learning_rate, settings.momentum, l2)


def weight_rate(settings: Search | Training, epoch: int) -> float:
    """The learning rate of the weights in an epoch."""
    lowest = settings.learning_rate_min if isinstance(settings, Search) else 0.0
    return cosine_rate(epoch, settings.epochs, settings.learning_rate, lowest)


def l2_of(optimizer: Optimizer) -> float:
    """The L2 factor of the weights."""
    l2: float = optimizer.param_groups[0]["weight_decay"]
    return l2


def set_l2(optimizer: Optimizer, l2: float) -> None:
    """Give the weights another L2 factor."""
    for group in optimizer.param_groups:
        group["weight_decay"] = l2


def alpha_optimizer(alphas: Sequence[Tensor], settings: Search) -> Optimizer:
    """The optimizer of the alphas, whose rate is constant."""
    return Adam(alphas, settings.arch_learning_rate, settings.arch_betas, settings.arch_weight_decay)
