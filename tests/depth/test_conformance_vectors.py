"""Our depth search agrees with the reference on vectors of other sizes and seeds than the given ones."""

import pytest

from tests.reference.vectors import depth_network_vector, depth_posterior_vector, depth_training_vector
from workflow_scripts.conformance import compare

POSTERIORS = [{"max_depth": 0}, {"max_depth": 1, "num_classes": 2}, {"max_depth": 30, "samples": 7, "prior_decay": 0.5}]
TRAININGS = [
    {"max_depth": 0, "width": 3},
    {"max_depth": 1, "num_classes": 7, "input_features": 5},
    {"max_depth": 8, "width": 11, "momentum": 0.9, "weight_decay": 1e-3},
    {"max_depth": 12, "samples": 333, "epochs": 4},
]
NETWORKS = [
    {"max_depth": 0, "outer_width": 3},
    {"max_depth": 5, "outer_width": 5, "inner_width": 7, "input_channels": 3, "image_size": 16, "num_classes": 3},
]
VECTORS = [
    *((depth_posterior_vector, sizes) for sizes in POSTERIORS),
    *((depth_training_vector, {"method": method, **sizes}) for method in ("LDN", "DDN") for sizes in TRAININGS),
    *((depth_network_vector, sizes) for sizes in NETWORKS),
]


@pytest.mark.parametrize("seed", [31, 32])
@pytest.mark.parametrize(("make", "sizes"), VECTORS)
def test_all_quantities_agree(make, sizes, seed):
    vector = make(seed=seed, **sizes)
    rows = compare(vector)
    assert {name.split("/")[0] for name, *_ in rows} == set(vector["expected"])
    assert [(name, error) for name, _, error, agrees in rows if not agrees] == []
