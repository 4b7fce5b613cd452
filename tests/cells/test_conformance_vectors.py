"""Our cell search agrees with the plain reference on vectors of other spaces, sizes, seeds and numbers of classes."""

import pytest
import torch
from reference.vectors import evaluation_vector, supernet_vector

from workflow_scripts.cells import conformance as cells
from workflow_scripts.conformance import compare
from workflow_scripts.reference import spaces as reference_spaces
from workflow_scripts.reference import supernet as reference_supernet
from workflow_scripts.study import search_spaces

MIXED = (
    "Genotype(normal=[('sep_conv_5x5', 1), ('skip_connect', 0), ('max_pool_3x3', 2), ('dil_conv_3x3', 0), "
    "('avg_pool_3x3', 1), ('sep_conv_3x3', 3), ('none', 4), ('dil_conv_5x5', 2)], normal_concat=range(2, 6), "
    "reduce=[('skip_connect', 1), ('sep_conv_3x3', 0), ('dil_conv_5x5', 1), ('max_pool_3x3', 0), ('skip_connect', 3), "
    "('avg_pool_3x3', 0), ('none', 1), ('skip_connect', 2)], reduce_concat=range(2, 6))"
)
LARGE = MIXED.replace("sep_conv_5x5", "sep_conv_7x7").replace("dil_conv_5x5", "conv_7x1_1x7")
TINY = {"init_channels": 2, "layers": 3, "image_size": 8, "batch": 4}
QUANTITIES = {
    "logits_valid",
    "loss_valid",
    "hessian",
    "dominant_eigenvalue",
    "genotype",
    "loss_train",
    "grad_norm_train",
} | {f"grad_alphas_{order}_order/{cell}" for order in ("first", "second") for cell in ("normal", "reduce")}


def disagreeing(vector):
    rows = compare(vector)
    return {name for name, *_ in rows}, [(name, error) for name, _, error, agrees in rows if not agrees]


@pytest.mark.parametrize(
    ("space", "seed", "changes"),
    [
        ("s1", 11, {}),
        ("s2", 12, {"num_classes": 100, "weight_decay": 0.03, "momentum": 0.5, "layers": 4, "image_size": 12}),
        ("s2", 16, {"init_channels": 8}),  # by compiled loops
        ("s3", 13, {"num_classes": 3, "grad_clip": 0.1, "arch_weight_decay": 0.2, "finite_difference_radius": 0.003}),
    ],
)
def test_supernet(space, seed, changes):
    vector = supernet_vector(space, seed, **{**TINY, **changes})
    names, wrong = disagreeing(vector)
    assert wrong == []
    assert {f"parameters_after_step/{name}" for name in vector["momentum_buffers"]} | QUANTITIES == names


def test_supernet_of_the_original_space_without_its_large_hessian(monkeypatch):
    monkeypatch.setattr(reference_supernet, "hessian_alphas", lambda *_: torch.eye(2, dtype=torch.float64))
    monkeypatch.setattr(cells, "full_hessian", lambda *_: torch.eye(2, dtype=torch.float64))
    names, wrong = disagreeing(supernet_vector("s5", 15, **{**TINY, "image_size": 16}))
    assert wrong == []
    assert names > QUANTITIES


def test_supernet_of_operations_that_the_papers_spaces_leave_out(monkeypatch, tmp_path):
    operations = ("sep_conv_7x7", "conv_7x1_1x7")
    monkeypatch.setitem(reference_spaces.spaces, "large", reference_spaces.same_on_every_edge(*operations))
    (tmp_path / "large.yaml").write_text(f"every_edge: [{', '.join(operations)}]")
    monkeypatch.setattr(search_spaces, "FOLDER", tmp_path)
    names, wrong = disagreeing(supernet_vector("large", 17, **TINY))
    assert wrong == []
    assert names > QUANTITIES


@pytest.mark.parametrize(
    ("genotype", "classes", "auxiliary", "size", "layers"),
    [
        (MIXED, 10, True, 32, 5),
        (MIXED, 100, True, 32, 5),
        (MIXED, 10, True, 32, 3),
        (MIXED, 10, False, 16, 5),
        (MIXED, 100, False, 12, 3),
        (LARGE, 10, False, 16, 5),
    ],
)
def test_evaluation_network(genotype, classes, auxiliary, size, layers):
    vector = evaluation_vector(
        genotype,
        seed=classes + size,
        init_channels=2,
        layers=layers,
        num_classes=classes,
        image_size=size,
        auxiliary=auxiliary,
        auxiliary_weight=0.3,
    )
    names, wrong = disagreeing(vector)
    assert wrong == []
    assert ("logits_auxiliary" in names) == auxiliary


def test_a_wrong_curvature_is_noticed(monkeypatch):
    vector = supernet_vector("s1", 16, **TINY)
    monkeypatch.setattr(cells, "hessian_product", lambda *_: lambda row: 0 * row)
    _, wrong = disagreeing(vector)
    assert [name for name, _ in wrong] == ["hessian", "dominant_eigenvalue"]
