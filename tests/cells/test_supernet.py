"""The supernet: its genotype, what is random in it, and its BatchNorm statistics."""

import os
import subprocess
import sys

import pytest
import torch
from cells.tiny import alphas_of, batch_of, supernet
from torch.nn import functional as F

from workflow_scripts.cells.operations import OPERATIONS, Noise, apply_operation, build_operation, drop_paths
from workflow_scripts.cells.random_search_with_weight_sharing import one_hot, random_architecture
from workflow_scripts.cells.supernet import Alphas, frozen_statistics
from workflow_scripts.study.search_spaces import EDGES


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def running_statistics(network):
    return {name: value.clone() for name, value in network.named_buffers()}


def unchanged(before, network):
    return all(torch.equal(value, before[name]) for name, value in network.named_buffers())


@pytest.mark.parametrize("space", ["s1", "s2", "s3", "s4", "s5"])
def test_forward_and_backward(space):
    network = supernet(space)
    alphas = alphas_of(network)
    images, labels = batch_of()
    logits = network(images, alphas, 0.3, generator())
    F.cross_entropy(logits, labels).backward()
    assert logits.shape == (4, 10)
    assert all(parameter.grad is not None for parameter in network.parameters())
    for alpha in alphas:
        assert torch.isfinite(alpha.grad).all()
        assert (alpha.grad.abs().sum(1) > 0).sum() >= 10  # an edge no sample of which was kept may have none
        assert alpha.grad.sum(1).abs().max() < 1e-12  # softmax does not see a shift of an edge's alphas


@pytest.mark.parametrize("side", [8, 12, 20])
def test_image_sides(side):
    network = supernet()
    widths = []
    for cell in network.cells:
        cell.register_forward_hook(lambda _, __, output: widths.append(tuple(output.shape[1:])))
    network(batch_of(side=side)[0], alphas_of(network))
    assert widths == [(8, side, side), (16, side // 2, side // 2), (32, side // 4, side // 4)]


@pytest.mark.parametrize(("layers", "reductions"), [(3, [1, 2]), (4, [1, 2]), (8, [2, 5]), (20, [6, 13])])
def test_reduction_cells(layers, reductions):
    network = supernet(layers=layers)
    assert [index for index, cell in enumerate(network.cells) if cell.reduction] == reductions


def test_batch_norm_is_affine_in_the_stem_only():
    affine = [name for name, _ in supernet("s1").named_parameters() if not name.endswith("weight")]
    assert affine == ["stem.1.bias", "classifier.bias"]


def test_initial_alphas():
    alphas = supernet("s5", dtype=torch.float32).initial_alphas(generator())
    assert [tuple(alpha.shape) for alpha in alphas] == [(EDGES, 8), (EDGES, 8)]
    together = torch.cat(list(alphas)).detach()
    assert together.std() == pytest.approx(1e-3, rel=0.15)
    assert abs(together.mean()) < 3e-4
    assert all(alpha.requires_grad and alpha.is_leaf for alpha in alphas)


def test_genotype_of_equal_alphas_keeps_the_lower_indices():
    network = supernet("s3")  # none, skip_connect, sep_conv_3x3
    genotype = network.genotype(Alphas(torch.zeros(EDGES, 3), torch.zeros(EDGES, 3)))
    assert genotype.normal == (("skip_connect", 0), ("skip_connect", 1)) * 4
    assert genotype.reduce == genotype.normal


def test_genotype_leaves_out_none_and_compares_softmax_weights():
    planted = torch.zeros(EDGES, 3)
    planted[0] = torch.tensor([9.0, 0.0, 1.0])  # strongest alphas, but `none` takes nearly all the weight
    planted[3, 2] = 0.5
    planted[4, 1] = 0.7
    planted[7] = torch.tensor([0.0, 4.0, 4.0])  # a tie within an edge
    planted[8, 2] = 9.0
    planted[13] = torch.tensor([5.0, 4.0, 0.0])  # large alphas, small weight once `none` is in the softmax
    planted[11, 2] = planted[12, 2] = 1.0  # a tie between edges
    genotype = supernet("s3").genotype(Alphas(torch.zeros(EDGES, 3), planted))
    assert genotype.reduce == (
        ("skip_connect", 1),
        ("sep_conv_3x3", 0),
        ("skip_connect", 2),
        ("sep_conv_3x3", 1),
        ("sep_conv_3x3", 3),
        ("skip_connect", 2),
        ("sep_conv_3x3", 2),
        ("sep_conv_3x3", 3),
    )


def test_genotype_names_the_operations_of_each_edge():
    planted = torch.zeros(EDGES, 2)
    planted[5, 1] = 1.0  # S1, normal cell, edge 5: max_pool_3x3 or skip_connect
    planted[12, 0] = 1.0  # edge 12: dil_conv_3x3 or dil_conv_5x5
    genotype = supernet("s1").genotype(Alphas(planted, torch.zeros(EDGES, 2)))
    assert genotype.normal[4] == ("skip_connect", 0)
    assert genotype.normal[6] == ("dil_conv_3x3", 3)
    assert genotype.reduce[:2] == (("max_pool_3x3", 0), ("max_pool_3x3", 1))


def test_drop_paths_drops_whole_samples_and_keeps_the_mean():
    x = torch.rand(20_000, 2, 2, 1, generator=generator()) + 0.5
    dropped = drop_paths(x, 0.3, generator(1))
    kept = (dropped != 0).flatten(1)
    assert (kept.all(1) | ~kept.any(1)).all()
    assert kept[:, 0].double().mean() == pytest.approx(0.7, abs=0.013)  # four standard errors
    assert torch.allclose(dropped[kept[:, 0]], x[kept[:, 0]] / 0.7)


def test_drop_path_acts_in_training_only():
    network = supernet()
    alphas, images = alphas_of(network), batch_of(count=8)[0]
    network.eval()
    assert torch.equal(network(images, alphas, 0.5, generator(1)), network(images, alphas, 0.0))
    network.train()
    with frozen_statistics(network.norms):
        first, again, other = (network(images, alphas, 0.5, generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)


def test_drop_path_draws_a_mask_of_its_own_for_every_edge(monkeypatch):
    probabilities = []

    def spy(x, probability, draws):
        probabilities.append(probability)
        return drop_paths(x, probability, draws)

    monkeypatch.setattr("workflow_scripts.cells.supernet.drop_paths", spy)
    network = supernet()
    network(batch_of()[0], alphas_of(network), 0.25, generator())
    assert probabilities == [0.25] * (3 * EDGES)


def test_noise_uses_its_own_generator():
    network = supernet("s4")
    alphas, images = alphas_of(network), batch_of()[0]
    state = torch.get_rng_state()
    with frozen_statistics(network.norms):
        first, again, other = (network(images, alphas, 0.0, generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)


def test_noise_is_standard_normal_whatever_the_input():
    draws = generator()
    drawn = Noise(stride=2)(torch.full((50, 4, 9, 9), 1e9), draws)
    assert drawn.shape == (50, 4, 5, 5)
    assert abs(drawn.mean()) < 4 / drawn.numel() ** 0.5
    assert drawn.std() == pytest.approx(1.0, abs=0.04)
    assert not torch.equal(drawn, Noise(stride=2)(torch.zeros(50, 4, 9, 9), draws))


def test_frozen_statistics():
    network = supernet("s1")
    alphas, images = alphas_of(network), batch_of()[0]
    before = running_statistics(network)
    with frozen_statistics(network.norms):
        frozen = network(images, alphas)
    assert unchanged(before, network)
    assert torch.equal(network(images, alphas), frozen)  # batch statistics in both
    assert not unchanged(before, network)


def test_frozen_statistics_end_with_an_error():
    network = supernet()
    before = running_statistics(network)
    with pytest.raises(ZeroDivisionError), frozen_statistics(network.norms):
        _ = 1 / 0
    network(batch_of()[0], alphas_of(network))
    assert not unchanged(before, network)


def test_frozen_statistics_still_evaluate_with_the_running_ones():
    network = supernet().eval()
    alphas, images = alphas_of(network), batch_of()[0]
    expected = network(images, alphas)
    with frozen_statistics(network.norms):
        assert torch.equal(network(images, alphas), expected)


def test_mixture_weights_are_the_softmax_of_the_alphas():
    network = supernet("s2").eval()
    edge = network.cells[0]._ops[3]
    x = torch.randn(2, 2, 4, 4, dtype=torch.float64, generator=generator())
    weights = torch.tensor([0.25, 0.75], dtype=torch.float64)
    assert torch.allclose(edge(x, weights, None), 0.25 * x + 0.75 * edge._ops[1](x))
    alphas = alphas_of(network)
    shifted = Alphas(*(alpha + 5.0 for alpha in alphas))
    images = batch_of()[0]
    assert torch.allclose(network(images, alphas), network(images, shifted))


def test_the_order_of_cells_matters_to_the_alphas_they_use():
    network = supernet()
    alphas, images = alphas_of(network), batch_of()[0]
    with frozen_statistics(network.norms):
        logits = network(images, alphas)
        swapped = network(images, Alphas(alphas.reduce, alphas.normal))
    assert not torch.allclose(logits, swapped)


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("stride", [1, 2])
def test_operations_of_every_stride(name, stride):
    output = apply_operation(build_operation(name, 4, stride, affine=True), torch.rand(2, 4, 8, 8), generator())
    assert output.shape == (2, 4, 8 // stride, 8 // stride)
    assert (output == 0).all() == (name == "none")


def test_average_pooling_leaves_the_padding_out():
    assert torch.allclose(build_operation("avg_pool_3x3", 1, 1, False)(torch.ones(1, 1, 4, 4)), torch.ones(1, 1, 4, 4))


@pytest.mark.parametrize("name", ["sep_conv_9x9", "conv_3x3", "", "sep_conv"])
def test_unknown_operation(name):
    with pytest.raises(ValueError, match="unknown operation"):
        build_operation(name, 4, 1, affine=False)


def test_noise_does_not_add_parameters():
    assert not list(build_operation("noise", 4, 1, affine=True).parameters())


# one architecture alone -----------------------------------------------------------------------------------------------


@pytest.fixture
def fixed_noise(monkeypatch):
    """Noise operations whose output follows from the shape, so that two passes with other draws can be compared."""

    def forward(self, x, draws):
        shape = x[:, :, :: self.stride, :: self.stride].shape
        return torch.randn(shape, generator=generator(sum(shape)), dtype=x.dtype)

    monkeypatch.setattr(Noise, "forward", forward)


@pytest.mark.usefixtures("fixed_noise")
@pytest.mark.parametrize("space", ["s1", "s2", "s3", "s4", "s5"])
@pytest.mark.parametrize("training", [True, False])
def test_chosen_edges_alone_equal_the_supernet_with_one_hot_weights(space, training):
    network = supernet(space, layers=4).train(training)
    draws, images = generator(3), batch_of()[0]
    with frozen_statistics(network.norms), torch.no_grad():
        for name, statistic in network.named_buffers():  # that evaluation mode is no identity
            if name.endswith("running_var"):
                statistic.copy_(0.5 + torch.rand(statistic.shape, generator=draws, dtype=statistic.dtype))
        seen = set()
        for _ in range(8):
            architecture = random_architecture(network, draws)
            alone, mixed = network.chosen(images, architecture), network.mix(images, one_hot(network, architecture))
            assert torch.allclose(alone, mixed, rtol=1e-12, atol=1e-14)
            seen.add(tuple(alone.flatten().tolist()))
    assert len(seen) == 8


@pytest.mark.usefixtures("fixed_noise")
@pytest.mark.parametrize("space", ["s1", "s3", "s4"])
def test_gradients_of_chosen_edges_are_those_of_the_whole_supernet(space):
    network = supernet(space)
    images, labels = batch_of()
    architecture = random_architecture(network, generator(1))
    found = []
    for logits in (network.chosen(images, architecture), network.mix(images, one_hot(network, architecture))):
        network.zero_grad(set_to_none=True)
        F.cross_entropy(logits, labels).backward()
        found.append({name: parameter.grad for name, parameter in network.named_parameters()})
    alone, mixed = found
    assert all(gradient is not None for gradient in mixed.values())
    assert 0 < sum(gradient is None for gradient in alone.values()) < len(alone)
    for name, gradient in alone.items():
        expected = torch.zeros_like(mixed[name]) if gradient is None else gradient
        assert torch.allclose(mixed[name], expected, rtol=1e-9, atol=1e-13), name


def test_only_chosen_operations_run():
    network = supernet("s5")
    ran = set()
    for cell_number, cell in enumerate(network.cells):
        for edge_number, edge in enumerate(cell._ops):
            for number, operation in enumerate(edge._ops):
                place = (cell_number, edge_number, number)
                operation.register_forward_hook(lambda *_, place=place: ran.add(place))
    architecture = random_architecture(network, generator(5))
    network.chosen(batch_of()[0], architecture, generator())
    first_edges = (0, 2, 5, 9)
    expected = {
        (cell, first + source, index)
        for cell, chosen in ((0, architecture.normal), (1, architecture.reduce), (2, architecture.reduce))
        for first, pairs in zip(first_edges, chosen, strict=True)
        for source, index in pairs
    }
    assert ran == expected
    assert len(ran) == 3 * 8


def test_a_choice_and_its_genotype():
    network = supernet("s1")
    architecture = random_architecture(network, generator(2))
    genotype = network.genotype_of(architecture)
    assert network.architecture_of(genotype) == architecture
    (source, index), _ = architecture.normal[3]
    assert genotype.normal[6] == (network.candidates["normal"][9 + source][index], source)


def test_drop_path_on_chosen_edges_acts_in_training_only():
    network = supernet("s2")
    architecture, images = random_architecture(network, generator()), batch_of(count=8)[0]
    with frozen_statistics(network.norms):
        first, again, other = (network.chosen(images, architecture, generator(seed), 0.5) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)
    network.eval()
    assert torch.equal(network.chosen(images, architecture, generator(), 0.5), network.chosen(images, architecture))


REDUCTIONS = """
import torch
from workflow_scripts.cells.operations import FactorizedReduce
torch.set_num_threads(1)
for _ in range(40):
    x = torch.randn(4, 4, 8, 8).contiguous(memory_format=torch.channels_last).requires_grad_()
    FactorizedReduce(4, 4, affine=False).to(memory_format=torch.channels_last)(x).sum().backward()
"""


def test_a_reduction_of_few_channels_leaves_memory_as_it_was():
    """glibc ends a process whose memory is damaged. On every processor, the code for those without AVX-512 runs."""
    environment = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2"}
    done = subprocess.run([sys.executable, "-c", REDUCTIONS], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
