"""The plain reference: it reproduces the published implementations' values, and properties checked by hand."""

from math import log
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from reference.expected import build_supernet, expected_values
from reference.vectors import (
    depth_network_vector,
    depth_posterior_vector,
    depth_training_vector,
    evaluation_vector,
    supernet_vector,
)
from torch.func import functional_call

from workflow_scripts.reference import depth, supernet
from workflow_scripts.reference.evaluation_network import EvaluationNetwork, parameter_count
from workflow_scripts.reference.genotype import Genotype, derive_genotype, parse_genotype
from workflow_scripts.reference.operations import FactorizedReduce, make_operation
from workflow_scripts.reference.spaces import EDGES, spaces

SHARED = Path(__file__).parents[1].parent / "shared"
ORACLE = SHARED / "oracle"
SPACES = SHARED / "spec" / "spaces.yaml"
needs_oracle = pytest.mark.skipif(not ORACLE.is_dir(), reason="the published reference vectors are not here")
needs_spaces = pytest.mark.skipif(not SPACES.is_file(), reason="the specification's spaces are not here")

TOLERANCE = 1e-9
LOOSER = {
    "grad_alphas_second_order": 1e-6,
    "hessian": 1e-8,
    "parameters_after_step": 1e-8,
    "state_dict_after": 1e-8,
}
ZERO_TOLERANCE = 1e-12


def flatten(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested dictionaries as one, keys joined by a slash."""
    flat = {}
    for key, value in values.items():
        flat |= flatten(value, f"{prefix}{key}/") if isinstance(value, dict) else {prefix + key: value}
    return flat


def disagreements(ours: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    """One line for each quantity that is missing or beyond the tolerance stated for it."""
    ours, expected = flatten(ours), flatten(expected)
    lines = [f"{name} in one of the two only" for name in sorted(ours.keys() ^ expected.keys())]
    for name in ours.keys() & expected.keys():
        got, want = ours[name], expected[name]
        if isinstance(want, str | int):
            if got != want:
                lines.append(f"{name}: {got} is not {want}")
            continue
        got, want = torch.as_tensor(got, dtype=torch.float64), torch.as_tensor(want, dtype=torch.float64)
        if got.shape != want.shape:
            lines.append(f"{name}: shape {tuple(got.shape)} is not {tuple(want.shape)}")
            continue
        scale = want.norm().item()
        error = (got - want).norm().item() / (scale or 1.0)
        limit = LOOSER.get(name.split("/")[0], TOLERANCE) if scale else ZERO_TOLERANCE
        if not error <= limit:
            lines.append(f"{name}: error {error:.2e} above {limit:.0e}")
    return lines


def layout(values: dict[str, Any]) -> dict[str, Any]:
    """Every entry's key with its shape and type."""
    return {
        key: (tuple(value.shape), value.dtype) if torch.is_tensor(value) else type(value)
        for key, value in flatten(values).items()
    }


def load(name: str) -> dict[str, Any]:
    return torch.load(ORACLE / name, weights_only=True)


def central_differences(function: Any, point: torch.Tensor, step: float) -> torch.Tensor:
    """The gradient of a scalar `function` at `point`, entry by entry."""
    slopes = torch.zeros_like(point)
    for index in range(point.numel()):
        shift = torch.zeros_like(point)
        shift.view(-1)[index] = step
        slopes.view(-1)[index] = (function(point + shift) - function(point - shift)) / (2 * step)
    return slopes


@pytest.fixture(scope="module")
def tiny() -> dict[str, Any]:
    """A supernet vector small enough to check by force; its gradient norm exceeds the clipping bound."""
    return supernet_vector("s1", seed=3, init_channels=2, layers=3, image_size=8, batch=4, grad_clip=2.0)


# The published values


@needs_oracle
@pytest.mark.parametrize("path", sorted(ORACLE.glob("*.pt")), ids=lambda path: path.stem)
def test_published_values_are_reproduced(path: Path) -> None:
    vector = torch.load(path, weights_only=True)
    assert disagreements(expected_values(vector), vector["expected"]) == []


@needs_oracle
def test_every_kind_has_a_published_vector() -> None:
    kinds = {torch.load(path, weights_only=True)["kind"] for path in ORACLE.glob("*.pt")}
    assert kinds == {"supernet", "evaluation_network", "depth_posterior", "depth_training", "depth_network"}


@needs_oracle
@pytest.mark.parametrize("scale, found", [(1 + 3e-9, True), (1 + 3e-10, False)])
def test_an_altered_expected_value_is_found(scale: float, found: bool) -> None:
    vector = load("depth_posterior.pt")
    vector["expected"]["mixture_probabilities"] *= scale
    assert bool(disagreements(expected_values(vector), vector["expected"])) is found


@needs_oracle
def test_made_vectors_are_laid_out_like_the_published_ones(tiny: dict[str, Any]) -> None:
    published = load("evaluation_s1_seed1.pt")
    made = evaluation_vector(published["config"]["genotype"], seed=1)
    assert layout(made) == layout(published)
    assert layout(depth_posterior_vector(7, seed=1)) == layout(load("depth_posterior.pt"))
    assert layout(depth_training_vector("LDN", seed=1)) == layout(load("depth_training_ldn5.pt"))
    assert layout(depth_training_vector("DDN", seed=1)) == layout(load("depth_training_ddn5.pt"))
    assert layout(depth_network_vector(seed=1)) == layout(load("depth_network_conv.pt"))
    published = load("supernet_s2.pt")
    assert tiny.keys() == published.keys()
    for part in ("config", "alphas", "batch", "expected"):
        assert tiny[part].keys() == published[part].keys()


@needs_spaces
def test_spaces_are_those_of_the_specification() -> None:
    specified = yaml.safe_load(SPACES.read_text())
    for kinds in specified.values():
        if "every_edge" in kinds:
            edges = kinds.pop("every_edge")
            kinds |= {"normal": [edges] * EDGES, "reduce": [edges] * EDGES}
    assert spaces == specified


def test_a_seed_fixes_a_vector_and_leaves_the_global_generator_alone() -> None:
    before = torch.random.get_rng_state()
    first, again, other = (depth_posterior_vector(3, seed) for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(first["inputs"]["q_logits"], again["inputs"]["q_logits"])
    assert not torch.equal(first["inputs"]["q_logits"], other["inputs"]["q_logits"])


# Operations


@pytest.mark.parametrize("stride, size", [(1, 8), (2, 4)])
@pytest.mark.parametrize(
    "name", sorted({name for space in spaces.values() for edge in space["normal"] for name in edge})
)
def test_operations_keep_channels_and_divide_the_size(name: str, stride: int, size: int) -> None:
    output = make_operation(name, 4, stride, affine=False)(torch.randn(2, 4, 8, 8))
    assert output.shape == (2, 4, size, size)


@pytest.mark.parametrize(
    "name, stride, affine, count",
    [
        ("sep_conv_3x3", 1, True, 2 * (9 * 4 + 4 * 4 + 2 * 4)),
        ("sep_conv_5x5", 2, False, 2 * (25 * 4 + 4 * 4)),
        ("dil_conv_3x3", 1, False, 9 * 4 + 4 * 4),
        ("dil_conv_5x5", 2, True, 25 * 4 + 4 * 4 + 2 * 4),
        ("skip_connect", 1, True, 0),
        ("skip_connect", 2, True, 2 * (4 * 2) + 2 * 4),
        ("avg_pool_3x3", 1, True, 0),
    ],
)
def test_operation_parameter_counts(name: str, stride: int, affine: bool, count: int) -> None:
    assert parameter_count(make_operation(name, 4, stride, affine)) == count


def test_average_pool_leaves_padding_out_of_the_mean() -> None:
    ones = torch.ones(1, 1, 4, 4)
    assert torch.allclose(make_operation("avg_pool_3x3", 1, 1, affine=False)(ones), ones)


def test_dilated_convolution_reaches_two_pixels() -> None:
    operation = make_operation("dil_conv_3x3", 1, 1, affine=False).eval()
    for layer in (operation.op[1], operation.op[2]):
        torch.nn.init.ones_(layer.weight)
    image = torch.zeros(1, 1, 7, 7)
    image[0, 0, 3, 3] = 1
    reached = operation(image)[0, 0].nonzero().tolist()
    assert reached == [[row, column] for row in (1, 3, 5) for column in (1, 3, 5)]


def test_factorized_reduction_shifts_its_second_half_by_one_pixel() -> None:
    operation = FactorizedReduce(1, 2, affine=False).eval()
    for layer in (operation.conv_1, operation.conv_2):
        torch.nn.init.ones_(layer.weight)
    image = torch.arange(1.0, 17).reshape(1, 1, 4, 4)
    output = operation(image)[0] * (1 + 1e-5) ** 0.5
    assert torch.allclose(output, torch.tensor([[[1.0, 3], [9, 11]], [[6, 8], [14, 16]]]))


def test_none_is_zero_and_noise_ignores_its_input() -> None:
    image = torch.full((8, 4, 16, 16), 100.0)
    assert make_operation("none", 4, 2, affine=False)(image).abs().max() == 0
    noise = make_operation("noise", 4, 2, affine=False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        first, second = noise(image), noise(image)
    assert not torch.equal(first, second)
    assert abs(first.mean()) < 0.1
    assert abs(first.std() - 1) < 0.1


def test_mixed_operation_weighs_its_candidates() -> None:
    mixed = supernet.MixedOp(["none", "skip_connect"], 2, stride=1)
    image = torch.randn(3, 2, 4, 4)
    assert torch.allclose(mixed(image, torch.tensor([0.25, 0.75])), 0.75 * image)


def test_pooling_candidates_are_normalised_in_the_supernet_only() -> None:
    image = 5 + 3 * torch.randn(8, 2, 8, 8)
    mixed = supernet.MixedOp(["avg_pool_3x3"], 2, stride=1)(image, torch.ones(1))
    assert torch.allclose(mixed.mean(dim=(0, 2, 3)), torch.zeros(2), atol=1e-5)
    plain = make_operation("avg_pool_3x3", 2, 1, affine=True)(image)
    assert plain.mean() > 4


# The supernet's derivatives


def test_hessian_of_a_polynomial() -> None:
    x, y = (torch.tensor([value], dtype=torch.float64, requires_grad=True) for value in (2.0, 3.0))
    curvature = supernet.hessian((x**2 * y + y**3).sum(), [x, y])
    assert curvature.tolist() == [[2 * 3, 2 * 2], [2 * 2, 6 * 3]]


def test_dominant_eigenvalue_is_the_algebraically_largest() -> None:
    matrix = torch.tensor([[0.0, 1, 0], [1, 0, 0], [0, 0, -7]], dtype=torch.float64)
    assert supernet.dominant_eigenvalue(matrix).item() == pytest.approx(1.0, abs=1e-14)


def test_hessian_is_symmetric_with_a_null_vector_per_edge(tiny: dict[str, Any]) -> None:
    curvature = tiny["expected"]["hessian"] - 1e-3 * torch.eye(4 * EDGES, dtype=torch.float64)
    scale = curvature.norm()
    assert scale > 0.1
    assert (curvature - curvature.T).norm() < 1e-13 * scale
    # Each edge owns two neighbouring entries; moving both alike leaves its softmax as it is.
    shifts = torch.eye(2 * EDGES, dtype=torch.float64).repeat_interleave(2, dim=0)
    assert (curvature @ shifts).norm() < 1e-13 * scale


def test_first_order_gradient_is_the_slope_of_the_validation_loss(tiny: dict[str, Any]) -> None:
    model = build_supernet(tiny)
    for kind in ("normal", "reduce"):

        def loss(alphas: torch.Tensor, kind: str = kind) -> torch.Tensor:
            model.set_alphas({**tiny["alphas"], kind: alphas})
            with torch.no_grad():
                return model.loss(tiny["batch"]["x_valid"], tiny["batch"]["y_valid"])

        slopes = central_differences(loss, tiny["alphas"][kind], step=1e-6)
        gradient = tiny["expected"]["grad_alphas_first_order"][kind]
        assert (slopes - gradient).norm() < 1e-7 * gradient.norm()


def test_second_order_gradient_is_that_of_the_unrolled_loss(tiny: dict[str, Any]) -> None:
    """With a small radius the finite difference agrees with differentiating through w' itself."""
    config, batch = {**tiny["config"], "finite_difference_radius": 1e-6}, tiny["batch"]
    buffers = tiny["momentum_buffers"]
    model = build_supernet(tiny)
    weights = dict(model.named_parameters())
    gradients = torch.autograd.grad(
        model.loss(batch["x_train"], batch["y_train"]), list(weights.values()), create_graph=True
    )
    unrolled = {
        name: weight - config["learning_rate"] * (0.9 * buffers[name] + gradient + config["weight_decay"] * weight)
        for (name, weight), gradient in zip(weights.items(), gradients, strict=True)
    }
    loss = torch.nn.functional.cross_entropy(functional_call(model, unrolled, batch["x_valid"]), batch["y_valid"])
    exact = supernet.gradient_alphas(loss, model)
    ours = supernet.gradient_second_order(build_supernet(tiny), batch, buffers, config)
    first_order = tiny["expected"]["grad_alphas_first_order"]
    for kind in exact:
        implicit = (exact[kind] - first_order[kind]).norm()
        assert implicit > 1e-2 * exact[kind].norm()
        assert (ours[kind] - exact[kind]).norm() < 1e-6 * implicit


def test_second_order_gradient_puts_the_weights_back(tiny: dict[str, Any]) -> None:
    model = build_supernet(tiny)
    supernet.gradient_second_order(model, tiny["batch"], tiny["momentum_buffers"], tiny["config"])
    for name, parameter in model.named_parameters():
        assert torch.allclose(parameter, tiny["state_dict"][name], rtol=0, atol=1e-15), name


def test_weight_step_clips_the_gradient_before_weight_decay_and_momentum(tiny: dict[str, Any]) -> None:
    expected, batch = tiny["expected"], tiny["batch"]
    model = build_supernet(tiny)
    gradients = torch.autograd.grad(model.loss(batch["x_train"], batch["y_train"]), list(model.parameters()))
    norm = sum(gradient.square().sum() for gradient in gradients).sqrt()
    assert norm > 2.0
    assert expected["grad_norm_train"].item() == pytest.approx(norm.item(), rel=1e-12)
    for (name, weight), gradient in zip(model.named_parameters(), gradients, strict=True):
        buffer = 0.9 * tiny["momentum_buffers"][name] + 2.0 / (norm + 1e-6) * gradient + 3e-3 * weight
        assert torch.allclose(expected["parameters_after_step"][name], weight - 0.02 * buffer, rtol=0, atol=1e-13)


# Genotypes


def test_genotype_of_planted_alphas() -> None:
    planted = torch.zeros(EDGES, 3)  # none, skip_connect, sep_conv_3x3
    planted[1, 2] = 1.0  # node 0: edge 1 before edge 0
    # node 1, edges 2 to 4: all tied, so the two lowest predecessors and the first operation that is not `none`
    planted[5, 0] = 9.0  # node 2: `none` takes nearly all the weight of predecessor 0 ...
    planted[6, 2] = 2.0  # ... predecessor 1 comes second ...
    planted[8, 1] = 3.0  # ... and predecessor 3 first
    planted[11, 2] = 1.0  # node 3: predecessor 2 first; weight e / (2 + e) = 0.58
    planted[13] = torch.tensor([5.0, 4.0, 0.0])  # the largest alphas, but skip-connect's weight is only 0.27 < 1/3
    gene = [
        ("sep_conv_3x3", 1),
        ("skip_connect", 0),
        ("skip_connect", 0),
        ("skip_connect", 1),
        ("skip_connect", 3),
        ("sep_conv_3x3", 1),
        ("sep_conv_3x3", 2),
        ("skip_connect", 0),
    ]
    ties = [("skip_connect", 0), ("skip_connect", 1)] * 4
    genotype = derive_genotype({"normal": planted, "reduce": torch.zeros(EDGES, 3)}, spaces["s3"])
    assert genotype == Genotype(gene, range(2, 6), ties, range(2, 6))


def test_genotype_names_the_operations_of_the_edge_itself() -> None:
    alphas = {kind: torch.zeros(EDGES, 2) for kind in ("normal", "reduce")}
    alphas["normal"][12, 1] = 1.0  # the edge from predecessor 3 to node 3: dil_conv_3x3 or dil_conv_5x5
    genotype = derive_genotype(alphas, spaces["s1"])
    assert genotype.normal[6] == ("dil_conv_5x5", 3)
    assert genotype.reduce[:2] == [("max_pool_3x3", 0), ("max_pool_3x3", 1)]


def test_genotype_text_round_trip(tiny: dict[str, Any]) -> None:
    text = tiny["expected"]["genotype"]
    assert text.startswith("Genotype(normal=[('")
    assert ", normal_concat=range(2, 6), reduce=[('" in text
    assert str(parse_genotype(text)) == text


# The evaluation network


SKIPS = [("skip_connect", 0), ("skip_connect", 1)] * 4


def test_evaluation_network_parameter_count() -> None:
    stem = 3 * 6 * 9 + 2 * 6
    first = 2 * (6 * 2 + 2 * 2)  # normal, 2 channels: identities cost nothing
    second = (6 * 4 + 2 * 4) + (8 * 4 + 2 * 4) + 8 * (2 * 4 * 2 + 2 * 4)  # reduction, 4 channels
    third = (2 * 8 * 4 + 2 * 8) + (16 * 8 + 2 * 8) + 8 * (2 * 8 * 4 + 2 * 8)  # reduction after one, 8 channels
    classifier = 32 * 10 + 10
    total = stem + first + second + third + classifier
    assert total == 1664
    head = 32 * 128 + 2 * 128 + 128 * 768 * 4 + 2 * 768 + 768 * 10 + 10
    genotype = Genotype(SKIPS, range(2, 6), SKIPS, range(2, 6))
    assert parameter_count(EvaluationNetwork(genotype, 2, 3, 10, auxiliary=False)) == total
    assert parameter_count(EvaluationNetwork(genotype, 2, 3, 10, auxiliary=True)) == total + head


def test_auxiliary_loss_is_added_with_its_weight() -> None:
    text = str(Genotype(SKIPS, range(2, 6), SKIPS, range(2, 6)))
    vector = evaluation_vector(text, seed=5, init_channels=2, layers=3, auxiliary_weight=0.25)
    expected, y = vector["expected"], vector["batch"]["y"]
    main, auxiliary = (
        -torch.log_softmax(expected[name], dim=1)[range(4), y].mean()
        for name in ("logits_train_mode", "logits_auxiliary")
    )
    assert expected["loss"].item() == pytest.approx((main + 0.25 * auxiliary).item(), rel=1e-12)
    without = evaluation_vector(text, seed=5, init_channels=2, layers=3, image_size=16, auxiliary=False)["expected"]
    assert "logits_auxiliary" not in without
    assert not torch.allclose(without["logits_train_mode"], without["logits_eval_mode"])


# Depth


def test_posterior_of_two_depths_by_hand() -> None:
    """D = 1, q = (1/4, 3/4); probabilities of the true classes 0.8 and 0.5 at depth 0, 0.5 and 0.9 at depth 1."""
    vector = {
        "kind": "depth_posterior",
        "config": {"max_depth": 1, "num_classes": 2, "train_size": 2, "prior_decay": 0.85},
        "inputs": {
            "q_logits": torch.tensor([0.0, log(3)], dtype=torch.float64),
            "per_depth_logits": torch.tensor([[[log(4), 0], [0, 0]], [[0, 0], [0, log(9)]]], dtype=torch.float64),
            "y": torch.tensor([0, 1]),
        },
    }
    values = expected_values(vector)
    nll = [(log(1 / 0.8) + log(2)) / 2, (log(2) + log(1 / 0.9)) / 2]
    ratios = [log(0.25 * 1.85), log(0.75 * 1.85 / 0.85)]  # log q_d / p_d
    # q_0 q_1 times the difference of nll_d + log(q_d / p_d) / N
    slope = 0.25 * 0.75 * (nll[0] + ratios[0] / 2 - nll[1] - ratios[1] / 2)
    by_hand = {
        "prior": [1 / 1.85, 0.85 / 1.85],
        "q": [0.25, 0.75],
        "layer_on_probability": [0.75],
        "expected_negative_log_likelihood": 0.25 * nll[0] + 0.75 * nll[1],
        "kl": 0.25 * ratios[0] + 0.75 * ratios[1],
        "grad_q_logits": [slope, -slope],
        "mixture_probabilities": [[0.575, 0.425], [0.2, 0.8]],
        "pruned_probabilities_at_d_opt": [[0.575, 0.425], [0.2, 0.8]],
        # proportional to p_d times the likelihood of both samples, 0.8 * 0.5 and 0.5 * 0.9
        "optimal_q": [0.4 / 0.7825, 0.3825 / 0.7825],
        # q_d / 2 times (softmax - one-hot)
        "grad_per_depth_logits": [[[-0.025, 0.025], [0.0625, -0.0625]], [[-0.1875, 0.1875], [0.0375, -0.0375]]],
    }
    for name, numbers in by_hand.items():
        assert torch.allclose(values[name], torch.tensor(numbers, dtype=torch.float64), rtol=0, atol=1e-12), name
    assert slope == pytest.approx(-0.10719, abs=1e-5)
    assert values["d_opt"] == 1
    assert values["expected_depth"] == pytest.approx(0.75)


def test_divergence_is_zero_at_the_prior_only() -> None:
    p = depth.depth_prior(6, 0.85)
    assert p.sum().item() == pytest.approx(1.0)
    assert depth.kl_divergence(p, p).item() == 0
    assert depth.kl_divergence(torch.full_like(p, 1 / 7), p) > 1e-3


def test_divergence_clamps_both_distributions() -> None:
    one_hot, p = torch.tensor([0.0, 1.0], dtype=torch.float64), torch.tensor([1.0, 0.0], dtype=torch.float64)
    assert depth.kl_divergence(one_hot, p).item() == pytest.approx(-log(1e-10), rel=1e-8)


@pytest.mark.parametrize(
    "q, d_opt",
    [
        ([0.10, 0.45, 0.45], 1),  # a tie goes to the first
        ([0.475, 0.5, 0.025], 1),  # 0.95 of the maximum is not above it
        ([0.476, 0.5, 0.024], 0),
        ([0.0, 0.0, 1.0], 2),
    ],
)
def test_optimal_depth(q: list[float], d_opt: int) -> None:
    assert depth.optimal_depth(torch.tensor(q, dtype=torch.float64)) == d_opt


def test_pruning_moves_the_remaining_mass_to_the_last_depth() -> None:
    q = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)
    assert torch.allclose(depth.pruned_posterior(q, 1), torch.tensor([0.1, 0.9], dtype=torch.float64))
    assert torch.equal(depth.pruned_posterior(q, 3), q)
    assert depth.pruned_posterior(q, 0).item() == pytest.approx(1.0)
    assert torch.allclose(depth.layer_on_probability(q), torch.tensor([0.9, 0.7, 0.4], dtype=torch.float64))


def test_the_objective_is_stationary_at_the_optimal_posterior() -> None:
    vector = depth_posterior_vector(4, seed=2, samples=20, train_size=3)
    optimal = vector["expected"]["optimal_q"]
    assert optimal.min() > 1e-4
    vector["inputs"]["q_logits"] = optimal.log()
    assert expected_values(vector)["grad_q_logits"].abs().max() < 1e-14
    assert vector["expected"]["grad_q_logits"].abs().max() > 1e-3


def test_posterior_gradient_is_the_slope_of_the_objective() -> None:
    vector = depth_posterior_vector(4, seed=3, samples=10, train_size=7)
    inputs, p = vector["inputs"], vector["expected"]["prior"]

    def objective(q_logits: torch.Tensor) -> torch.Tensor:
        q = torch.softmax(q_logits, dim=0)
        return depth.expected_nll(q, inputs["per_depth_logits"], inputs["y"]) + depth.kl_divergence(q, p) / 7

    slopes = central_differences(objective, inputs["q_logits"], step=1e-5)
    assert torch.allclose(slopes, vector["expected"]["grad_q_logits"], rtol=0, atol=1e-9)


def test_head_statistics_take_every_depth_in_order() -> None:
    vector = depth_network_vector(seed=4, max_depth=1, outer_width=4, inner_width=2, image_size=12, batch=6)
    network = depth.convolutional_network(1, 4, 2, 1, 10).double()
    network.load_state_dict(vector["state_dict"])
    head = network.output_layer[1].ops
    features = network.input_layer(vector["batch"]["x"])
    mean = head[2].running_mean.clone()
    for x in (features, network.train().stochstic_layers[0](features)):
        activations = torch.relu(head[0](x.mean(dim=(2, 3))))
        mean = 0.9 * mean + 0.1 * activations.mean(dim=0)
    got = vector["expected"]["running_statistics_after"]["output_layer.1.ops.2.running_mean"]
    assert torch.allclose(got, mean, rtol=0, atol=1e-14)


def test_one_training_step_of_a_network_without_blocks_by_hand() -> None:
    """D = 0 leaves a linear model: the second loss follows from one gradient step on its two layers."""
    vector = depth_training_vector("DDN", seed=6, max_depth=0, width=3, samples=12, epochs=1, weight_decay=0.1)
    state, x, y = vector["state_dict"], vector["batch"]["x"], vector["batch"]["y"]
    hidden = x @ state["input_layer.weight"].T + state["input_layer.bias"]
    logits = hidden @ state["output_layer.weight"].T + state["output_layer.bias"]
    error = (torch.softmax(logits, dim=1) - torch.eye(2, dtype=torch.float64)[y]) / 12
    gradients = {
        "output_layer.weight": error.T @ hidden,
        "output_layer.bias": error.sum(dim=0),
        "input_layer.weight": (error @ state["output_layer.weight"]).T @ x,
        "input_layer.bias": (error @ state["output_layer.weight"]).sum(dim=0),
    }
    after = vector["expected"]["state_dict_after"]
    assert after.keys() == gradients.keys()
    for name, gradient in gradients.items():
        stepped = state[name] - 0.1 * (gradient + 0.1 * state[name])
        assert torch.allclose(after[name], stepped, rtol=0, atol=1e-14), name
    nll = -torch.log_softmax(logits, dim=1)[range(12), y].mean()
    assert vector["expected"]["negative_log_likelihood"][0].item() == pytest.approx(nll.item(), rel=1e-12)


def test_learnt_depth_trains_its_posterior_and_deterministic_depth_has_none() -> None:
    learnt = depth_training_vector("LDN", seed=7, max_depth=2, width=4, samples=16, epochs=3)
    before, after = learnt["state_dict"], learnt["expected"]["state_dict_after"]
    assert before["prob_model.q_logits"].tolist() == [0, 0, 0]
    assert after["prob_model.q_logits"].abs().max() > 1e-4
    p = depth.depth_prior(2, 0.85)
    uniform = torch.full_like(p, 1 / 3)
    first = learnt["expected"]["kl_per_sample"][0].item()
    assert first == pytest.approx(float((uniform * (uniform / p).log()).sum()) / 16, rel=1e-12)
    fixed = depth_training_vector("DDN", seed=7, max_depth=2, width=4, samples=16, epochs=3)
    assert "prob_model.q_logits" not in fixed["state_dict"]
    assert fixed["expected"]["kl_per_sample"].abs().max() == 0
