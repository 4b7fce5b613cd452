"""The Hessian with respect to the alphas, and its largest eigenvalue."""

import math

import pytest
import torch
from cells.tiny import alphas_of, batch_of, supernet
from torch import nn

from workflow_scripts.cells.bilevel_step import Randomness, loss_of
from workflow_scripts.cells.curvature import dominant_eigenvalue, full_hessian, hessian_product, largest_eigenvalue
from workflow_scripts.cells.supernet import Alphas

BATCH = batch_of(seed=4)


class Smooth(nn.Module):
    """Logits that depend on both alphas without a kink."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(6, 3).double()
        self.weights, self.norms = list(self.parameters()), []

    def forward(self, images, alphas, drop_path, draws):
        mixed = images * torch.sin(alphas.normal).flatten() + torch.tanh(alphas.reduce).prod()
        return self.linear(mixed) * alphas.reduce.exp().sum()


def smooth():
    with torch.random.fork_rng():
        torch.manual_seed(8)
        alphas = Alphas(
            torch.randn(3, 2, dtype=torch.float64, requires_grad=True),
            torch.randn(2, 2, dtype=torch.float64, requires_grad=True),
        )
        return Smooth(), alphas, (torch.randn(5, 6, dtype=torch.float64), torch.tensor([0, 1, 2, 0, 1]))


def product_of(matrix):
    return lambda vector: matrix @ vector


def two_matrices(size):
    """Alphas of which there are `size` in all."""
    return Alphas(torch.zeros(size - 1, 1, dtype=torch.float64), torch.zeros(1, 1, dtype=torch.float64))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_hessian_agrees_with_central_differences():
    network, alphas, batch = smooth()
    hessian = full_hessian(hessian_product(network, alphas, batch, Randomness()), alphas, 0.0)
    flat = torch.cat([alpha.detach().flatten() for alpha in alphas])
    step = 1e-4

    def loss(point):
        return loss_of(network, Alphas(point[:6].view(3, 2), point[6:].view(2, 2)), batch, Randomness()).item()

    for row in range(10):
        for column in range(10):
            a, b = step * torch.eye(10, dtype=torch.float64)[[row, column]]
            slope = loss(flat + a + b) - loss(flat + a - b) - loss(flat - a + b) + loss(flat - a - b)
            assert hessian[row, column].item() == pytest.approx(slope / (4 * step**2), rel=1e-4, abs=1e-5)


def test_weight_decay_stands_on_the_diagonal_only():
    network, alphas, batch = smooth()
    product = hessian_product(network, alphas, batch, Randomness())
    difference = full_hessian(product, alphas, 0.25) - full_hessian(product, alphas, 0.0)
    assert torch.allclose(difference, 0.25 * torch.eye(10, dtype=torch.float64), rtol=0, atol=1e-14)
    plain, decayed = (dominant_eigenvalue(product, alphas, decay, generator()) for decay in (0.0, 0.25))
    assert decayed - plain == pytest.approx(0.25, abs=1e-12)


def test_hessian_of_the_supernet_is_symmetric_with_a_null_vector_per_edge():
    """Noise and masks are drawn once: every row belongs to one and the same function."""
    network = supernet("s4")
    alphas = alphas_of(network)
    before = {name: value.clone() for name, value in network.named_buffers()}
    product = hessian_product(network, alphas, batch_of(seed=4, count=2), Randomness(0.3, generator(3)))
    hessian = full_hessian(product, alphas, 0.0)
    scale = hessian.norm()
    assert hessian.shape == (56, 56)
    assert scale > 0.01
    assert (hessian - hessian.T).norm() < 1e-12 * scale
    shifts = torch.eye(28, dtype=torch.float64).repeat_interleave(2, dim=0)
    assert (hessian @ shifts).norm() < 1e-12 * scale
    assert all(torch.equal(value, before[name]) for name, value in network.named_buffers())


@pytest.mark.parametrize(("space", "seed"), [("s1", 1), ("s2", 2), ("s3", 3)])
def test_lanczos_finds_the_largest_eigenvalue_with_few_products(space, seed):
    """From every start: one that stops early may take the second eigenvalue for the largest."""
    network = supernet(space, seed)
    alphas = alphas_of(network, seed)
    product = hessian_product(network, alphas, batch_of(seed, count=2), Randomness())
    hessian = full_hessian(product, alphas, 1e-3)
    calls = []

    def counted(vector):
        calls.append(vector)
        return hessian.detach() @ vector - 1e-3 * vector

    for start in range(50):
        calls.clear()
        value = dominant_eigenvalue(counted, alphas, 1e-3, generator(start))
        assert value == pytest.approx(largest_eigenvalue(hessian), rel=0.01)
        assert 1 < len(calls) < len(hessian) / 2
    assert dominant_eigenvalue(product, alphas, 1e-3, generator()) == pytest.approx(
        largest_eigenvalue(hessian), rel=0.01
    )


@pytest.mark.parametrize("spectrum", [[-9.0, -1.0, 0.5, 2.0], [-3.0, -2.0, -1.5, -1.0], [5.0, 5.0, 5.0, 1.0]])
def test_largest_means_algebraically_largest(spectrum):
    turn, _ = torch.linalg.qr(torch.randn(4, 4, dtype=torch.float64, generator=generator(1)))
    matrix = turn @ torch.diag(torch.tensor(spectrum, dtype=torch.float64)) @ turn.T
    assert largest_eigenvalue(matrix) == pytest.approx(max(spectrum))
    assert dominant_eigenvalue(product_of(matrix), two_matrices(4), 0.0, generator()) == pytest.approx(
        max(spectrum), rel=0.01
    )


def test_a_flat_loss_leaves_the_weight_decay():
    flat = product_of(torch.zeros(6, 6, dtype=torch.float64))
    assert dominant_eigenvalue(flat, two_matrices(6), 1e-3, generator()) == 1e-3
    assert largest_eigenvalue(full_hessian(flat, two_matrices(6), 1e-3)) == pytest.approx(1e-3, rel=1e-12)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_an_entry_that_is_no_number_gives_nan(bad):
    matrix = torch.eye(3, dtype=torch.float64)
    matrix[2, 1] = bad
    assert math.isnan(largest_eigenvalue(matrix))
    assert math.isnan(dominant_eigenvalue(product_of(matrix), two_matrices(3), 1e-3, generator()))


def test_products_are_linear_in_their_vector():
    network = supernet()
    alphas = alphas_of(network)
    product = hessian_product(network, alphas, BATCH, Randomness())
    first, second = torch.randn(2, 56, dtype=torch.float64, generator=generator(2))
    together = product(2 * first - second)
    assert together.norm() > 1e-3
    assert torch.allclose(together, 2 * product(first) - product(second), rtol=1e-9, atol=1e-12)
