"""Searches that obey the stop rule: DARTS-ADA goes back exactly, and a search may end when the rule fires."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from cells.tiny import tiny_search, written_search

from workflow_scripts.cells import bilevel_step
from workflow_scripts.cells import search as searching
from workflow_scripts.cells.adaptive_regularisation import Adaptation
from workflow_scripts.cells.early_stopping import latest_stop, stop_epoch
from workflow_scripts.cells.random_search_with_weight_sharing import one_hot
from workflow_scripts.cells.search import run_search
from workflow_scripts.cells.search_result import CurvatureRecord
from workflow_scripts.data.image_batches import load_part
from workflow_scripts.runtime.progress import Silent
from workflow_scripts.steps import derive_architectures
from workflow_scripts.study.cell_settings import Adaptive, StopRule
from workflow_scripts.tables.architectures import read_architectures
from workflow_scripts.tables.search_run import DISCARDED, read_search_run

CPU = torch.device("cpu")
RULE = StopRule(window=1, delta=1, start=2, factor=1.1)


ADAPTIVE = Adaptive()


def job_of(epochs=6, adaptive=ADAPTIVE, rule=RULE, fidelity="corrected", steps_per_epoch=1, **changes):
    curvature = {"kind": "dominant", "every": 1, "images": 4}
    job = tiny_search(epochs=epochs, steps_per_epoch=steps_per_epoch, curvature=curvature, **changes)
    return job.model_copy(update={"stop": rule, "adaptive": adaptive, "fidelity": fidelity})


@pytest.fixture
def rising(monkeypatch):
    """Eigenvalues that double every epoch, so that the rule fires as soon as it may."""

    def doubled(self, epoch):
        torch.rand(1, generator=self.lanczos_generator)  # a measurement draws
        return CurvatureRecord(epoch, 2.0**epoch, None)

    monkeypatch.setattr(searching._Search, "_curvature", doubled)


def searched(job, digits):
    return run_search(job, load_part(digits, "train", job.images), Silent(), CPU)


def test_two_rollbacks_as_published(digits, rising):
    """The rule fires after epoch 3 for epoch 2, twice; then the L2 factor is the largest and it is asked no more."""
    result = searched(job_of(), digits)
    rollbacks = [(back.stopped_at, back.back_to, back.l2_before, back.l2_after) for back in result.rollbacks]
    assert rollbacks == [(3, 2, 3e-4, pytest.approx(3e-3)), (3, 2, pytest.approx(3e-3), pytest.approx(0.03))]
    assert [record.epoch for record in result.epochs] == list(range(6))
    assert [record.l2 for record in result.epochs] == pytest.approx([3e-4] * 3 + [0.03] * 3)
    assert [(record.rollback, record.epoch, record.l2) for record in result.discarded] == [
        (0, 3, 3e-4),
        (1, 3, pytest.approx(3e-3)),
    ]
    assert [record.epoch for record in result.curvature] == list(range(6)) and len(result.alphas) == 6
    assert result.final_l2 == pytest.approx(0.03)


def test_after_a_rollback_all_is_as_if_the_epochs_had_not_been(digits, rising):
    """The same epochs by hand: up to the stop epoch, then on with the largest L2 factor."""
    job = job_of(epochs=5, steps_per_epoch=2, order=2, drop_path=0.3, augment=True)
    found = searched(job, digits)
    by_hand = searching._Search(job, load_part(digits, "train", job.images), CPU)
    records = []
    for epoch in range(5):
        if epoch == 3:
            by_hand.weight_optimizer.param_groups[0]["weight_decay"] = found.final_l2
        records.append(by_hand._epoch(epoch)[0])
        by_hand._curvature(epoch)
    assert found.epochs == records and len(found.rollbacks) == 2
    for ours, theirs in zip(found.alphas[-1], by_hand.alphas, strict=True):
        assert torch.equal(ours, theirs.detach())


def test_snapshots_are_bounded(digits, rising, monkeypatch):
    """Only those the rule may still go back to are kept."""
    kept = []
    remember = Adaptation._remember

    def spy(self, epoch):
        remember(self, epoch)
        kept.append(sorted(self.snapshots))

    monkeypatch.setattr(Adaptation, "_remember", spy)
    searched(job_of(epochs=8, rule=StopRule(window=3, delta=2, start=50)), digits)
    assert kept[-1] == [3, 4, 5, 6]  # 3 // 2 + 2 measurements back from the last epoch but one, and that one
    assert max(map(len, kept)) == 4


def test_the_l2_factor_is_not_raised_beyond_the_largest(digits, rising):
    result = searched(job_of(adaptive=Adaptive(factor=50, max_l2=0.01)), digits)
    assert [back.l2_after for back in result.rollbacks] == [0.01]


@pytest.mark.parametrize(("fidelity", "seen"), [("corrected", {3e-4, 0.01}), ("published", {3e-4})])
def test_the_unrolled_step_sees_the_raised_l2_but_as_published_the_old(digits, rising, monkeypatch, fidelity, seen):
    rules = []
    gradient = bilevel_step.second_order_gradient

    def spy(network, alphas, train, valid, rule, *rest, **named):
        rules.append(rule.l2)
        return gradient(network, alphas, train, valid, rule, *rest, **named)

    monkeypatch.setattr(bilevel_step, "second_order_gradient", spy)
    searched(job_of(adaptive=Adaptive(factor=50, max_l2=0.01), order=2, fidelity=fidelity), digits)
    assert set(rules) == seen


def test_as_published_the_eigenvalues_gone_back_on_stay(digits, rising):
    """After the first rollback to epoch 2 the rule compares with epoch 3 of before, so it fires one epoch later."""
    seen = {}
    for fidelity in ("corrected", "published"):
        result = searched(job_of(epochs=8, fidelity=fidelity), digits)
        seen[fidelity] = [(back.stopped_at, back.back_to) for back in result.rollbacks]
    assert seen["corrected"] == [(3, 2), (3, 2)]
    assert seen["published"] == [(3, 2), (4, 3)]


def test_as_published_a_search_may_go_back_to_an_epoch_after_which_the_rule_fired(digits, monkeypatch):
    """The rule fires after epoch 3, and two measurements later it leads to that end of epoch 3."""
    eigenvalues = iter([1.0, 1.0, 1.0, 2.0, 1.0, 4.0, 4.0, 4.0])

    def given(self, epoch):
        return CurvatureRecord(epoch, next(eigenvalues), None)

    monkeypatch.setattr(searching._Search, "_curvature", given)
    rule = StopRule(window=1, delta=2, start=1, factor=1.5)
    result = searched(job_of(epochs=6, rule=rule, fidelity="published"), digits)
    assert [(back.stopped_at, back.back_to) for back in result.rollbacks] == [(3, 1), (3, 3)]
    assert [record.epoch for record in result.epochs] == list(range(6))


def test_discarded_epochs_are_kept_in_the_runs_folder(digits, rising, tmp_path):
    files = written_search(job_of(), digits, tmp_path)
    discarded = DISCARDED.read(files["discarded.csv"])
    assert discarded[["rollback", "epoch"]].to_numpy().tolist() == [[0, 3], [1, 3]]
    run = read_search_run(tmp_path)
    assert run.outcome["final_l2"] == pytest.approx(0.03) and len(run.outcome["rollbacks"]) == 2
    assert run.settings["l2"] == 3e-4  # filed under what was configured


def test_a_search_that_ends_when_the_rule_fires_has_the_same_early_stopped_architecture(digits, rising, tmp_path):
    texts = {}
    for name, rule in (("whole", None), ("ended", RULE)):
        folder = tmp_path / "darts" / name
        written_search(job_of(adaptive=None, rule=rule), digits, folder)
        paths = [tmp_path / f"{name}-{method}.yaml" for method in ("darts", "darts_es")]
        settings = {"stop": RULE.model_dump(), "runs": [{"run": name, "methods": ["darts", "darts_es"]}]}
        inputs = {"history": [folder / "history.csv"]}
        derive_architectures.run(settings, inputs, {"architecture": paths}, Silent())
        texts[name] = [read_architectures(path)[0] for path in paths]
        texts[name, "epochs"] = len(read_search_run(folder).history)
    assert (texts["whole", "epochs"], texts["ended", "epochs"]) == (6, 4)
    whole, ended = texts["whole"], texts["ended"]
    assert ended[1]["epoch"] == whole[1]["epoch"] == 2
    assert ended[1]["genotype_text"] == whole[1]["genotype_text"] is not None
    assert (ended[0]["outcome"], ended[0]["genotype_text"]) == ("stopped", None)
    assert whole[0]["outcome"] == "found"


def test_asking_after_each_measurement_finds_the_epoch_of_the_whole_history():
    random = np.random.default_rng(0)
    rule, fired = StopRule(window=3, delta=2, start=6, factor=1.2), 0
    for _ in range(200):
        epochs = list(range(0, 40, 2))
        values = list(np.exp(random.normal(scale=0.2, size=len(epochs)).cumsum()))
        whole = stop_epoch(epochs, values, rule, last_epoch=38)
        asked = (latest_stop(epochs[:count], values[:count], rule) for count in range(1, len(epochs)))
        assert next((epoch for epoch in asked if epoch is not None), None) == whole
        fired += whole is not None
    assert 20 < fired < 200


@pytest.mark.parametrize("space", ["s1", "s2", "s3"])
def test_discretised_error_is_that_of_one_hot_weights(digits, space):
    job = tiny_search(space=space)
    train = load_part(digits, "train", job.images)
    search = searching._Search(job, train, CPU)
    result = search.run(Silent())
    network = search.network.eval()
    images, labels = search.alpha_part.batch(torch.arange(job.alpha_images), None)
    weights = one_hot(network, network.architecture_of(network.genotype(search.alphas)))
    with torch.no_grad():
        wrong = network.mix(images, weights).argmax(1) != labels
    if not job.search.augment:
        assert result.discretised_valid_error_percent == pytest.approx(100 * wrong.double().mean().item())
    assert 0 <= result.discretised_valid_error_percent <= 100


def test_published_statistics_and_noise(digits):
    """As published, the alpha passes reach the running statistics, so the evaluation of a search differs."""
    job = job_of(epochs=1, adaptive=None, rule=None, order=2, space="s4")
    ours, theirs = (searched(job.model_copy(update={"fidelity": kind}), digits) for kind in ("corrected", "published"))
    assert ours.epochs[0].valid_loss != theirs.epochs[0].valid_loss
    assert replace(ours.epochs[0], valid_loss=0.0).learning_rate == theirs.epochs[0].learning_rate
