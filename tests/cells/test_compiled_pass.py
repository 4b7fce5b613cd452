"""Compiled passes: the same function as the modules, in all derivatives that searches and trainings take."""

import os
import subprocess
import sys

import pytest
import torch
from cells.tiny import alphas_of, batch_of
from numba_cache import ROOT, printed_twice
from torch import nn
from torch.nn import functional as F

from workflow_scripts.cells import compiled_pass, pass_kernels
from workflow_scripts.cells.bilevel_step import (
    Randomness,
    WeightRule,
    first_order_gradient,
    loss_of,
    momentum_buffers,
    second_order_gradient,
    weight_step,
)
from workflow_scripts.cells.compiled_pass import CompiledCells
from workflow_scripts.cells.curvature import full_hessian, hessian_product
from workflow_scripts.cells.genotype_network import EvaluationNetwork
from workflow_scripts.cells.operations import SepConv
from workflow_scripts.cells.pass_table import Table, has_rows
from workflow_scripts.cells.random_search_with_weight_sharing import random_architecture
from workflow_scripts.cells.supernet import DiscreteArchitecture, Supernet
from workflow_scripts.tables.genotype import Genotype

EVERYTHING = [["sep_conv_3x3", "skip_connect", "none", "noise", "max_pool_3x3", "avg_pool_3x3"]] * 14
WINDOWS = [["sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5", "sep_conv_7x7"]] * 14
CLOSE = {"rtol": 1e-10, "atol": 1e-12}


def twins(candidates=EVERYTHING, layers=3, dtype=torch.float64):
    """A supernet in both layouts, with the same weights; by default with all kinds of operations."""
    networks = []
    for layout in ("modules", "compiled"):
        with torch.random.fork_rng():
            torch.manual_seed(1)
            networks.append(Supernet(candidates, candidates, 8, layers, 10, layout=layout).to(dtype))
    return networks


def noise(drop_path=0.3):
    return Randomness(drop_path, torch.Generator().manual_seed(5))


def weight_gradients(network, loss, others=()):
    """The gradients of others and of all parameters."""
    weights = network.named_weights()
    found = torch.autograd.grad(loss, [*others, *weights.values()])
    of_weights = dict(zip(weights, found[len(others) :], strict=True))
    sizes = [parameter.numel() for parameter in network.cells.parameters()]
    parts = iter(of_weights["cells"].split(sizes) if "cells" in of_weights else ())
    gradients = [
        of_weights[name] if name in of_weights else next(parts).view(parameter.shape)
        for name, parameter in network.named_parameters()
    ]
    return [*found[: len(others)], *gradients]


def assert_equal_statistics(first, second):
    for (name, one), other in zip(first.named_buffers(), second.buffers(), strict=True):
        torch.testing.assert_close(one, other, msg=lambda text, name=name: f"{name}: {text}", **CLOSE)


@pytest.mark.parametrize(
    ("candidates", "layers", "count", "side"),
    [(EVERYTHING, 3, 4, 8), (EVERYTHING, 5, 3, 12), (WINDOWS, 3, 3, 12)],
    ids=["8x8", "odd sizes", "windows"],
)
def test_a_pass_and_its_gradients(candidates, layers, count, side):
    results = []
    for network in twins(candidates, layers):
        alphas = alphas_of(network)
        loss = loss_of(network, alphas, batch_of(count=count, side=side), noise())
        results.append([loss.detach(), *weight_gradients(network, loss, alphas)])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, **CLOSE)


def test_a_pass_in_evaluation_mode():
    results = []
    for network in twins():
        alphas = alphas_of(network)
        loss_of(network, alphas, batch_of(2), noise())  # moves the running statistics
        network.eval()
        loss = loss_of(network, alphas, batch_of(), noise())
        gradients = weight_gradients(network, loss, alphas)
        with torch.no_grad():
            results.append(
                [loss.detach(), *gradients, network(batch_of(1, count=9)[0], alphas, 0.0, noise().generator)]
            )
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, **CLOSE)


def test_running_statistics_move_in_a_weight_step_alone():
    networks = twins()
    for network in networks:
        alphas, optimizer = alphas_of(network), torch.optim.SGD(network.weights, 0.1, 0.9)
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
        alphas, optimizer = alphas_of(network), torch.optim.SGD(network.weights, 0.1, 0.9)
        weight_step(network, alphas, batch_of(2), optimizer, 5.0, noise())
        first = first_order_gradient(network, alphas, batch_of(1), noise(), published)
        rule, buffers = WeightRule(0.1, 0.9, 3e-3), momentum_buffers(network, optimizer)
        args = (network, alphas, batch_of(0), batch_of(1), rule, buffers, noise())
        gradients.append([*first, *second_order_gradient(*args, published=published)])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-10)
    assert_equal_statistics(*networks)


def test_the_hessian():
    matrices = []
    for network in twins():
        alphas = alphas_of(network)
        matrices.append(full_hessian(hessian_product(network, alphas, batch_of(), noise()), alphas, 0.0))
    torch.testing.assert_close(*matrices, rtol=1e-8, atol=1e-12)
    assert matrices[0].abs().max() > 1e-3


def test_one_architecture_alone():
    """What was not chosen has no gradient, and so does what nothing chosen reads."""
    results = []
    for network in twins():
        for seed in range(4):
            architecture = random_architecture(network, torch.Generator().manual_seed(seed))
            images, labels = batch_of(seed)
            loss = F.cross_entropy(network.chosen(images, architecture, noise().generator, 0.3), labels)
            gradients = torch.autograd.grad(loss, list(network.parameters()), allow_unused=True)
            assert sum(gradient is None for gradient in gradients) > 0.7 * len(gradients)
            results.append([loss.detach(), *gradients])
    for one, other in zip(results[:4], results[4:], strict=True):
        for value, other_value in zip(one, other, strict=True):
            assert (value is None) == (other_value is None)
            if value is not None:
                torch.testing.assert_close(value, other_value, **CLOSE)


def test_an_architecture_without_some_operations_compiles_nothing_of_its_own():
    network, counts = twins()[1], []
    for operation in (0, 4, 1):  # separable convolutions alone, pools alone, neither
        cell = (((0, operation), (1, operation)),) * 4
        F.cross_entropy(network.chosen(batch_of()[0], DiscreteArchitecture(cell, cell)), batch_of()[1]).backward()
        counts.append([len(function.signatures) for function in (pass_kernels.forward, pass_kernels.backward)])
    assert counts[0] == counts[1] == counts[2]


@pytest.mark.parametrize("training", [True, False])
def test_an_evaluation_network(training):
    """With BatchNorms that have a scale and a shift of their own, trained a little so that no two are the same."""
    cell = (("sep_conv_3x3", 0), ("skip_connect", 1), ("max_pool_3x3", 0), ("sep_conv_3x3", 2))
    cell += (("avg_pool_3x3", 0), ("noise", 1), ("max_pool_3x3", 2), ("dil_conv_3x3", 3))
    results, networks = [], []
    for layout in ("modules", "compiled"):
        with torch.random.fork_rng():
            torch.manual_seed(4)
            network = EvaluationNetwork(Genotype(cell, cell), 8, 4, 10, True, layout=layout).double()
            for parameter in network.parameters():
                parameter.data += 0.3 * torch.randn_like(parameter)
        images, labels = batch_of(side=32)
        logits, auxiliary = network(images, 0.3, noise().generator)
        loss = F.cross_entropy(logits, labels) + 0.4 * F.cross_entropy(auxiliary, labels)
        results.append([loss.detach(), *weight_gradients(network, loss)])
        network.train(training)
        with torch.no_grad():
            results[-1].append(network(batch_of(1, side=32)[0], 0.0, noise().generator)[0])
        networks.append(network)
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, **CLOSE)
    assert_equal_statistics(*networks)


def test_an_operation_without_rows_leaves_the_network_to_its_modules():
    assert [has_rows(SepConv(8, kernel, 1, affine=False)) for kernel in (7, 9)] == [True, False]
    assert [has_rows(pool) for pool in (nn.MaxPool2d(3, 2, 1), nn.AvgPool2d(3, 2, 1), nn.AvgPool2d(5))] == [
        True,
        False,
        False,
    ]
    modules, other = twins([["conv_7x1_1x7", "skip_connect"]] * 14)
    assert not other.compiles()
    alphas = alphas_of(other)
    assert torch.equal(*(loss_of(network, alphas, batch_of(), noise()) for network in (modules, other)))


def test_gradients_are_taken_once():
    network = twins()[1]
    alphas = alphas_of(network)
    loss = loss_of(network, alphas, batch_of(), noise())
    torch.autograd.grad(loss, alphas, retain_graph=True)
    with pytest.raises(RuntimeError, match="can be taken once"):
        torch.autograd.grad(loss, alphas)


def test_two_passes_at_once_have_memory_of_their_own():
    network = twins()[1]
    alphas = alphas_of(network)
    expected = first_order_gradient(network, alphas, batch_of(), noise())
    loss = loss_of(network, alphas, batch_of(), noise())
    loss_of(network, alphas, batch_of(1), noise())
    for one, other in zip(torch.autograd.grad(loss, alphas), expected, strict=True):
        assert torch.equal(one, other)


def test_a_table_reads_as_a_list_of_operations():
    network = Supernet([["sep_conv_3x3", "skip_connect"]] * 14, [["max_pool_3x3", "none"]] * 14, 8, 3, 10)
    places = CompiledCells(network.cells).places
    lines = Table(network._edges(None, True), (8, 8, 24), places).text().splitlines()
    assert lines[0] == "1536 = pointwise of 0 (8x8x24), 8 channels"
    assert lines[2].startswith("4608 = separable 3x3 of 1536 (8x8x8), 8 channels")
    assert any("sum, 8 channels" in line for line in lines)
    assert any(line.strip().startswith("+ weight 1 * mask 0 * ") for line in lines)
    assert sum("max pool 3x3, stride 2" in line for line in lines) == 2 * 4 * 2


def test_not_a_number_is_passed_on():
    network = twins()[1]
    images, labels = batch_of()
    images[0, 0, 0, 0] = float("nan")
    alphas = alphas_of(network)
    assert loss_of(network, alphas, (images, labels), noise()).isnan()
    assert first_order_gradient(network, alphas, (images, labels), noise()).normal.isnan().any()


PRINTED_GRADIENT = """
import torch
from cells.tiny import alphas_of, batch_of
from workflow_scripts.cells.bilevel_step import Randomness, loss_of
from workflow_scripts.cells.supernet import DiscreteArchitecture, Supernet
torch.manual_seed(0)
edges = [["sep_conv_3x3", "skip_connect"]] * 14
network = Supernet(edges, edges, 8, 3, 10, layout="compiled")
alphas = alphas_of(network)
loss = loss_of(network, alphas, batch_of(dtype=torch.float32), Randomness())
gradients = torch.autograd.grad(loss, [*alphas, *network.weights])
print([gradient.flatten().tolist() for gradient in gradients])
"""


def test_a_process_that_compiles_gives_the_bytes_of_one_that_loads_what_was_compiled(tmp_path):
    cold, warm = printed_twice(PRINTED_GRADIENT, tmp_path)
    assert len(cold) > 10_000
    assert cold == warm


def test_the_lanes_decide_no_byte(monkeypatch):
    """On a processor without registers for 16 numbers, LLVM splits the vectors."""
    results = []
    for lanes in (8, 16):
        monkeypatch.setattr(compiled_pass, "lanes_for", lambda *channels, lanes=lanes: (0,) * lanes)
        with torch.random.fork_rng():
            torch.manual_seed(1)
            network = Supernet(*[[["sep_conv_3x3", "skip_connect"]] * 14] * 2, 16, 3, 10, layout="compiled")
        alphas = alphas_of(network)
        loss = loss_of(network, alphas, batch_of(dtype=torch.float32), noise())
        results.append(torch.autograd.grad(loss, [*alphas, *network.weights]))
    assert all(torch.equal(one, other) for one, other in zip(*results, strict=True))


CHECKED = """
import torch
from cells.tiny import alphas_of, batch_of
from workflow_scripts.cells.bilevel_step import Randomness, first_order_gradient
from workflow_scripts.cells.supernet import DiscreteArchitecture, Supernet
torch.manual_seed(0)
network = Supernet(*[[["sep_conv_3x3", "max_pool_3x3", "skip_connect"]] * 14] * 2, 8, 3, 10, layout="compiled")
alphas, batch = alphas_of(network), batch_of(count=3, dtype=torch.float32)
first_order_gradient(network, alphas, batch, Randomness())
(table,) = network.compiled_cells.tables.values()
table.rows["y"]["place"][-2] = table.size
try:
    first_order_gradient(network, alphas, batch, Randomness())
except IndexError as error:
    print(error)
"""


def test_vectors_that_leave_their_arrays_are_found_where_bounds_are_checked(tmp_path):
    environment = os.environ | {"NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path)}
    environment["PYTHONPATH"] = f"{ROOT}:{ROOT / 'tests'}"
    run = subprocess.run([sys.executable, "-c", CHECKED], env=environment, capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (0, "a vector leaves its array\n"), run.stderr
