"""What is reported of a trained depth network: its posterior, and how it predicts in full and pruned.

Names as in "Variational Depth Search in ResNets" (arXiv 2002.02797): LDN-full mixes all depths by q; LDN-E is pruned
at E[d], rounded; pruning at d_opt is the paper's choice. All from one pass in evaluation mode over each set of points.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from workflow_scripts.depth import metrics, posterior
from workflow_scripts.depth.training import DepthModel


@dataclass(frozen=True)
class Evaluation:
    """`summary` holds the numbers of the run, `depths` those of each depth, under the names of tables/depth.py."""

    summary: dict[str, float | int | None]
    depths: list[dict[str, float | int | None]]


@torch.no_grad()
def evaluate(
    model: DepthModel, train_points: tuple[Tensor, Tensor], test_points: tuple[Tensor, Tensor]
) -> Evaluation | None:
    """Evaluate the model as it stands; points are (x, y). Numbers are computed in float64 from the model's logits.

    None when a logit is not finite, which weights that diverged can give while they are themselves still finite.

    A deterministic network has neither prior nor q*, and no numbers for depths below D, at which it was never trained.
    """
    model.eval()
    train_logits, test_logits = (model.network(x).double() for x, _ in (train_points, test_points))
    if not (torch.isfinite(train_logits).all() and torch.isfinite(test_logits).all()):
        return None
    y_test = test_points[1]
    log_q = torch.log_softmax(model.posterior.log_q().double(), dim=0)  # so that q sums to one in float64 too
    train_nll = posterior.negative_log_likelihoods(train_logits, train_points[1])
    prior = optimal = None
    if isinstance(model.posterior, posterior.LearntPosterior):
        log_prior = model.posterior.log_prior.double()
        prior, optimal = log_prior.exp(), posterior.optimal_q(log_prior, train_nll, len(train_points[1]))
    return Evaluation(
        _summary(log_q, optimal, test_logits, y_test),
        _depths(log_q.exp(), prior, optimal, train_nll, test_logits, y_test),
    )


def _summary(log_q: Tensor, optimal: Tensor | None, logits: Tensor, y: Tensor) -> dict[str, float | int | None]:
    q = log_q.exp()
    d_opt, expected = posterior.optimal_depth(q), posterior.expected_depth(q)
    predictions = {
        "full": posterior.mixture_log_probabilities(logits, log_q),
        "d_opt": posterior.pruned_log_probabilities(logits, log_q, d_opt),
        "expected": posterior.pruned_log_probabilities(logits, log_q, round(expected)),
    }
    return {
        "expected_depth": expected,
        "d_opt": d_opt,
        "expected_depth_optimal_q": None if optimal is None else posterior.expected_depth(optimal),
        "d_opt_optimal_q": None if optimal is None else posterior.optimal_depth(optimal),
        **{f"test_error_{name}_percent": metrics.error_percent(p, y).item() for name, p in predictions.items()},
        **{f"test_log_likelihood_{name}": metrics.log_likelihood(p, y).item() for name, p in predictions.items()},
        "mean_true_class_probability_full": metrics.mean_true_class_probability(predictions["full"], y).item(),
    }


def _depths(
    q: Tensor, prior: Tensor | None, optimal: Tensor | None, train_nll: Tensor, test_logits: Tensor, y_test: Tensor
) -> list[dict[str, float | int | None]]:
    absent = [None] * len(q)
    columns = {
        "depth": list(range(len(q))),
        "prior": absent if prior is None else prior.tolist(),
        "q": q.tolist(),
        "optimal_q": absent if optimal is None else optimal.tolist(),
        "layer_on_probability": [1.0, *posterior.layer_on_probability(q).tolist()],
        "train_log_likelihood": (-train_nll).tolist(),
        "test_log_likelihood": (-posterior.negative_log_likelihoods(test_logits, y_test)).tolist(),
        "test_error_percent": metrics.error_percent(test_logits, y_test).tolist(),
    }
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    alone = ("train_log_likelihood", "test_log_likelihood", "test_error_percent")
    return [row if prior is not None or row["q"] == 1 else row | dict.fromkeys(alone) for row in rows]
