"""What is reported of a trained depth network: its posterior, and how it predicts in full and pruned.

Names as in "Variational Depth Search in ResNets" (arXiv 2002.02797): LDN-full mixes all depths by q; LDN-E is pruned
at E[d], rounded; pruning at d_opt is the paper's choice. All from one pass in evaluation mode over each set of points.
"""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor

from workflow_scripts.depth import metrics, posterior
from workflow_scripts.depth.networks import DepthNetwork, prune
from workflow_scripts.depth.training import POINTS_PER_PASS, DepthModel, Points
from workflow_scripts.runtime.multiply_adds import count_multiply_adds


@dataclass(frozen=True)
class DepthEvaluation:
    """`summary`, `depths`, `calibration`: numbers of run, depths and bins, named as in tables/depth_tables.py."""

    summary: dict[str, float | int | None]
    depths: list[dict[str, float | int | None]]
    calibration: list[dict[str, float | int | str]]


@torch.no_grad()
def evaluate(model: DepthModel, train_points: Points, test_points: Points) -> DepthEvaluation | None:
    """Evaluate the model as it is now. Numbers are computed in float64 on the CPU from the model's logits.

    Where these overflow in the model's precision, as those of deep networks can far from the training points, they are
    computed in float64, too.

    None when a logit is not finite, which weights that diverged can give while they are themselves still finite.

    A deterministic network has neither prior nor q*, and no numbers for depths below D, at which it was never trained.
    """
    model.eval()
    train_logits, test_logits = (_logits(model, x) for x, _ in (train_points, test_points))
    if not (torch.isfinite(train_logits).all() and torch.isfinite(test_logits).all()):
        return None
    y_train, y_test = train_points[1].cpu(), test_points[1].cpu()
    log_q = torch.log_softmax(model.posterior.log_q().double().cpu(), dim=0)  # so that q sums to one in float64 too
    train_nll = posterior.negative_log_likelihoods(train_logits, y_train)
    prior = optimal = None
    if isinstance(model.posterior, posterior.LearntPosterior):
        log_prior = model.posterior.log_prior.double().cpu()
        prior, optimal = log_prior.exp(), posterior.optimal_q(log_prior, train_nll, len(y_train))
    d_opt, expected = posterior.optimal_depth(log_q.exp()), posterior.expected_depth(log_q.exp())
    predictions = {
        "full": posterior.mixture_log_probabilities(test_logits, log_q),
        "d_opt": posterior.pruned_log_probabilities(test_logits, log_q, d_opt),
        "expected": posterior.pruned_log_probabilities(test_logits, log_q, round(expected)),
    }
    bins = {name: metrics.calibration_bins(prediction, y_test) for name, prediction in predictions.items()}
    return DepthEvaluation(
        _summary(log_q.exp(), optimal, predictions, bins, y_test) | _multiply_adds(model, d_opt, test_points[0][:1]),
        _depths(log_q.exp(), prior, optimal, train_nll, test_logits, y_test),
        [
            {
                "prediction": name,
                "bin": place,
                "test_points": int(count),
                "mean_confidence": confidence,
                "share_right": right,
            }
            for name, rows in bins.items()
            for place, (count, confidence, right) in enumerate(rows.tolist())
        ],
    )


def _logits(model: DepthModel, x: Tensor) -> Tensor:
    """Logits (D+1, N, K) of every depth in float64 on the CPU."""
    computed = torch.cat([model.logits(part).double().cpu() for part in x.split(POINTS_PER_PASS)], dim=1)
    if torch.isfinite(computed).all():
        return computed
    exact = _of_modules(model.network).double()
    return torch.cat([exact(part.double()).cpu() for part in x.split(POINTS_PER_PASS)], dim=1)


def _of_modules(network: DepthNetwork) -> DepthNetwork:
    """A copy that runs torch's modules, in any precision, and seen by what counts their arithmetic."""
    copied = copy.deepcopy(network)
    copied.layout = "modules"
    return copied


def _multiply_adds(model: DepthModel, d_opt: int, point: Tensor) -> dict[str, float | int | None]:
    """Arithmetic for one point: of the deterministic network of depth D, and pruned at d_opt with all its depths."""
    network = _of_modules(model.network)
    pruned = prune(network, d_opt)
    return {
        "multiply_adds_deterministic": count_multiply_adds(lambda: network.deepest(point)),
        "multiply_adds_d_opt": count_multiply_adds(lambda: pruned(point)),
    }


def _summary(
    q: Tensor, optimal: Tensor | None, predictions: dict[str, Tensor], bins: dict[str, Tensor], y: Tensor
) -> dict[str, float | int | None]:
    d_opt, expected = posterior.optimal_depth(q), posterior.expected_depth(q)
    return {
        "expected_depth": expected,
        "d_opt": d_opt,
        "expected_depth_optimal_q": None if optimal is None else posterior.expected_depth(optimal),
        "d_opt_optimal_q": None if optimal is None else posterior.optimal_depth(optimal),
        **{f"test_error_{name}_percent": metrics.error_percent(p, y).item() for name, p in predictions.items()},
        **{f"test_log_likelihood_{name}": metrics.log_likelihood(p, y).item() for name, p in predictions.items()},
        **{
            f"mean_true_class_probability_{name}": metrics.mean_true_class_probability(p, y).item()
            for name, p in predictions.items()
        },
        **{f"calibration_error_{name}": metrics.calibration_error(rows) for name, rows in bins.items()},
        **{
            f"published_calibration_error_{name}": metrics.published_calibration_error(p, y)
            for name, p in predictions.items()
        },
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
        "test_mean_true_class_probability": metrics.mean_true_class_probability(
            torch.log_softmax(test_logits, dim=-1), y_test
        ).tolist(),
        "test_error_percent": metrics.error_percent(test_logits, y_test).tolist(),
    }
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    alone = ("train_log_likelihood", "test_log_likelihood", "test_mean_true_class_probability", "test_error_percent")
    return [row if prior is not None or row["q"] == 1 else row | dict.fromkeys(alone) for row in rows]
