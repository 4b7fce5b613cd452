"""R-DARTS chooses the better of planted candidates, on validation images alone; what was trained can be loaded."""

import json

import numpy as np
import pytest
import torch
from cells.tiny import cells_study

from workflow_scripts.cells.genotype_network import EvaluationNetwork
from workflow_scripts.cells.genotype_training import multiply_adds
from workflow_scripts.cells.trained_network import load_found_network
from workflow_scripts.data.image_batches import load_part
from workflow_scripts.runtime.progress import Silent
from workflow_scripts.steps import evaluate_genotype, select_architecture
from workflow_scripts.study.cell_job_settings import EvaluationJob, SelectionJob, images_of, layout_of
from workflow_scripts.study.cell_settings import Training
from workflow_scripts.tables.architectures import KEYS, read_architectures, write_architectures
from workflow_scripts.tables.genotype import Genotype
from workflow_scripts.tables.genotype_training import CANDIDATES

GOOD = Genotype((("sep_conv_3x3", 0), ("skip_connect", 1)) * 4, (("sep_conv_3x3", 0), ("skip_connect", 1)) * 4)
NOISE = Genotype((("noise", 0), ("noise", 1)) * 4, (("noise", 0), ("noise", 1)) * 4)
TRAINING = {"epochs": 4, "batch_size": 20, "init_channels": 4, "layers": 3, "augment": False, "drop_path": 0.0}


def architecture(run, genotype, outcome="found"):
    values = {
        **dict.fromkeys(KEYS),
        "space": "s4",
        "data_set": "digits",
        "search": "darts",
        "run": run,
        "method": "darts",
        "l2": 3e-4,
        "drop_path": 0.0,
        "seed": 7,
        "epoch": 49,
        "outcome": outcome,
    }
    if genotype is not None:
        values |= {"genotype": genotype.structure(), "genotype_text": genotype.text(), "valid_error_percent": 50.0}
    return values


def job(**changes):
    images = images_of(cells_study(), "digits", augment=False)
    values = {"images": images, "weight_images": 300, "alpha_images": 300, "method": "r_darts_l2", "seed": 7}
    training = Training.model_validate({**TRAINING, **changes})
    values |= {"candidates": ["a", "b"], "layout": layout_of(training.init_channels)}
    return SelectionJob.model_validate({**values, "training": training})


def selected(folder, data, *candidates, **changes):
    paths = []
    for number, candidate in enumerate(candidates):
        paths.append(folder / f"candidate-{number}.yaml")
        write_architectures(paths[-1], [candidate])
    outputs = {"architecture": [folder / "architecture.yaml"], "candidates": [folder / "candidates.csv"]}
    settings = job(**changes).model_dump(mode="json")
    select_architecture.run(settings, {"data": [data], "candidate": paths}, outputs, Silent())
    return read_architectures(outputs["architecture"][0])[0], CANDIDATES.read(outputs["candidates"][0])


@pytest.fixture
def without_test_images(digits, tmp_path):
    """The digits with no test part at all."""
    with np.load(digits) as arrays:
        np.savez(tmp_path / "train.npz", **{name: arrays[name] for name in arrays if name.startswith("train")})
    return tmp_path / "train.npz"


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_better_of_two_planted_candidates(tmp_path, without_test_images, order):
    planted = [architecture("good", GOOD), architecture("noise", NOISE)]
    chosen, candidates = selected(tmp_path, without_test_images, *(planted[place] for place in order))
    assert chosen["genotype_text"] == GOOD.text()
    assert (chosen["method"], chosen["run"], chosen["epoch_reason"]) == ("r_darts_l2", "seed-7", "selected")
    errors = dict(zip(candidates["run"], candidates["selection_error_percent"], strict=True))
    assert errors["good"] < 60 < errors["noise"]
    assert chosen["selection_error_percent"] == errors["good"]
    assert candidates["chosen"].tolist() == [place == 0 for place in order]


def test_of_equal_candidates_the_first(tmp_path, without_test_images):
    both = (architecture("first", GOOD), architecture("second", GOOD))
    _, candidates = selected(tmp_path, without_test_images, *both, epochs=1)
    assert candidates["chosen"].tolist() == [True, False]


def test_candidates_that_cannot_be_trained(tmp_path, without_test_images):
    ended = architecture("ended", None, "diverged")
    chosen, candidates = selected(tmp_path, without_test_images, ended, architecture("good", GOOD), epochs=1)
    assert chosen["genotype_text"] == GOOD.text()
    assert candidates["selection_error_percent"].isna().tolist() == [True, False]
    none, _ = selected(tmp_path, without_test_images, ended, ended)
    assert (none["outcome"], none["genotype_text"], none["method"]) == ("diverged", None, "r_darts_l2")
    assert (none["epoch"], none["epoch_reason"]) == (None, None)


def test_trained_weights_load_and_predict(tmp_path, digits):
    images = images_of(cells_study(), "digits", augment=False)
    training = Training.model_validate({**TRAINING, "epochs": 2, "subset": {"start": 100, "train": 200, "test": 90}})
    settings = EvaluationJob(images=images, training=training, seed=1, layout="modules").model_dump(mode="json")
    write_architectures(tmp_path / "a.yaml", [architecture("good", GOOD)])
    outputs = {name: [tmp_path / name] for name in ("history", "weights.pt", "outcome.json")}
    named = {name.split(".")[0]: paths for name, paths in outputs.items()}
    evaluate_genotype.run(settings, {"data": [digits], "architecture": [tmp_path / "a.yaml"]}, named, Silent())
    outcome = json.loads((tmp_path / "outcome.json").read_text())
    network = load_found_network(tmp_path)
    test = load_part(digits, "test", images).first(90)
    probabilities = network.predict(test.images)
    assert probabilities.sum(1).allclose(torch.ones(90), atol=1e-5)
    error = 100 * (probabilities.argmax(1) != test.labels).double().mean().item()
    assert error == pytest.approx(outcome["test_error_percent"])
    with pytest.raises(ValueError, match="this network takes uint8"):
        network.predict(test.images.float())
    (tmp_path / "weights.pt").write_bytes(b"no weights")
    with pytest.raises(ValueError, match="it has no readable trained network"):
        load_found_network(tmp_path)


def test_multiply_adds_do_not_depend_on_how_passes_are_computed():
    genotype = Genotype((("sep_conv_7x7", 0), ("conv_7x1_1x7", 1)) * 4, (("sep_conv_3x3", 0), ("dil_conv_5x5", 1)) * 4)
    modules, compiled = (
        EvaluationNetwork(genotype, 8, 3, 10, False, image_channels=1, layout=layout)
        for layout in ("modules", "compiled")
    )
    assert multiply_adds(modules, (1, 8, 8)) == multiply_adds(compiled, (1, 8, 8)) > 600_000
    assert compiled.layout == "compiled"


def test_multiply_adds_are_those_counted_by_hand():
    """Stem 3x3 and one cell whose operations are skips: two 1x1 convolutions before it, the classifier after it."""
    skips = (("skip_connect", 0), ("skip_connect", 1)) * 4
    network = EvaluationNetwork(Genotype(skips, skips), 4, 1, 10, False, image_channels=3)
    # with one cell, cell 0 is a reduction (0 == 1 // 3): skips of its inputs are factorised reductions, two 1x1 each
    side, width = 8, 8
    stem = 12 * 3 * 9 * side**2
    inputs = 2 * 12 * width * side**2
    skipped = sum(2 * width * (width // 2) * (side // 2) ** 2 for _ in range(8))
    assert multiply_adds(network, (3, 8, 8)) == stem + inputs + skipped + 4 * width * 10
