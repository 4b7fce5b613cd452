"""A tiny search on digits: repeatable, complete in what it records, and honest about divergence."""

import json
import math

import numpy as np
import pytest
import torch
from cells.tiny import MEASURE, numbered_part, tiny_search, written_search

from workflow_scripts.cells import bilevel_step
from workflow_scripts.cells import search as search_module
from workflow_scripts.cells.bilevel_step import weight_step
from workflow_scripts.cells.search import run_search
from workflow_scripts.cells.supernet import Supernet
from workflow_scripts.data import image_batches
from workflow_scripts.data.augment import cutout
from workflow_scripts.data.image_batches import load_part
from workflow_scripts.runtime.progress import Silent
from workflow_scripts.study.cell_job_settings import Images
from workflow_scripts.tables.genotype import parse_genotype
from workflow_scripts.tables.search_run import read_search_run

CPU = torch.device("cpu")


@pytest.fixture
def steps(monkeypatch):
    """What every weight step of the searches of a test was given: images, learning rate, loss."""
    seen = []

    def spy(network, alphas, train, optimizer, grad_clip, noise):
        step = weight_step(network, alphas, train, optimizer, grad_clip, noise)
        seen.append((train[0], optimizer.param_groups[0]["lr"], float(step.loss)))
        return step

    monkeypatch.setattr(search_module, "weight_step", spy)
    return seen


def searched(job, digits):
    return run_search(job, load_part(digits, "train", job.images), Silent(), CPU)


def numbered_job(**changes):
    """A job that sees the numbers of numbered images as its pixels."""
    job = tiny_search(augment=False, **changes)
    shown = Images.model_validate({**job.images.model_dump(), "mean": (0.0,), "deviation": (1 / 255,)})
    return job.model_copy(update={"images": shown})


def numbers(images):
    return images[:, 0, 0, 0].round().int().tolist()


def test_same_seed_same_bytes_and_other_seed_other_run(digits, tmp_path):
    settings = {"space": "s4", "drop_path": 0.3, "order": 2, "epochs": 2, "steps_per_epoch": 2, **MEASURE}
    first, again, other = (
        written_search(tiny_search(seed=seed, **settings), digits, tmp_path / name)
        for name, seed in (("first", 1), ("again", 1), ("other", 2))
    )
    assert {name for name in first if first[name].read_bytes() != again[name].read_bytes()} == set()
    assert first["history.csv"].read_bytes() != other["history.csv"].read_bytes()
    assert first["curvature.npz"].read_bytes() != other["curvature.npz"].read_bytes()


def test_the_global_generator_decides_nothing(digits):
    job = tiny_search(space="s4", drop_path=0.3, epochs=1)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        first = searched(job, digits)
        state = torch.get_rng_state()
        torch.manual_seed(2)
        again = searched(job, digits)
    assert first.epochs == again.epochs
    with torch.random.fork_rng():
        torch.manual_seed(1)
        assert torch.equal(torch.get_rng_state(), state)  # nor does a search draw from it


def test_history_of_every_epoch(digits, tmp_path):
    written_search(tiny_search(epochs=4, **MEASURE), digits, tmp_path)
    found = read_search_run(tmp_path)
    assert found.outcome["outcome"] == "finished" and found.outcome["epochs"] == 4
    assert (found.outcome["final_l2"], found.outcome["rollbacks"]) == (3e-4, [])
    assert 0 <= found.outcome["discretised_valid_error_percent"] <= 100
    assert found.history["epoch"].tolist() == [0, 1, 2, 3]
    rates = [0.001 + 0.024 * (1 + math.cos(math.pi * epoch / 4)) / 2 for epoch in range(4)]
    assert found.history["learning_rate"].tolist() == pytest.approx(rates, rel=1e-12)
    assert found.history["train_error_percent"].between(0, 100).all()
    assert set((found.history["valid_error_percent"] * 16 / 100).round(9) % 1) == {0.0}  # of 16 images
    assert found.history["train_loss"].between(0.1, 20).all() and found.history["valid_loss"].between(0.1, 20).all()
    assert all(parse_genotype(text).nodes == 4 for text in found.history["genotype"])


@pytest.mark.parametrize(("epochs", "every", "measured"), [(4, 2, [0, 2, 3]), (3, 5, [0, 2])])
def test_curvature_epochs(epochs, every, measured, digits):
    result = searched(
        tiny_search(epochs=epochs, steps_per_epoch=1, curvature={"kind": "dominant", "every": every, "images": 2}),
        digits,
    )
    assert [record.epoch for record in result.curvature] == measured
    assert all(math.isfinite(record.dominant_eigenvalue) for record in result.curvature)
    assert all(record.hessian is None for record in result.curvature)


def test_full_curvature_is_kept_with_its_eigenvalue(digits, tmp_path):
    written_search(tiny_search(epochs=1, steps_per_epoch=1, curvature={"kind": "full"}), digits, tmp_path)
    found = read_search_run(tmp_path)
    assert found.hessians.shape == (1, 56, 56)
    assert np.linalg.eigvalsh(found.hessians[0].astype(float))[-1] == pytest.approx(found.eigenvalues[0], abs=1e-6)


def test_measuring_the_curvature_changes_nothing_else(digits):
    settings = {"space": "s4", "drop_path": 0.3, "epochs": 2}
    with_curvature = searched(tiny_search(**settings, **MEASURE), digits)
    assert with_curvature.curvature
    assert searched(tiny_search(**settings), digits).epochs == with_curvature.epochs


def test_learning_rate_of_every_step(digits, steps):
    job = tiny_search(epochs=3, steps_per_epoch=2, learning_rate=0.4, learning_rate_min=0.1)
    searched(job, digits)
    assert [rate for _, rate, _ in steps] == pytest.approx([0.4] * 2 + [0.325] * 2 + [0.175] * 2)


def test_an_epoch_is_one_pass_unless_its_steps_are_given(digits, steps):
    job = tiny_search(epochs=1, steps_per_epoch=None, batch_size=5)
    searched(job, digits)
    assert [len(images) for images, *_ in steps] == [5, 5, 5, 5, 4]


def test_weights_and_alphas_see_disjoint_images(steps, monkeypatch):
    alpha_batches = []
    gradient = bilevel_step.first_order_gradient

    def spy(network, alphas, valid, noise, published):
        alpha_batches.append(numbers(valid[0]))
        return gradient(network, alphas, valid, noise, published)

    monkeypatch.setattr(bilevel_step, "first_order_gradient", spy)
    job = numbered_job(epochs=2, steps_per_epoch=None)
    run_search(job, numbered_part(job), Silent(), CPU)
    trained = [number for images, *_ in steps for number in numbers(images)]
    assert sorted(trained[:24]) == sorted(trained[24:]) == list(range(24))  # each once in an epoch
    assert trained[:24] != trained[24:] and trained[:24] != list(range(24))
    assert len(set().union(*alpha_batches)) > 8 and set().union(*alpha_batches) <= set(range(24, 40))
    assert all(len(set(batch)) == 4 for batch in alpha_batches)
    assert len(alpha_batches) == len(steps) == 12


def test_validation_takes_all_alpha_images(monkeypatch):
    job = numbered_job(epochs=1, steps_per_epoch=1)
    forward = Supernet.forward
    shown = []

    def spy(network, images, *rest):
        if not network.training:
            shown.extend(numbers(images))
        return forward(network, images, *rest)

    monkeypatch.setattr(Supernet, "forward", spy)
    run_search(job, numbered_part(job), Silent(), CPU)
    assert shown == list(range(24, 40))


@pytest.mark.parametrize(
    ("drop_path", "augment", "probabilities"),
    [(0.0, True, set()), (0.4, False, set()), (0.4, True, {0.5, 1.0})],
)
def test_cutout_rises_with_drop_path_and_is_off_without_it(drop_path, augment, probabilities, digits, monkeypatch):
    seen = []

    def spy(images, length, probability, draws):
        seen.append((length, probability))
        return cutout(images, length, probability, draws)

    monkeypatch.setattr(image_batches, "cutout", spy)
    searched(tiny_search(drop_path=drop_path, augment=augment), digits)
    assert {probability for _, probability in seen} == probabilities
    assert {length for length, _ in seen} <= {4}  # half of the image side


def test_drop_path_rises_linearly_to_its_largest_value(digits, monkeypatch):
    seen = []

    def spy(network, alphas, valid, noise, published):
        seen.append(noise.drop_path)
        return gradient(network, alphas, valid, noise, published)

    gradient = bilevel_step.first_order_gradient
    monkeypatch.setattr(bilevel_step, "first_order_gradient", spy)
    searched(tiny_search(drop_path=0.4, epochs=5, steps_per_epoch=1), digits)
    assert seen == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4])


def test_divergence_is_recorded_with_epoch_and_step(digits, tmp_path, steps):
    lines = []

    class Listener(Silent):
        def say(self, text):
            lines.append(text)

    job = tiny_search(learning_rate=1e25, learning_rate_min=1e25, grad_clip=1e30, momentum=0.0)
    result = run_search(job, load_part(digits, "train", job.images), Listener(), CPU)
    first_broken = next(index for index, (*_, loss) in enumerate(steps) if not math.isfinite(loss))
    assert result.diverged_at == divmod(first_broken, 3)
    assert len(result.epochs) == result.diverged_at[0]
    assert lines == ["diverged: the loss is not finite at epoch {}, step {}".format(*result.diverged_at)]

    written_search(job, digits, tmp_path)
    epoch, step = result.diverged_at
    outcome = json.loads((tmp_path / "outcome.json").read_text())
    assert {key: outcome[key] for key in ("outcome", "epochs", "epoch", "step")} == {
        "outcome": "diverged",
        "epochs": epoch,
        "epoch": epoch,
        "step": step,
    }
    assert len(read_search_run(tmp_path).history) == epoch


def test_divergence_in_the_very_last_step_is_no_finished_search(digits):
    broken = {"learning_rate": 1e25, "learning_rate_min": 1e25, "grad_clip": 1e30, "momentum": 0.0}
    result = searched(tiny_search(epochs=1, steps_per_epoch=1, **broken), digits)
    assert result.diverged_at == (0, 0)
    assert result.epochs == []


def test_the_alphas_may_have_another_optimizer(digits, monkeypatch):
    def plain(alphas, settings):
        return torch.optim.SGD(alphas, settings.arch_learning_rate)

    monkeypatch.setattr(search_module, "alpha_optimizer", plain)
    job = tiny_search(arch_learning_rate=0.1, epochs=1)
    other = searched(job, digits).alphas[-1]
    monkeypatch.undo()
    assert not torch.equal(other.normal, searched(job, digits).alphas[-1].normal)


def test_alphas_move_and_are_kept_for_every_epoch(digits):
    result = searched(tiny_search(arch_learning_rate=0.1, epochs=2), digits)
    first, second = result.alphas
    assert not torch.equal(first.normal, second.normal)
    assert first.normal.abs().max() > 0.05  # Adam moves by about its rate in each of three steps
    assert first.normal.abs().max() < 0.5


def test_order_two_differs_from_order_one(digits):
    one, two = (searched(tiny_search(order=order, arch_learning_rate=0.1, epochs=1), digits) for order in (1, 2))
    assert not torch.equal(one.alphas[-1].normal, two.alphas[-1].normal)
