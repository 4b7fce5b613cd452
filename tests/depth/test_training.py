"""The training loop: agreement with the published one, early stopping, the snapshot, divergence, determinism."""

from pathlib import Path

import pytest
import torch

from workflow_scripts.depth import compiled, conformance, training
from workflow_scripts.depth.evaluation import evaluate
from workflow_scripts.depth.posterior import FixedPosterior, LearntPosterior
from workflow_scripts.depth.run_setup import build, load
from workflow_scripts.depth.training import DepthModel, train
from workflow_scripts.study.depth_settings import DepthRun, DepthTraining, SpiralData

ORACLE = Path(__file__).parents[3] / "shared" / "oracle"
VECTORS = sorted(ORACLE.glob("depth_*.pt"))


def small_run(model="ldn", **training):
    settings = {"epochs": 12, "patience": 100, **training}
    return DepthRun(
        model=model,
        max_depth=3,
        width=6,
        data=SpiralData(points=200),
        training=DepthTraining(**settings),
        data_seed=1,
        weight_seed=2,
    )


def trained(run, watch=lambda _: None):
    model = build(run)
    data = load(run)
    generator = torch.Generator().manual_seed(run.weight_seed)
    return model, train(model, data.train, data.test, run.training, generator, watch)


def relative_error(ours, expected):
    ours, expected = (torch.as_tensor(value, dtype=torch.float64) for value in (ours, expected))
    assert ours.shape == expected.shape
    distance = torch.linalg.vector_norm(ours - expected).item()
    size = torch.linalg.vector_norm(expected).item()
    return distance / size if size else distance


def assert_agrees(name, ours, expected, tolerance):
    if isinstance(expected, dict):
        assert set(ours) == set(expected)
        for key, value in expected.items():
            assert_agrees(f"{name}.{key}", ours[key], value, tolerance)
    else:
        assert relative_error(ours, expected) <= tolerance, name


@pytest.mark.skipif(not VECTORS, reason=f"no reference vectors in {ORACLE}")
@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_reference_vectors(path):
    vector = torch.load(path, weights_only=True)
    ours = conformance.KINDS[vector["kind"]](vector)
    assert set(ours) == set(vector["expected"])
    for name, expected in vector["expected"].items():
        assert_agrees(name, ours[name], expected, 1e-8 if name == "state_dict_after" else 1e-9)


def test_one_step_by_hand():
    """One step of SGD with momentum is parameter - rate * gradient of nll + KL / N."""
    run = small_run(epochs=1)
    model, (x, y) = build(run), load(run).train
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    model.train()
    nll, kl, _ = model.objective(x, y)
    gradients = torch.autograd.grad(nll + kl / 20, list(model.parameters()))
    expected = {name: value - 0.1 * grad for (name, value), grad in zip(before.items(), gradients, strict=True)}
    after, result = trained(run)
    for name, parameter in after.named_parameters():
        torch.testing.assert_close(parameter.detach(), expected[name])
    assert result.history[0].elbo == pytest.approx(-(nll.item() * 20 + kl.item()))
    assert "posterior.q_logits" in expected


def test_ddn_trains_the_deepest_output_alone():
    run = small_run("ddn", epochs=1)
    model, (x, y) = build(run), load(run).train
    model.train()
    nll, kl, wrong = model.objective(x, y)
    assert nll.item() == pytest.approx(torch.nn.functional.cross_entropy(model.network(x)[-1], y).item())
    assert kl.item() == 0
    assert wrong.item() == (model.network(x)[-1].argmax(-1) != y).sum().item()
    assert trained(run)[1].history[0].elbo == pytest.approx(-20 * nll.item())


class Scripted(DepthModel):
    """A model whose objective follows a script; its one weight counts the steps, at learning rate 1."""

    def __init__(self, script):
        super().__init__(torch.nn.Identity(), FixedPosterior(0))
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.script = iter(script)

    def objective(self, x, y):
        value = next(self.script) - self.weight.sum()  # gradient -1, so a step adds 1
        return value + self.weight.detach().sum(), torch.zeros(()), torch.zeros((), dtype=torch.int64)


def follow(script, patience, points=4, batch_size=4, epochs=100):
    model = Scripted(script)
    settings = DepthTraining(epochs=epochs, patience=patience, learning_rate=1, momentum=0, batch_size=batch_size)
    data = torch.zeros(points, 2), torch.zeros(points, dtype=torch.int64)
    return train(model, data, None, settings, torch.Generator().manual_seed(0))


def test_stops_when_the_best_epoch_is_more_than_patience_ago():
    result = follow([3.0, 1.0, *[2.0] * 50], patience=3)
    assert result.best_epoch == 1
    assert result.best_elbo == -4.0
    assert len(result.history) == 1 + 3 + 1 + 1  # epoch 5 is the first with 5 - 1 > 3


def test_an_equal_elbo_is_no_improvement():
    assert follow([1.0] * 10, patience=5).best_epoch == 0


def test_snapshot_holds_the_weights_after_the_step():
    result = follow([3.0, 1.0, 2.0, 2.0, 2.0], patience=2)
    assert result.snapshot["weight"].item() == 2.0  # two steps: of epoch 0 and of epoch 1


def test_epoch_means_weigh_batches_by_their_points():
    result = follow([1.0, 4.0], patience=5, points=6, batch_size=4, epochs=1)
    assert result.history[0].negative_log_likelihood == pytest.approx((4 * 1.0 + 2 * 4.0) / 6)
    assert result.history[0].elbo == pytest.approx(-12.0)


def test_divergence_is_an_outcome_with_epoch_and_step():
    result = follow([1.0, 1.0, 0.5, 0.5, 1.0, float("nan")], patience=5, points=6, batch_size=4)
    assert (result.outcome, result.diverged_epoch, result.diverged_step) == ("diverged", 2, 1)
    assert (len(result.history), result.best_epoch, result.snapshot) == (2, 1, None)


def test_a_last_step_that_breaks_the_weights_is_a_divergence():
    model = Scripted([1.0])
    model.weight.register_hook(lambda gradient: gradient * float("inf"))
    data = torch.zeros(4, 2), torch.zeros(4, dtype=torch.int64)
    result = train(model, data, None, DepthTraining(epochs=1), torch.Generator())
    assert (result.outcome, result.diverged_epoch, result.snapshot) == ("diverged", 0, None)


def test_a_run_can_diverge_for_real():
    result = trained(small_run(learning_rate=1e30))[1]
    assert result.outcome == "diverged"
    assert result.diverged_epoch == len(result.history)


def test_test_points_are_measured_every_so_many_epochs_and_change_nothing():
    seen = []
    model, result = trained(small_run(test_every=5), seen.append)
    measured = [epoch.epoch for epoch in result.history if epoch.held_out_error_percent is not None]
    assert measured == [0, 5, 10]
    assert seen == result.history
    run = small_run(test_every=5)
    other = build(run)
    train(other, load(run).train, None, run.training, torch.Generator().manual_seed(2))
    for ours, theirs in zip(model.state_dict().values(), other.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs)


def test_same_seeds_same_numbers_and_other_seeds_others():
    run = small_run(batch_size=8)
    first, again = trained(run)[1].history, trained(run)[1].history
    assert first == again
    assert trained(run.model_copy(update={"weight_seed": 3}))[1].history[0].elbo != first[0].elbo
    assert trained(run.model_copy(update={"data_seed": 3}))[1].history[0].elbo != first[0].elbo


def test_building_a_model_leaves_the_global_generator_alone():
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    build(small_run())
    assert torch.equal(torch.rand(1), expected)


def test_initial_weights_follow_the_weight_seed_alone():
    run = small_run()
    first, other_data, other_weights = (
        build(run.model_copy(update=update)).network.head.weight
        for update in ({}, {"data_seed": 5}, {"weight_seed": 5})
    )
    assert torch.equal(first, other_data)
    assert not torch.equal(first, other_weights)


@pytest.mark.parametrize("train", [training.train, compiled.train])
def test_the_closed_form_leaves_q_at_its_optimum_for_the_best_weights(train):
    for first, reached in ((5, True), (None, False)):
        run = small_run(epochs=30, closed_form_from=first)
        model, data = build(run), load(run)
        result = train(model, data.train, data.test, run.training, torch.Generator().manual_seed(2))
        model.load_state_dict(result.snapshot)
        depths = evaluate(model, data.train, data.test).depths
        distance = max(abs(row["q"] - row["optimal_q"]) for row in depths)
        assert (distance < 1e-5) is reached


@pytest.mark.parametrize("train", [training.train, compiled.train])
def test_patience_counts_from_the_epoch_of_the_closed_form(train):
    run = small_run(epochs=40, patience=3, closed_form_from=20, learning_rate=1e-9)
    data = load(run)
    result = train(build(run), data.train, data.test, run.training, torch.Generator().manual_seed(2))
    assert result.best_epoch >= 20 and len(result.history) > 23


def test_training_learns_the_posterior():
    run = small_run(epochs=60)
    model, result = trained(run)
    assert isinstance(model.posterior, LearntPosterior)
    assert model.posterior.q_logits.detach().abs().max() > 1e-3
    assert result.best_elbo > result.history[0].elbo + 1
