"""The Hessian of the validation loss with respect to the alphas (RobustDARTS, section 4.1).

Always by double backward through ONE forward graph: finite differences of gradients see other kinks of ReLU and
max-pool and give another quantity. Alphas are ordered normal then reduce, row-major. The factor of the alphas' weight
decay is on the diagonal, as in the published logs.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from workflow_scripts.cells.bilevel_step import Batch, Randomness, fixed_weights, loss_of
from workflow_scripts.cells.supernet import Alphas, Supernet, frozen_statistics

Product = Callable[[Tensor], Tensor]  # v (n,) to H v (n,)


def hessian_product(network: Supernet, alphas: Alphas, valid: Batch, randomness: Randomness) -> Product:
    """The map v -> H v, without the weight-decay diagonal; BatchNorm uses batch statistics."""
    if isinstance(network, Supernet) and network.compiles():
        return _compiled_product(network, alphas, valid, randomness)
    with frozen_statistics(network.norms), fixed_weights(network):
        loss = loss_of(network, alphas, valid, randomness)
    gradient = _flat(torch.autograd.grad(loss, alphas, create_graph=True))

    def product(vector: Tensor) -> Tensor:
        # A vector passed to torch.autograd.grad would load sympy; the gradient of this product is the same numbers.
        return _flat(torch.autograd.grad(gradient @ vector, alphas, retain_graph=True))

    return product


def _compiled_product(network: Supernet, alphas: Alphas, valid: Batch, randomness: Randomness) -> Product:
    """The same derivatives by the chain rule: softmax, the cells' linearised pass, classifier and loss."""
    images, labels = valid
    with torch.no_grad(), frozen_statistics(network.norms):
        weights = Alphas(*(alpha.softmax(-1) for alpha in alphas))
        cells = network.linearised(images, weights, randomness.drop_path, randomness.generator)
    with fixed_weights(network):
        output = cells.output.requires_grad_()
        loss = F.cross_entropy(network.classifier(output.mean((2, 3))), labels)
    (grad,) = torch.autograd.grad(loss, output, create_graph=True)
    of_weights = _like(cells.gradient(grad.detach())[1:], weights)

    def product(vector: Tensor) -> Tensor:
        along = Alphas(*(_tilted(w, v) for w, v in zip(weights, _like(vector, weights), strict=True)))
        tangent = cells.tangent(torch.cat([vector.new_zeros(1), _flat(along)]))
        (grad_tangent,) = torch.autograd.grad(grad, output, tangent, retain_graph=True)
        moved = _like(cells.gradient_tangent(grad_tangent)[1:], weights)
        parts = zip(weights, along, of_weights, moved, strict=True)
        return _flat(
            [_tilted(w, m) + t * g - t * (w * g).sum(-1, True) - w * (t * g).sum(-1, True) for w, t, g, m in parts]
        )

    return product


def _tilted(weights: Tensor, values: Tensor) -> Tensor:
    """The derivative of a softmax, whose values are the weights, applied to others; it is symmetric."""
    return weights * (values - (weights * values).sum(-1, keepdim=True))


def _like(vector: Tensor, shapes: Alphas) -> Alphas:
    normal, reduce = vector.split([part.numel() for part in shapes])
    return Alphas(normal.view_as(shapes.normal), reduce.view_as(shapes.reduce))


def full_hessian(product: Product, alphas: Alphas, arch_weight_decay: float) -> Tensor:
    """The whole matrix (n, n), row by row, with the weight-decay factor on its diagonal."""
    basis = torch.eye(sum(alpha.numel() for alpha in alphas), device=alphas.normal.device, dtype=alphas.normal.dtype)
    return torch.stack([product(row) for row in basis]) + arch_weight_decay * basis


def largest_eigenvalue(hessian: Tensor) -> float:
    """The algebraically largest eigenvalue of a symmetric matrix, in float64; NaN when an entry is not finite."""
    matrix = hessian.detach().double().cpu()
    if not torch.isfinite(matrix).all():
        return float("nan")
    return float(torch.linalg.eigvalsh((matrix + matrix.T) / 2)[-1])


def dominant_eigenvalue(
    product: Product,
    alphas: Alphas,
    arch_weight_decay: float,
    generator: torch.Generator,
    tolerance: float = 1e-4,
) -> float:
    """The algebraically largest eigenvalue, weight-decay factor included, by Lanczos with full reorthogonalisation.

    Stops when the residual of the largest Ritz pair, which bounds its distance from an eigenvalue, is below
    `tolerance` times the Ritz value (Parlett, The Symmetric Eigenvalue Problem, section 13.2). That eigenvalue need not
    be the largest: with a tolerance of 0.01 about one start in 200 ends at the second. A few more products rule it out.
    """
    size = sum(alpha.numel() for alpha in alphas)
    vector = torch.randn(size, generator=generator, dtype=torch.float64)
    basis: list[Tensor] = []
    diagonal: list[float] = []
    off_diagonal: list[float] = []
    ritz = 0.0
    for _ in range(size):
        basis.append(vector / vector.norm())
        image = product(basis[-1].to(alphas.normal)).detach().cpu().double()
        if not torch.isfinite(image).all():
            return float("nan")
        diagonal.append(float(basis[-1] @ image))
        known = torch.stack(basis)
        vector = image - known.T @ (known @ image)
        vector = vector - known.T @ (known @ vector)
        residual = float(vector.norm())
        values, vectors = torch.linalg.eigh(_tridiagonal(diagonal, off_diagonal))
        ritz = float(values[-1])
        if residual * abs(float(vectors[-1, -1])) <= tolerance * abs(ritz):
            break
        off_diagonal.append(residual)
    return ritz + arch_weight_decay


def _tridiagonal(diagonal: list[float], off_diagonal: list[float]) -> Tensor:
    matrix = torch.diag(torch.tensor(diagonal, dtype=torch.float64))
    if off_diagonal:
        side = torch.tensor(off_diagonal, dtype=torch.float64)
        matrix = matrix + torch.diag(side, 1) + torch.diag(side, -1)
    return matrix


def _flat(parts: Sequence[Tensor]) -> Tensor:
    return torch.cat([part.reshape(-1) for part in parts])
