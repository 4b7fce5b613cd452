"""The compiled training against the plain reference and against the torch path."""

import math

import pytest
import torch
from numba_cache import printed_twice

from workflow_scripts.depth import compiled, training
from workflow_scripts.depth.published_networks import Q_LOGITS, published_state
from workflow_scripts.depth.run_setup import build, load
from workflow_scripts.reference import depth as reference
from workflow_scripts.study.depth_settings import DepthRun

SIZES = [(5, 20, 2), (10, 20, 2), (0, 20, 2), (1, 7, 3), (7, 33, 5)]


def run_of(model, max_depth, width=20, arms=2, points=2000, **settings):
    data = {"points": points, "arms": arms}
    chosen = {"model": model, "max_depth": max_depth, "width": width, "data": data, "training": settings}
    return DepthRun.model_validate(chosen | {"data_seed": 3, "weight_seed": 5})


def trained(train, run, precision=torch.float64):
    """(model with its last weights, result)."""
    model = build(run).to(precision)
    data = load(run)
    train_points, test_points = ((x.to(precision), y) for x, y in (data.train, data.test))
    return model, train(model, train_points, test_points, run.training, torch.Generator().manual_seed(1))


def relative(ours, theirs):
    """||ours - theirs|| / ||theirs||, as in the conformance command."""
    return ((ours.double() - theirs.double()).norm() / theirs.double().norm().clamp(min=1e-12)).item()


def plain(run, precision, epochs):
    """The plain reference trained from the same start: (its state, its objective per epoch)."""
    learnt, (x, y) = run.model == "ldn", load(run).train
    network = reference.fully_connected_network(2, run.width, run.max_depth, run.data.arms, learnt).to(precision)
    start = published_state(build(run).network, torch.zeros(run.max_depth + 1) if learnt else None)
    network.load_state_dict(start)
    config = {"method": run.model.upper(), "max_depth": run.max_depth, "prior_decay": run.prior_decay}
    config |= {"epochs": epochs, "learning_rate": 0.1, "momentum": 0.5, "weight_decay": run.training.weight_decay}
    history = reference.train(network, x.to(precision), y, config)
    return network.state_dict(), history


def differences(model, state):
    """Per tensor of the reference's state, how far ours is from it."""
    q_logits = model.posterior.q_logits if Q_LOGITS in state else None
    ours = published_state(model.network, q_logits)
    assert set(ours) == set(state)
    return {name: relative(ours[name], state[name]) for name in state}


@pytest.mark.parametrize("model_name", ["ldn", "ddn"])
@pytest.mark.parametrize(("max_depth", "width", "arms"), SIZES)
def test_ten_float64_epochs_are_those_of_the_plain_reference(model_name, max_depth, width, arms):
    run = run_of(model_name, max_depth, width, arms, points=1500, epochs=10, weight_decay=1e-3)
    model, result = trained(compiled.train, run)
    state, history = plain(run, torch.float64, 10)
    assert max(differences(model, state).values()) < 1e-6
    nll = torch.tensor([epoch.negative_log_likelihood for epoch in result.history], dtype=torch.float64)
    kl = torch.tensor([epoch.kl_per_sample for epoch in result.history], dtype=torch.float64)
    assert relative(nll, history["negative_log_likelihood"]) < 1e-9
    assert (kl - history["kl_per_sample"]).abs().max() < 1e-9


@pytest.mark.parametrize("model_name", ["ldn", "ddn"])
@pytest.mark.parametrize("max_depth", [0, 5, 10, 20])
def test_one_float32_step_is_that_of_the_plain_reference(model_name, max_depth):
    run = run_of(model_name, max_depth, epochs=1)
    model, _ = trained(compiled.train, run, torch.float32)
    state, _ = plain(run, torch.float32, 1)
    assert max(differences(model, state).values()) < 1e-5


@pytest.mark.parametrize("model_name", ["ldn", "ddn"])
def test_minibatches_test_points_and_the_best_snapshot_are_those_of_the_torch_path(model_name):
    run = run_of(model_name, 3, epochs=12, batch_size=64, test_every=4, momentum=0.9)
    (ours, found), (theirs, expected) = (trained(module.train, run) for module in (compiled, training))
    assert [epoch.epoch for epoch in found.history if epoch.held_out_error_percent is not None] == [0, 4, 8]
    for a, b in zip(found.history, expected.history, strict=True):
        assert a.train_error_percent == b.train_error_percent
        assert a.elbo == pytest.approx(b.elbo, rel=1e-6)
        if b.held_out_negative_log_likelihood is not None:
            assert a.held_out_error_percent == pytest.approx(b.held_out_error_percent)
            assert a.held_out_negative_log_likelihood == pytest.approx(b.held_out_negative_log_likelihood, rel=1e-6)
    assert found.best_epoch == expected.best_epoch
    assert list(found.snapshot) == list(expected.snapshot)
    assert max(relative(found.snapshot[name], expected.snapshot[name]) for name in expected.snapshot) < 1e-6
    last = theirs.state_dict()
    assert max(relative(tensor, last[name]) for name, tensor in ours.state_dict().items()) < 1e-6


@pytest.mark.parametrize("first", [0, 4])
def test_the_closed_form_of_q_is_that_of_the_torch_path(first):
    run = run_of("ldn", 3, epochs=12, batch_size=64, test_every=4, closed_form_from=first)
    (ours, found), (theirs, expected) = (trained(module.train, run) for module in (compiled, training))
    for a, b in zip(found.history, expected.history, strict=True):
        assert a.elbo == pytest.approx(b.elbo, rel=1e-5)
    assert found.best_epoch == expected.best_epoch >= first
    assert max(relative(found.snapshot[name], expected.snapshot[name]) for name in expected.snapshot) < 1e-5
    assert relative(ours.posterior.log_q(), theirs.posterior.log_q()) < 1e-5
    plain = trained(compiled.train, run_of("ldn", 3, epochs=12, batch_size=64, test_every=4))[1]
    assert [a.elbo == b.elbo for a, b in zip(found.history, plain.history, strict=True)][first : first + 2] == [
        True,
        False,
    ]


def test_a_network_of_fixed_depth_has_no_closed_form():
    results = [trained(compiled.train, run_of("ddn", 3, epochs=6, **more))[1] for more in ({}, {"closed_form_from": 5})]
    assert results[0].history == results[1].history and results[0].best_epoch == results[1].best_epoch


def test_stops_where_the_torch_path_stops():
    run = run_of("ldn", 2, epochs=60, patience=3, learning_rate=3.0, momentum=0.0)
    (_, found), (_, expected) = (trained(module.train, run) for module in (compiled, training))
    assert len(found.history) == len(expected.history) < 60
    assert found.best_epoch == expected.best_epoch == len(found.history) - 5


@pytest.mark.parametrize("model_name", ["ldn", "ddn"])
def test_divergence_is_seen_where_it_happens(model_name):
    run = run_of(model_name, 3, epochs=5, learning_rate=1e30)
    (_, found), (_, expected) = (trained(module.train, run, torch.float32) for module in (compiled, training))
    assert found.outcome == expected.outcome == "diverged"
    assert found.snapshot is None
    assert (found.diverged_epoch, found.diverged_step) == (expected.diverged_epoch, expected.diverged_step)
    assert all(math.isfinite(epoch.elbo) for epoch in found.history)


def test_not_a_number_in_the_weights_is_a_divergence():
    run = run_of("ldn", 2, epochs=3)
    model = build(run)
    with torch.no_grad():
        model.network.input_layer.weight[0, 0] = math.nan
    result = compiled.train(model, load(run).train, None, run.training, torch.Generator())
    assert (result.outcome, result.diverged_epoch, result.history) == ("diverged", 0, [])


def test_the_same_run_gives_the_same_bytes():
    run = run_of("ldn", 6, epochs=30, batch_size=90)
    (_, first), (_, second) = (trained(compiled.train, run, torch.float32) for _ in range(2))
    assert first.history == second.history
    assert all(torch.equal(tensor, second.snapshot[name]) for name, tensor in first.snapshot.items())


PRINTED_HISTORY = """
import torch
from workflow_scripts.depth.run_setup import build, load, train
from workflow_scripts.study.depth_settings import DepthRun
training = {"epochs": 40, "batch_size": 90}
run = DepthRun(model="ldn", max_depth=6, data_seed=3, weight_seed=5, training=training)
print([epoch.elbo for epoch in train(build(run), load(run), run).history])
"""


def test_a_process_that_compiles_gives_the_bytes_of_one_that_loads_what_was_compiled(tmp_path):
    cold, warm = printed_twice(PRINTED_HISTORY, tmp_path)
    assert len(cold) > 400
    assert cold == warm


@pytest.mark.parametrize("model_name", ["ldn", "ddn"])
def test_a_sure_and_wrong_network_has_a_finite_log_likelihood(model_name):
    """Logits so far apart that the true class's probability is 0 in float32."""
    run = run_of(model_name, 2)
    model, data = build(run), load(run)
    with torch.no_grad():
        model.network.head.weight *= 1e4
    expected = training.measure(model, *data.test)
    parameters, running = compiled._tensors(model)
    vector, statistics = (compiled._joined(tensors, torch.float32) for tensors in (parameters, running))
    ours = compiled._test(vector, statistics, model.network.shape, model_name == "ldn", data.test)
    assert math.isfinite(expected[0]) and expected[0] > 50
    assert ours[0] == pytest.approx(expected[0], rel=1e-4)
    assert ours[1] == pytest.approx(expected[1])
