"""The distribution over depth against numbers worked out by hand and against the published implementation."""

import math

import pytest
import torch

from workflow_scripts.depth import metrics, posterior
from workflow_scripts.depth.posterior import FixedPosterior, LearntPosterior
from workflow_scripts.depth.prior import geometric_log_prior

F64 = torch.float64


def probabilities(*values):
    return torch.tensor(values, dtype=F64)


def test_prior_is_geometric():
    prior = geometric_log_prior(2, 0.5).exp()
    torch.testing.assert_close(prior, probabilities(4 / 7, 2 / 7, 1 / 7))


def test_kl_by_hand():
    kl = posterior.kl_divergence(probabilities(0.5, 0.5), probabilities(0.75, 0.25), 1e-10)
    assert kl.item() == pytest.approx(0.5 * math.log(0.5 / 0.75) + 0.5 * math.log(0.5 / 0.25))


def test_kl_of_a_certain_q_is_finite_because_it_is_clamped():
    kl = posterior.kl_divergence(probabilities(1.0, 0.0), probabilities(0.5, 0.5), 1e-10)
    assert kl.item() == pytest.approx(math.log(2), abs=1e-8)
    assert posterior.kl_divergence(probabilities(1.0, 0.0), probabilities(0.5, 0.5), 0.1).item() == pytest.approx(
        0.9 * math.log(1.8) + 0.1 * math.log(0.2)
    )


def test_learnt_posterior_starts_uniform_with_its_divergence_from_the_prior():
    learnt = LearntPosterior(geometric_log_prior(1, 0.5), 1e-10).double()
    torch.testing.assert_close(learnt.log_q().exp(), probabilities(0.5, 0.5))
    expected = 0.5 * math.log(0.5 / (2 / 3)) + 0.5 * math.log(0.5 / (1 / 3))
    assert learnt.kl().item() == pytest.approx(expected)


def test_fixed_posterior_is_certain_of_the_largest_depth():
    fixed = FixedPosterior(3)
    assert fixed.log_q().exp().tolist() == [0, 0, 0, 1]
    assert fixed.kl().item() == 0
    assert not list(fixed.parameters())


def test_expected_negative_log_likelihood_by_hand():
    # Depth 0 is undecided between two classes, depth 1 favours class 0 by log 3: probabilities 1/2 and 3/4.
    logits = torch.tensor([[[0.0, 0.0], [0.0, 0.0]], [[math.log(3), 0.0], [math.log(3), 0.0]]], dtype=F64)
    y = torch.tensor([0, 1])
    per_depth = posterior.negative_log_likelihoods(logits, y)
    torch.testing.assert_close(per_depth, probabilities(math.log(2), -(math.log(3 / 4) + math.log(1 / 4)) / 2))
    value = posterior.expected_negative_log_likelihood(logits, y, probabilities(0.25, 0.75))
    assert value.item() == pytest.approx(0.25 * per_depth[0].item() + 0.75 * per_depth[1].item())
    mixture = posterior.mixture_log_probabilities(logits, probabilities(0.25, 0.75).log()).exp()
    torch.testing.assert_close(mixture[0], probabilities(0.25 / 2 + 0.75 * 3 / 4, 0.25 / 2 + 0.75 / 4))


def test_optimal_q_weighs_the_prior_by_the_likelihood_of_all_points():
    prior, nll = probabilities(0.5, 0.5), probabilities(0.2, 0.1)
    optimal = posterior.optimal_q(prior.log(), nll, 10)
    assert (optimal[1] / optimal[0]).item() == pytest.approx(math.e)


def test_optimal_q_has_the_highest_elbo_for_fixed_weights():
    generator = torch.Generator().manual_seed(3)
    nll = torch.rand(6, generator=generator, dtype=F64)
    log_prior = geometric_log_prior(5, 0.85)

    def elbo(q):
        return -20 * (q @ nll) - posterior.kl_divergence(q, log_prior.exp(), 1e-30)

    best = posterior.optimal_q(log_prior, nll, 20)
    for _ in range(20):
        other = torch.softmax(best.log() + 0.1 * torch.randn(6, generator=generator, dtype=F64), 0)
        assert elbo(other) < elbo(best)


def test_a_learnt_posterior_is_set_to_the_optimal_one():
    log_prior, nll = geometric_log_prior(3, 0.85), probabilities(0.9, 0.2, 0.3, 30.0)
    learnt = posterior.LearntPosterior(log_prior, 1e-10)
    learnt.set_optimal(nll, 200)
    torch.testing.assert_close(learnt.log_q().exp().double(), posterior.optimal_q(log_prior, nll, 200))
    assert torch.isfinite(learnt.log_q()).all()


def test_optimal_depth_is_the_first_near_the_maximum_and_no_percentile():
    assert posterior.optimal_depth(probabilities(0.10, 0.29, 0.30, 0.31)) == 2  # 0.29 < 0.95 * 0.31 < 0.30
    assert posterior.optimal_depth(probabilities(0.95, 1.0)) == 1  # exactly 0.95 of the maximum is not above it
    assert posterior.optimal_depth(probabilities(0.25, 0.25, 0.25, 0.25)) == 0


def test_optimal_depth_refuses_a_posterior_that_is_not_finite():
    with pytest.raises(ValueError, match="not finite"):
        posterior.optimal_depth(probabilities(0.5, math.nan))


def test_expected_depth_and_layers_on_by_hand():
    q = probabilities(0.1, 0.2, 0.3, 0.4)
    assert posterior.expected_depth(q) == pytest.approx(2.0)
    torch.testing.assert_close(posterior.layer_on_probability(q), probabilities(0.9, 0.7, 0.4))


def test_pruning_moves_the_mass_of_deeper_depths_and_leaves_q_alone():
    q = probabilities(0.1, 0.2, 0.3, 0.4)
    log_q = q.log()
    torch.testing.assert_close(posterior.prune_log_q(log_q, 1).exp(), probabilities(0.1, 0.9))
    torch.testing.assert_close(posterior.prune_log_q(log_q, 3).exp(), q)
    torch.testing.assert_close(log_q.exp(), q)
    with pytest.raises(ValueError, match="depths 0 to 3"):
        posterior.prune_log_q(log_q, 4)


def test_extreme_logits_give_finite_log_probabilities():
    logits = torch.tensor([[[300.0, -300.0]], [[280.0, -320.0]]])
    mixed = posterior.mixture_log_probabilities(logits, torch.tensor([0.5, 0.5]).log())
    assert mixed[0, 1].item() == pytest.approx(-600, abs=0.1)


def test_metrics_by_hand():
    predictions = torch.tensor([[0.8, 0.2], [0.6, 0.4], [0.3, 0.7]], dtype=F64).log()
    y = torch.tensor([0, 1, 1])
    expected = (math.log(0.8) + math.log(0.4) + math.log(0.7)) / 3
    assert metrics.log_likelihood(predictions, y).item() == pytest.approx(expected)
    assert metrics.mean_true_class_probability(predictions, y).item() == pytest.approx((0.8 + 0.4 + 0.7) / 3)
    assert metrics.error_percent(predictions, y).item() == pytest.approx(100 / 3)
    both = torch.stack([predictions, predictions.flip(1)])
    assert metrics.error_percent(both, y).tolist() == pytest.approx([100 / 3, 200 / 3])
