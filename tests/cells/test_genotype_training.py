"""Training a genotype from scratch: it learns, repeats itself, counts its parameters and admits divergence."""

import copy
import json
import math

import pytest
import torch
from cells.tiny import tiny_evaluation

from workflow_scripts.cells import genotype_training
from workflow_scripts.cells.genotype_network import DiscreteCell, EvaluationNetwork
from workflow_scripts.cells.genotype_training import train_genotype
from workflow_scripts.data.image_batches import Part, load_part
from workflow_scripts.runtime.progress import Silent
from workflow_scripts.steps import evaluate_genotype, evaluation_table
from workflow_scripts.study.cell_job_settings import EvaluationJob, Images
from workflow_scripts.study.cell_settings import Training
from workflow_scripts.tables.architectures import write_architectures
from workflow_scripts.tables.cell_tables import EVALUATIONS
from workflow_scripts.tables.genotype import Genotype
from workflow_scripts.tables.genotype_training import EVALUATION_HISTORY

CPU = torch.device("cpu")
CELL = (("sep_conv_3x3", 0), ("skip_connect", 1)) * 4
GENOTYPE = Genotype(CELL, CELL)
SKIPS = Genotype((("skip_connect", 0), ("skip_connect", 1)) * 4, (("skip_connect", 0), ("skip_connect", 1)) * 4)
NOISY = Genotype((("noise", 0), ("sep_conv_3x3", 1)) * 4, CELL)
FEW = {"train": 200, "test": 100}
BROKEN = {"learning_rate": 1e25, "grad_clip": 1e30, "momentum": 0.0}


def parts(job, digits, count=None):
    whole = [load_part(digits, name, job.images) for name in ("train", "test")]
    return [part.first(count) for part in whole]


def trained(genotype, job, digits, count=100, progress=None):
    return train_genotype(genotype, job, *parts(job, digits, count), progress or Silent(), CPU)


def architecture(genotype, method="darts"):
    """An architecture as a search's derivation writes it; None where the search did not reach it."""
    return {
        "space": "s2",
        "data_set": "digits",
        "search": "darts",
        "run": "l2-0.0003_drop-0_seed-1",
        "method": method,
        "l2": 3e-4,
        "drop_path": 0.0,
        "seed": 1,
        "outcome": "found" if genotype else "diverged",
        "epoch": 2,
        "epoch_reason": "last",
        "valid_error_percent": 50.0 if genotype else None,
        "selection_error_percent": None,
        "genotype": genotype.structure() if genotype else None,
        "genotype_text": genotype.text() if genotype else None,
        "settings_sha256": "0" * 64,
        "outputs_sha256": "1" * 64,
    }


def evaluated(genotype, job, data, folder, method="darts", same=None):
    """Run the step, with the outputs of the `same` training if there is one; returns the paths of its outputs."""
    folder.mkdir(exist_ok=True)
    source = folder / "architecture.yaml"
    write_architectures(source, [architecture(genotype, method)])
    files = {"history": folder / "history.csv", "weights": folder / "weights.pt", "outcome": folder / "outcome.json"}
    evaluate_genotype.run(
        job.model_dump(mode="json"),
        {"data": [data], "architecture": [source]} | ({"same_training": list(same.values())} if same else {}),
        {name: [path] for name, path in files.items()},
        Silent(),
    )
    return files


def tabled(files, folder):
    """The evaluation table of one training, next to the architecture that the search gives now."""
    table = folder / "evaluations.csv"
    inputs = {"outcome": [files["outcome"]], "architectures": [folder / "architecture.yaml"]}
    evaluation_table.run({"epochs": [7]}, inputs, {"evaluations": [table]}, Silent())
    return EVALUATIONS.read(table)


def test_learns_digits(digits):
    job = tiny_evaluation(epochs=3, batch_size=32, init_channels=4, learning_rate=0.1)
    result = trained(GENOTYPE, job, digits, count=797)
    assert [record.epoch for record in result.epochs] == [0, 1, 2]
    assert result.epochs[-1].test_error_percent < 50  # chance is 90
    assert result.epochs[-1].train_loss < result.epochs[0].train_loss
    rates = [0.1 * (1 + math.cos(math.pi * epoch / 3)) / 2 for epoch in range(3)]
    assert [record.learning_rate for record in result.epochs] == pytest.approx(rates)


def test_same_seed_same_bytes_and_other_seed_other_numbers(digits, tmp_path):
    settings = {"epochs": 2, "augment": True, "drop_path": 0.4, "subset": FEW}
    first, again, other = (
        evaluated(NOISY, tiny_evaluation(seed=seed, **settings), digits, tmp_path / name)
        for name, seed in (("first", 1), ("again", 1), ("other", 2))
    )
    for name in first:
        assert first[name].read_bytes() == again[name].read_bytes()
        assert first[name].read_bytes() != other[name].read_bytes()


def test_the_test_error_is_that_of_the_last_epoch(digits, tmp_path):
    for number, bfloat16 in enumerate((False, True)):
        (tmp_path / str(number)).mkdir()
        files = evaluated(NOISY, tiny_evaluation(bfloat16=bfloat16, subset=FEW), digits, tmp_path / str(number))
        last = EVALUATION_HISTORY.read(files["history"])["test_error_percent"].iloc[-1]
        assert json.loads(files["outcome"].read_text())["test_error_percent"] == last


def test_mixed_precision_keeps_the_weights_in_float32(digits):
    plain, mixed = (trained(GENOTYPE, tiny_evaluation(bfloat16=flag), digits) for flag in (False, True))
    assert {value.dtype for value in mixed.network.state_dict().values()} == {torch.float32, torch.int64}
    assert mixed.epochs[0].train_loss != plain.epochs[0].train_loss
    assert mixed.epochs[0].train_loss == pytest.approx(plain.epochs[0].train_loss, rel=0.02)
    assert mixed.epochs[0].test_loss == pytest.approx(plain.epochs[0].test_loss, rel=0.1)


def test_outcome_is_the_last_epoch(digits, tmp_path):
    files = evaluated(GENOTYPE, tiny_evaluation(epochs=2), digits, tmp_path)
    outcome = json.loads(files["outcome"].read_text())
    history = EVALUATION_HISTORY.read(files["history"])
    assert outcome["outcome"] == "finished"
    assert outcome["test_error_percent"] == history["test_error_percent"].iloc[-1]
    assert (history["test_error_percent"] * 797 / 100).round(6).mod(1).eq(0).all()  # of all test images
    assert (history["train_error_percent"] * 1000 / 100).round(6).mod(1).eq(0).all()
    assert outcome["architecture"]["genotype_text"] == GENOTYPE.text()


def test_divergence_is_an_outcome(digits, tmp_path):
    files = evaluated(GENOTYPE, tiny_evaluation(**BROKEN), digits, tmp_path)
    outcome = json.loads(files["outcome"].read_text())
    assert (outcome["outcome"], outcome["epoch"], outcome["step"]) == ("diverged", 0, 1)
    assert "test_error_percent" not in outcome
    assert len(EVALUATION_HISTORY.read(files["history"])) == 0
    (row,) = tabled(files, tmp_path).to_dict("records")
    assert row["outcome"] == "diverged"
    assert row["test_error_percent"] is None
    assert row["parameters_millions"] == outcome["parameters"] / 1e6 > 0


def test_divergence_in_the_very_last_step(digits):
    result = trained(GENOTYPE, tiny_evaluation(epochs=1, batch_size=100, **BROKEN), digits)
    assert result.diverged_at == (0, 0)
    assert result.epochs == []


def test_architecture_that_was_never_reached_is_not_trained(digits, tmp_path, monkeypatch):
    monkeypatch.setattr(evaluate_genotype, "train_genotype", None)
    files = evaluated(None, tiny_evaluation(), digits, tmp_path)
    outcome = json.loads(files["outcome"].read_text())
    assert outcome["outcome"] == "search diverged"
    assert outcome["architecture"]["genotype_text"] is None
    assert len(EVALUATION_HISTORY.read(files["history"])) == 0
    assert tabled(files, tmp_path)["genotype"].isna().tolist() == [True]


def test_an_architecture_that_two_methods_take_is_trained_once(digits, tmp_path, monkeypatch):
    job = tiny_evaluation(epochs=1, subset=FEW)
    first = evaluated(NOISY, job, digits, tmp_path / "first")
    own = evaluated(NOISY, job, digits, tmp_path / "own", "darts_es")
    monkeypatch.setattr(evaluate_genotype, "train_genotype", None)
    taken = evaluated(NOISY, job, digits, tmp_path / "taken", "darts_es", same=first)
    assert first["outcome"].read_bytes() != own["outcome"].read_bytes()
    assert {name: path.read_bytes() for name, path in taken.items()} == {
        name: path.read_bytes() for name, path in own.items()
    }
    for other, changed in ((GENOTYPE, job), (NOISY, tiny_evaluation(epochs=1, subset=FEW, seed=2))):
        with pytest.raises(ValueError, match=r"first/outcome\.json is not of this genotype and seed"):
            evaluated(other, changed, digits, tmp_path / "other", "darts_es", same=first)


def test_a_training_of_another_architecture_is_left_out_of_the_table(digits, tmp_path):
    files = evaluated(GENOTYPE, tiny_evaluation(epochs=1), digits, tmp_path)
    assert len(tabled(files, tmp_path)) == 1
    write_architectures(tmp_path / "architecture.yaml", [architecture(NOISY)])
    assert len(tabled(files, tmp_path)) == 0


def square_job(side, **changes):
    """A job on images of the given side, of three channels."""
    images = Images(
        data_set="squares",
        channels=3,
        side=side,
        classes=10,
        mean=(0.5,) * 3,
        deviation=(0.25,) * 3,
        padding=0,
        flip=False,
        cutout=0,
    )
    settings = {"epochs": 1, "batch_size": 4, "init_channels": 2, "layers": 3, "augment": False, **changes}
    return EvaluationJob(images=images, training=Training.model_validate(settings), seed=1, layout="modules")


def squares(job):
    side = job.images.side
    draws = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (8, 3, side, side), generator=draws, dtype=torch.uint8)
    return Part(images, torch.arange(8), job.images)


@pytest.mark.parametrize(
    ("side", "weight", "has_head"), [(32, 0.4, True), (32, 0.0, False), (28, 0.4, False), (8, 0.4, False)]
)
def test_auxiliary_head_at_side_32_only(side, weight, has_head):
    job = square_job(side, auxiliary_weight=weight)
    result = train_genotype(SKIPS, job, squares(job), squares(job), Silent(), CPU)
    head = 32 * 128 + 2 * 128 + 128 * 768 * 4 + 2 * 768 + 768 * 10 + 10
    assert result.parameters == 1664  # counted by hand in tests/test_reference.py
    assert result.parameters_with_auxiliary == 1664 + (head if has_head else 0)
    assert result.diverged_at is None


def test_auxiliary_loss_is_trained_but_not_reported():
    light, heavy = (
        train_genotype(SKIPS, job, squares(job), squares(job), Silent(), CPU)
        for job in (square_job(32, auxiliary_weight=weight, epochs=2) for weight in (1e-9, 5.0))
    )
    assert light.epochs[0].train_loss == pytest.approx(heavy.epochs[0].train_loss, rel=0.5)
    assert light.epochs[1].train_loss != heavy.epochs[1].train_loss
    network = EvaluationNetwork(SKIPS, 2, 3, 10, auxiliary=True)
    network.eval()
    assert network(torch.zeros(2, 3, 32, 32))[1] is None
    network.train()
    assert network(torch.zeros(2, 3, 32, 32))[1].shape == (2, 10)


def test_paper_sized_network_has_the_papers_size():
    """DARTS' second-order cell has 3.3 million parameters (Liu et al. 2019, Table 1)."""
    normal = (
        ("sep_conv_3x3", 0),
        ("sep_conv_3x3", 1),
        ("sep_conv_3x3", 0),
        ("sep_conv_3x3", 1),
        ("sep_conv_3x3", 1),
        ("skip_connect", 0),
        ("skip_connect", 0),
        ("dil_conv_3x3", 2),
    )
    reduce = (
        ("max_pool_3x3", 0),
        ("max_pool_3x3", 1),
        ("skip_connect", 2),
        ("max_pool_3x3", 1),
        ("max_pool_3x3", 0),
        ("skip_connect", 2),
        ("skip_connect", 2),
        ("max_pool_3x3", 1),
    )
    with torch.device("meta"):
        network = EvaluationNetwork(Genotype(normal, reduce), 36, 20, 10, auxiliary=True)
    assert network.parameter_count(with_auxiliary=False) == pytest.approx(3.35e6, rel=0.005)


@pytest.mark.parametrize("name", ["skip_connect", "sep_conv_3x3"])
def test_drop_path_spares_identities(name, monkeypatch):
    dropped = []

    def spy(x, probability, draws):
        dropped.append(probability)
        return x

    monkeypatch.setattr("workflow_scripts.cells.genotype_network.drop_paths", spy)
    cell = DiscreteCell(((name, 0), (name, 1)) * 4, (4, 4), 2, reduction=False, halve=False)
    cell(torch.zeros(2, 4, 8, 8), torch.zeros(2, 4, 8, 8), 0.2)
    assert dropped == ([] if name == "skip_connect" else [0.2] * 8)


def test_drop_path_rises_from_zero(digits, monkeypatch):
    seen = []
    forward = EvaluationNetwork.forward

    def spy(network, images, drop_path=0.0, draws=None):
        seen.append((network.training, drop_path))
        return forward(network, images, drop_path, draws)

    monkeypatch.setattr(EvaluationNetwork, "forward", spy)
    trained(SKIPS, tiny_evaluation(epochs=4, batch_size=100, drop_path=0.2), digits)
    assert [drop_path for training, drop_path in seen if training] == pytest.approx([0.0, 0.05, 0.1, 0.15])
    assert {drop_path for training, drop_path in seen if not training} == {0.0}


def test_test_error_is_that_of_the_evaluation_mode(digits):
    job = tiny_evaluation()
    _, test = parts(job, digits)
    network = EvaluationNetwork(NOISY, 2, 3, 10, auxiliary=False, image_channels=1)
    before = copy.deepcopy(network.state_dict())
    loss, error = genotype_training.test_network(network, test, torch.Generator().manual_seed(1))
    assert (loss, error) == genotype_training.test_network(network, test, torch.Generator().manual_seed(1))
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    with torch.no_grad():
        logits, _ = network.eval()(test.batch(torch.arange(0, 250))[0], 0.0, torch.Generator().manual_seed(1))
    wrong = int((logits.argmax(1) != test.labels[:250]).sum())
    assert genotype_training.test_network(network, test.first(250), torch.Generator().manual_seed(1))[
        1
    ] == pytest.approx(wrong / 2.5)


def test_training_sees_all_training_images_but_no_test_image(digits, monkeypatch):
    lengths = []
    batch = Part.batch

    def spy(part, index, *rest):
        lengths.append((len(part), len(index)))
        return batch(part, index, *rest)

    monkeypatch.setattr(Part, "batch", spy)
    trained(SKIPS, tiny_evaluation(epochs=1, batch_size=400), digits, count=None)
    assert lengths == [(1000, 400), (1000, 400), (1000, 200), (797, 250), (797, 250), (797, 250), (797, 47)]
