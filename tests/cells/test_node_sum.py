"""The compiled layout of the supernet: the same function as its modules, in all derivatives that a search takes."""

import pytest
import torch
from cells.tiny import alphas_of, batch_of
from numba_cache import printed_twice
from torch import nn
from torch.nn import functional as F

from workflow_scripts.cells.bilevel_step import (
    Randomness,
    WeightRule,
    first_order_gradient,
    loss_of,
    momentum_buffers,
    second_order_gradient,
    weight_step,
)
from workflow_scripts.cells.curvature import hessian_product
from workflow_scripts.cells.genotype_network import EvaluationNetwork
from workflow_scripts.cells.node_sum import Term, node_sum, single_operation
from workflow_scripts.cells.operation_passes import blocks_of
from workflow_scripts.cells.operations import FactorizedReduce, ReLUConvBN, build_operation, drop_path_mask
from workflow_scripts.cells.random_search import random_architecture
from workflow_scripts.cells.supernet import Supernet
from workflow_scripts.tables.genotype import Genotype

EVERYTHING = [["sep_conv_3x3", "skip_connect", "none", "noise", "max_pool_3x3", "avg_pool_3x3"]] * 14
CLOSE = {"rtol": 1e-10, "atol": 1e-12}


def twins(layers=3, dtype=torch.float64):
    """A supernet of all kinds of operations in both layouts, with the same weights."""
    networks = []
    for layout in ("modules", "compiled"):
        with torch.random.fork_rng():
            torch.manual_seed(1)
            networks.append(Supernet(EVERYTHING, EVERYTHING, 8, layers, 10, layout=layout).to(dtype))
    return networks


def noise(drop_path=0.3):
    return Randomness(drop_path, torch.Generator().manual_seed(5))


def assert_equal_statistics(first, second):
    for (name, one), other in zip(first.named_buffers(), second.buffers(), strict=True):
        torch.testing.assert_close(one, other, msg=lambda text, name=name: f"{name}: {text}", **CLOSE)


def test_a_pass_and_its_gradients():
    results = []
    for network in twins():
        alphas = alphas_of(network)
        loss = loss_of(network, alphas, batch_of(), noise())
        results.append([loss.detach(), *torch.autograd.grad(loss, [*alphas, *network.parameters()])])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, **CLOSE)


def test_running_statistics_move_in_a_weight_step_alone():
    networks = twins()
    for network in networks:
        alphas, optimizer = alphas_of(network), torch.optim.SGD(network.parameters(), 0.1, 0.9)
        before = [value.clone() for value in network.buffers()]
        first_order_gradient(network, alphas, batch_of(), noise())
        assert all(torch.equal(one, other) for one, other in zip(before, network.buffers(), strict=True))
        weight_step(network, alphas, batch_of(), optimizer, 5.0, noise())
    assert any(not torch.equal(one, other) for one, other in zip(before, network.buffers(), strict=True))
    assert_equal_statistics(*networks)


@pytest.mark.parametrize("published", [False, True])
def test_alpha_gradients_of_both_orders(published):
    networks, gradients = twins(), []
    for network in networks:
        alphas, optimizer = alphas_of(network), torch.optim.SGD(network.parameters(), 0.1, 0.9)
        weight_step(network, alphas, batch_of(2), optimizer, 5.0, noise())
        first = first_order_gradient(network, alphas, batch_of(1), noise(), published)
        rule, buffers = WeightRule(0.1, 0.9, 3e-3), momentum_buffers(network, optimizer)
        args = (network, alphas, batch_of(0), batch_of(1), rule, buffers, noise())
        gradients.append([*first, *second_order_gradient(*args, published=published)])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-10)
    assert_equal_statistics(*networks)


def test_the_hessian():
    """Times vectors of random numbers, which no entry that differs can leave equal."""
    draws = torch.Generator().manual_seed(3)
    vectors = torch.randn(4, 2 * sum(map(len, EVERYTHING)), dtype=torch.float64, generator=draws)
    images = []
    for network in twins():
        product = hessian_product(network, alphas_of(network), batch_of(), noise())
        images.append(torch.stack([product(vector) for vector in vectors]))
    torch.testing.assert_close(*images, rtol=1e-8, atol=1e-12)
    assert images[0].abs().max() > 1e-3


def test_one_architecture_alone():
    results = []
    for network in twins():
        architecture = random_architecture(network, torch.Generator().manual_seed(2))
        images, labels = batch_of()
        loss = F.cross_entropy(network.chosen(images, architecture, torch.Generator().manual_seed(5), 0.3), labels)
        gradients = torch.autograd.grad(loss, list(network.parameters()), allow_unused=True)
        assert sum(gradient is None for gradient in gradients) > 0.7 * len(gradients)
        results.append([loss.detach(), *(torch.zeros(()) if gradient is None else gradient for gradient in gradients)])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, **CLOSE)


OPERATIONS = [("sep_conv_5x5", 1), ("sep_conv_5x5", 2), ("dil_conv_3x3", 2), ("dil_conv_5x5", 1), ("dil_conv_5x5", 2)]
OPERATIONS += [("sep_conv_7x7", 2)]


@pytest.mark.parametrize(("name", "stride"), OPERATIONS)
def test_an_operation(name, stride):
    """Value, gradients and second derivatives of one operation, on images that are not square."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        operation = build_operation(name, 4, stride, affine=False).double()
        x, other = torch.randn(3, 4, 6, 4, dtype=torch.float64), torch.randn(3, 4, 6 // stride, 4 // stride).double()
    check_operation(operation, x, other, stride)


@pytest.mark.parametrize("stride", [1, 2])
def test_a_pointwise_operation(stride):
    with torch.random.fork_rng():
        torch.manual_seed(3)
        operation = (FactorizedReduce if stride == 2 else ReLUConvBN)(6, 4, affine=False).double()
        x, other = torch.randn(3, 6, 6, 4, dtype=torch.float64), torch.randn(3, 4, 6 // stride, 4 // stride).double()
    check_operation(operation, x, other, stride)


def check_operation(operation: nn.Module, x, other, stride):
    weights = torch.tensor([0.7, 0.4], dtype=torch.float64)
    mask = drop_path_mask(other, 0.4, torch.Generator().manual_seed(1))
    results = []
    for compiled in (False, True):
        own, of_other, factors = (value.clone().requires_grad_() for value in (x, other, weights))
        operation.requires_grad_()
        if compiled:
            terms = [Term(0, blocks_of(operation), 1, mask), Term(1, [], 0)]
            total = node_sum([own, of_other], terms, factors, tuple(other.shape[1:]))
        else:
            total = factors[0] * of_other + factors[1] * mask * operation(own)
        gradients = torch.autograd.grad((total**3).sum(), [own, of_other, factors, *operation.parameters()])
        operation.requires_grad_(False)
        if compiled:
            total = node_sum([own, of_other], terms, factors, tuple(other.shape[1:]))
        else:
            total = factors[0] * of_other + factors[1] * mask * operation(own)
        first = torch.autograd.grad((total**3).sum(), [own, of_other, factors], create_graph=True)
        along = [torch.cos(torch.arange(part.numel(), dtype=torch.float64)).view(part.shape) for part in first]
        twice = torch.autograd.grad(first, [own, of_other, factors], along)
        results.append([total.detach(), *gradients, *(part.detach() for part in first), *twice])
    for one, other_one in zip(*results, strict=True):
        torch.testing.assert_close(one, other_one, **CLOSE)


@pytest.mark.parametrize("training", [True, False])
def test_an_evaluation_network(training):
    """With BatchNorms that have a scale and a shift of their own, trained a little so that no two are the same."""
    cell = (("sep_conv_3x3", 0), ("skip_connect", 1), ("max_pool_3x3", 0), ("sep_conv_3x3", 2))
    cell += (("sep_conv_3x3", 0), ("conv_7x1_1x7", 1), ("max_pool_3x3", 0), ("sep_conv_3x3", 2))
    results, networks = [], []
    for layout in ("modules", "compiled"):
        with torch.random.fork_rng():
            torch.manual_seed(4)
            network = EvaluationNetwork(Genotype(cell, cell), 8, 3, 10, False, layout=layout).double()
            for parameter in network.parameters():
                parameter.data += 0.3 * torch.randn_like(parameter)
        images, labels = batch_of()
        loss = F.cross_entropy(network(images, 0.3, torch.Generator().manual_seed(5))[0], labels)
        results.append([loss.detach(), *torch.autograd.grad(loss, list(network.parameters()))])
        network.train(training)
        with torch.no_grad():
            results[-1].append(network(batch_of(1)[0])[0])
        networks.append(network)
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, **CLOSE)
    assert_equal_statistics(*networks)


def test_second_derivatives_in_parameters_are_refused():
    operation = ReLUConvBN(4, 4, affine=False).double()
    x = torch.randn(2, 4, 4, 4, dtype=torch.float64, requires_grad=True)
    with pytest.raises(RuntimeError, match="parameters fixed"):
        torch.autograd.grad(single_operation(blocks_of(operation), x).sum(), x, create_graph=True)


def test_not_a_number_is_passed_on():
    network = twins()[1]
    images, labels = batch_of()
    images[0, 0, 0, 0] = float("nan")
    alphas = alphas_of(network)
    assert loss_of(network, alphas, (images, labels), noise()).isnan()
    assert first_order_gradient(network, alphas, (images, labels), noise()).normal.isnan().any()


PRINTED_GRADIENT = """
import torch
from workflow_scripts.cells.node_sum import single_operation
from workflow_scripts.cells.operation_passes import blocks_of
from workflow_scripts.cells.operations import SepConv
torch.manual_seed(0)
operation, x = SepConv(8, 3, 1, affine=False), torch.randn(3, 8, 6, 6, requires_grad=True)
loss = (single_operation(blocks_of(operation), x) ** 3).sum()
print([gradient.flatten().tolist() for gradient in torch.autograd.grad(loss, [x, *operation.parameters()])])
"""


def test_a_process_that_compiles_gives_the_bytes_of_one_that_loads_what_was_compiled(tmp_path):
    cold, warm = printed_twice(PRINTED_GRADIENT, tmp_path)
    assert len(cold) > 10_000
    assert cold == warm
