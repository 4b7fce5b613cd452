"""Image networks: statistics of each depth, images held out, the published form, and the step on made-up images."""

import copy
import json

import numpy as np
import pytest
import torch

from workflow_scripts.depth.evaluation import evaluate
from workflow_scripts.depth.networks import ConvolutionalNetwork, DepthBatchNorm, prune
from workflow_scripts.depth.posterior import LearntPosterior
from workflow_scripts.depth.prior import geometric_log_prior
from workflow_scripts.depth.run_setup import build, load
from workflow_scripts.depth.training import DepthModel, TrainingState, train
from workflow_scripts.runtime.epochs import restore, state_of
from workflow_scripts.runtime.progress import Silent
from workflow_scripts.steps import depth_search, depth_speed, depth_tables
from workflow_scripts.study.depth_settings import Depth, DepthTraining, expand, experiment_of
from workflow_scripts.tables.depth_tables import DEPTH_RUNS, DEPTH_SPEED

IMAGES = {"data_sets": ["digits"], "train_images": 60, "test_images": 30, "outer_width": 6, "inner_width": 3}
STUDY = {
    "experiments": {
        "image_max_depth": {
            "models": ["ldn", "ddn"],
            "max_depths": [2],
            "seeds": [1],
            "images": IMAGES,
            "training": {"epochs": 3, "batch_size": 18},
        }
    }
}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Digits in little: the class shows in the brightness."""
    random, path = np.random.default_rng(0), tmp_path_factory.mktemp("data") / "digits.npz"
    arrays = {}
    for part, count in (("train", 100), ("test", 40)):
        labels = random.integers(0, 10, count)
        noise = random.integers(0, 20, (count, 1, 8, 8))
        arrays |= {
            f"{part}_labels": labels,
            f"{part}_images": (labels[:, None, None, None] * 20 + noise).astype(np.uint8),
        }
    np.savez(path, **arrays)
    return path


def runs_of(fidelity="corrected", **images):
    experiment = STUDY["experiments"]["image_max_depth"] | {"images": IMAGES | images}
    groups = expand(Depth.model_validate({"experiments": {"i": experiment}, "fidelity": fidelity}))
    return {run.model: run for runs in groups.values() for run in runs.values()}


def networks():
    """The same weights with shared statistics and with those of each depth."""
    torch.manual_seed(3)
    shared = ConvolutionalNetwork(1, 6, 3, 10, 3).double()
    own = ConvolutionalNetwork(1, 6, 3, 10, 3, per_depth_statistics=True).double()
    state = {
        name: tensor for name, tensor in shared.state_dict().items() if ".running_" not in name or "head" not in name
    }
    assert not own.load_state_dict(state, strict=False).unexpected_keys
    return shared, own


def images(count=7):
    return torch.randn(count, 1, 12, 12, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def test_training_mode_is_that_of_shared_statistics():
    shared, own = networks()
    torch.testing.assert_close(own(images()), shared(images()))


def test_every_depth_keeps_the_statistics_of_its_own_states():
    _, network = networks()
    norm = network.head[1].layers[2]
    assert isinstance(norm, DepthBatchNorm)
    state = network.input_layer(images())
    network(images())
    for depth in range(network.max_depth + 1):
        inner = torch.relu(network.head[1].layers[0](network.summary(state)))
        torch.testing.assert_close(norm.running_mean[depth], 0.1 * inner.mean(0))
        torch.testing.assert_close(norm.running_var[depth], 0.9 + 0.1 * inner.var(0))
        if depth < network.max_depth:
            state = network.blocks[depth](state)


def test_pruning_keeps_the_statistics_of_the_depths_that_are_left():
    _, network = networks()
    network(images())
    network.eval()
    logits = network(images())
    torch.testing.assert_close(network.deepest(images()), logits[-1])
    smaller = prune(network, 1)
    torch.testing.assert_close(smaller(images()), logits[:2])
    torch.testing.assert_close(smaller.deepest(images()), logits[1])
    assert smaller.head[1].layers[2].running_mean.shape == (2, 6)


def test_statistics_of_each_depth_are_needed_in_evaluation():
    shared, own = networks()
    for network in (shared, own):
        for _ in range(200):
            network(images())
        network.train()
    batch = own(images())
    for network in (shared, own):
        network.eval()
    assert (own(images()) - batch).abs().max() < 0.2 * (shared(images()) - batch).abs().max()


def test_held_out_images_train_nothing_and_follow_the_data_seed(prepared):
    run = runs_of()["ldn"]
    data = load(run, prepared)
    assert [len(points[1]) for points in (data.train, data.held_out, data.test)] == [54, 6, 30]
    pixels = {tuple(image.flatten().tolist()) for image in data.train[0]}
    assert not pixels & {tuple(image.flatten().tolist()) for image in data.held_out[0]}
    assert data.train[0].is_contiguous(memory_format=torch.channels_last)
    other = load(run.model_copy(update={"data_seed": 2}), prepared)
    assert not torch.equal(other.train[1], data.train[1])
    assert torch.equal(other.test[0], data.test[0])


def test_the_published_form_chooses_by_test_images_and_cuts_the_rate_of_ddn(prepared):
    published, corrected = runs_of("published"), runs_of()
    data = load(published["ldn"], prepared)
    assert len(data.train[1]) == 60
    assert data.held_out is data.test
    rates = {model: run.training.learning_rate_cut for model, run in published.items()}
    assert rates == {"ldn": None, "ddn": 30}
    assert [run.training.learning_rate_cut for run in corrected.values()] == [None, None]
    assert {run.training.chosen_by for run in corrected.values()} == {"held_out"}
    assert build(corrected["ldn"]).network.per_depth_statistics
    assert not build(published["ldn"]).network.per_depth_statistics


@pytest.mark.parametrize(("fidelity", "updates"), [("published", 3), ("corrected", 1)])
def test_the_head_of_a_published_ddn_sees_every_depth(fidelity, updates, prepared):
    run = runs_of(fidelity)["ddn"]
    model, (x, y) = build(run), load(run, prepared).train
    model.train()
    model.objective(x, y)
    assert model.network.head[1].layers[2].num_batches_tracked == updates


def test_the_rate_is_a_tenth_after_the_cut(prepared):
    run = runs_of()["ddn"]
    data, settings = load(run, prepared), run.training.model_copy(update={"learning_rate_cut": 2})
    training, rates = TrainingState(build(run), settings, torch.Generator()), []
    for _ in range(settings.epochs):
        training.run_epoch(data.train, data.held_out)
        rates.append(training.optimiser.param_groups[0]["lr"])
    assert rates == pytest.approx([0.1, 0.1, 0.01])


def test_the_best_epoch_is_that_of_the_held_out_elbo(prepared):
    run = runs_of()["ldn"]
    data = load(run, prepared)
    settings = run.training.model_copy(update={"epochs": 8, "patience": 2})
    result = train(build(run), data.train, data.held_out, settings, torch.Generator().manual_seed(1))
    elbos = [-(e.held_out_negative_log_likelihood + e.kl_per_sample) * 6 for e in result.history]
    assert result.best_epoch == int(np.argmax(elbos))
    assert result.best_elbo == pytest.approx(max(elbos))
    assert len(result.history) == min(8, result.best_epoch + 4)


def test_the_closed_form_leaves_q_of_images_at_its_optimum(prepared):
    run = runs_of()["ldn"]
    data, model = load(run, prepared), build(run)
    settings = run.training.model_copy(update={"closed_form_from": 1})
    result = train(model, data.train, data.held_out, settings, torch.Generator().manual_seed(1))
    model.load_state_dict(result.snapshot)
    depths = evaluate(model, data.train, data.test).depths
    assert max(abs(row["q"] - row["optimal_q"]) for row in depths) < 1e-5


@pytest.mark.parametrize("closed_form_from", [None, 3])
@pytest.mark.parametrize("widths", [(6, 3), (8, 8)])
def test_a_training_goes_on_from_a_copy_of_its_state(widths, closed_form_from, prepared):
    run = runs_of(outer_width=widths[0], inner_width=widths[1])["ldn"]
    data = load(run, prepared)
    settings = run.training.model_copy(update={"closed_form_from": closed_form_from})
    training = TrainingState(build(run), settings, torch.Generator().manual_seed(1))
    for _ in range(2):
        training.run_epoch(data.train, data.held_out)
    again = TrainingState(build(run), training.settings, torch.Generator())
    again.history.load_state_dict(training.history.state_dict())
    restore(again.parts(), copy.deepcopy(state_of(training.parts())))
    for each in (training, again):
        for _ in range(4):
            each.run_epoch(data.train, data.held_out)
    assert (training.history, training.best.epoch) == (again.history, again.best.epoch)
    for name, tensor in training.best.weights.items():
        assert torch.equal(tensor, again.best.weights[name])
    for ours, theirs in zip(training.model.state_dict().values(), again.model.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize(
    ("widths", "bfloat16", "layout"),
    [((8, 16), False, "compiled"), ((8, 4), False, "modules"), ((4, 8), False, "modules"), ((8, 16), True, "modules")],
)
def test_the_layout_follows_from_widths_and_precision(widths, bfloat16, layout):
    run = runs_of(outer_width=widths[0], inner_width=widths[1], bfloat16=bfloat16)["ldn"]
    assert (run.data.layout, build(run).network.layout) == (layout, layout)


def test_mixed_precision_is_close_and_not_the_same(prepared):
    plain, mixed = (build(runs_of(bfloat16=bfloat16)["ldn"]) for bfloat16 in (False, True))
    x, y = load(runs_of()["ldn"], prepared).train
    first, second = plain.objective(x, y)[0], mixed.objective(x, y)[0]
    assert second.dtype == torch.float32
    assert first.item() != second.item()
    assert second.item() == pytest.approx(first.item(), rel=0.05)


def test_a_training_whose_held_out_numbers_are_never_finite_diverges():
    torch.manual_seed(0)
    model = DepthModel(ConvolutionalNetwork(1, 4, 2, 3, 1), LearntPosterior(geometric_log_prior(1, 0.85), 1e-10))
    x, y = torch.randn(8, 1, 8, 8), torch.zeros(8, dtype=torch.int64)
    settings = DepthTraining(epochs=2, test_every=1, chosen_by="held_out", learning_rate=1e-3)
    result = train(model, (x, y), (x * float("inf"), y), settings, torch.Generator())
    assert (result.outcome, result.best_epoch, result.snapshot) == ("diverged", None, None)


def test_the_step_and_its_tables(prepared, tmp_path):
    groups = expand(Depth.model_validate(STUDY))
    assert list(groups) == [f"image_max_depth_seed-1_digits_{model}_D0-15_width-6" for model in ("ldn", "ddn")]
    for group, runs in groups.items():
        settings = {
            "experiment": experiment_of(group),
            "runs": {n: run.model_dump(mode="json") for n, run in runs.items()},
        }
        for folder in (tmp_path / "first", tmp_path / "again"):
            depth_search.run(settings, {"data": [prepared]}, {"folder": [folder / group]}, Silent())
    files = sorted(path.relative_to(tmp_path / "first") for path in (tmp_path / "first").rglob("*.*") if path.is_file())
    assert len(files) == 2 * 6
    assert all((tmp_path / "first" / path).read_bytes() == (tmp_path / "again" / path).read_bytes() for path in files)
    folders = {"folder": sorted((tmp_path / "first").iterdir())}
    outputs = {name: [tmp_path / f"{name}.csv"] for name in ("depth_runs", "depth_posteriors", "depth_calibration")}
    depth_tables.run({}, folders, outputs, Silent())
    runs = DEPTH_RUNS.read(tmp_path / "depth_runs.csv").set_index("model")
    assert runs["data_set"].unique().tolist() == ["digits"]
    assert runs.loc["ldn", ["points", "train_points", "width"]].tolist() == [90, 54, 6]
    assert runs["noise"].isna().all()
    outcome = json.loads(next((tmp_path / "first").glob("*ldn*/*/outcome.json")).read_text())
    # 5x5 convolution on 8x8 gives 4x4, pooled 2x2; blocks of 1x1, 3x3, 1x1 there; two linear layers after the mean
    block, head = 4 * (6 * 3 + 9 * 3 * 3 + 3 * 6), 6 * 6 + 6 * 10
    assert outcome["multiply_adds_deterministic"] == 16 * 25 * 6 + 2 * block + head
    assert outcome["multiply_adds_d_opt"] == 16 * 25 * 6 + outcome["d_opt"] * block + (outcome["d_opt"] + 1) * head
    depth_speed.run({}, folders, {"depth_speed": [tmp_path / "depth_speed.csv"]}, Silent())
    speed = DEPTH_SPEED.read(tmp_path / "depth_speed.csv")
    assert speed["repeat"].tolist() == list(range(9))
    assert (speed["deterministic_milliseconds"] > 0).all()
