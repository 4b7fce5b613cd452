"""The supernet and the quantities of one search step, in their most literal form.

Source: Liu et al. 2019 (DARTS) equations 5 to 8 and Zela et al. 2020 (arXiv 1909.09656). Drop path is 0 and BatchNorm
uses batch statistics throughout; every function that changes a model's weights states it.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from workflow_scripts.reference.operations import FactorizedReduce, ReLUConvBN, make_operation
from workflow_scripts.reference.spaces import spaces

NODES = 4
Pair = dict[str, torch.Tensor]


class MixedOp(nn.Module):
    """The weighted sum of an edge's candidates: x (N, C, H, W), weights (K,) -> (N, C, H/stride, W/stride)."""

    def __init__(self, names: list[str], channels: int, stride: int) -> None:
        super().__init__()
        self._ops = nn.ModuleList()
        for name in names:
            operation = make_operation(name, channels, stride, affine=False)
            if "pool" in name:
                # A pooled map keeps its input's scale, so only in the mixture it is normalised like the others.
                operation = nn.Sequential(operation, nn.BatchNorm2d(channels, affine=False))
            self._ops.append(operation)

    def forward(self, x: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        return sum(weight * operation(x) for weight, operation in zip(weights, self._ops, strict=True))


class SearchCell(nn.Module):
    """A cell with all 14 edges: two inputs -> (N, 4C, H, W), or half the height and width for a reduction."""

    def __init__(
        self,
        edges: list[list[str]],
        channels_before_previous: int,
        channels_previous: int,
        channels: int,
        reduction: bool,
        reduction_previous: bool,
    ) -> None:
        super().__init__()
        if reduction_previous:
            self.preprocess0: nn.Module = FactorizedReduce(channels_before_previous, channels, affine=False)
        else:
            self.preprocess0 = ReLUConvBN(channels_before_previous, channels, affine=False)
        self.preprocess1 = ReLUConvBN(channels_previous, channels, affine=False)
        self._ops = nn.ModuleList()
        for node in range(NODES):
            for predecessor in range(node + 2):
                stride = 2 if reduction and predecessor < 2 else 1
                self._ops.append(MixedOp(edges[len(self._ops)], channels, stride))

    def forward(self, s0: torch.Tensor, s1: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        states = [self.preprocess0(s0), self.preprocess1(s1)]
        edge = 0
        for _ in range(NODES):
            incoming = []
            for state in states:
                incoming.append(self._ops[edge](state, weights[edge]))
                edge += 1
            states.append(sum(incoming))
        return torch.cat(states[-NODES:], dim=1)


class Supernet(nn.Module):
    """Stem, cells, global average pool, classifier: (N, 3, H, W) -> logits (N, classes).

    `alphas` {normal, reduce} (14, K) are plain tensors, not parameters, so that `parameters()` are the weights only.
    """

    def __init__(self, space: str, init_channels: int, layers: int, num_classes: int) -> None:
        super().__init__()
        self.configuration = (space, init_channels, layers, num_classes)
        self.stem = nn.Sequential(
            nn.Conv2d(3, 3 * init_channels, 3, padding=1, bias=False), nn.BatchNorm2d(3 * init_channels)
        )
        self.cells = nn.ModuleList()
        self.kinds: list[str] = []
        before_previous = previous = 3 * init_channels
        channels, reduction_previous = init_channels, False
        for index in range(layers):
            reduction = index in (layers // 3, 2 * layers // 3)
            if reduction:
                channels *= 2
            kind = "reduce" if reduction else "normal"
            self.kinds.append(kind)
            edges = spaces[space][kind]
            self.cells.append(SearchCell(edges, before_previous, previous, channels, reduction, reduction_previous))
            before_previous, previous, reduction_previous = previous, NODES * channels, reduction
        self.classifier = nn.Linear(previous, num_classes)
        self.alphas: Pair = {
            kind: torch.zeros(len(edges), len(edges[0]), requires_grad=True) for kind, edges in spaces[space].items()
        }

    def set_alphas(self, alphas: Pair) -> None:
        """Take copies of `alphas` as this model's own leaves."""
        self.alphas = {kind: alphas[kind].detach().clone().requires_grad_() for kind in ("normal", "reduce")}

    def forward(self, x: torch.Tensor, weights: Pair | None = None) -> torch.Tensor:
        """Logits; `weights` of the operations replace the softmax of the alphas, as in RS-ws."""
        s0 = s1 = self.stem(x)
        for cell, kind in zip(self.cells, self.kinds, strict=True):
            own = torch.softmax(self.alphas[kind], dim=-1) if weights is None else weights[kind]
            s0, s1 = s1, cell(s0, s1, own)
        return self.classifier(s1.mean(dim=(2, 3)))

    def loss(self, x: torch.Tensor, y: torch.Tensor, weights: Pair | None = None) -> torch.Tensor:
        """Mean cross-entropy of a batch."""
        return F.cross_entropy(self(x, weights), y)


def gradient_alphas(loss: torch.Tensor, model: Supernet) -> Pair:
    """{normal, reduce}, each (14, K): the derivative of `loss` with respect to the model's alphas."""
    normal, reduce = torch.autograd.grad(loss, [model.alphas["normal"], model.alphas["reduce"]])
    return {"normal": normal, "reduce": reduce}


def gradient_first_order(model: Supernet, x_valid: torch.Tensor, y_valid: torch.Tensor) -> Pair:
    """grad_alpha L_valid(w, alpha)."""
    return gradient_alphas(model.loss(x_valid, y_valid), model)


def unrolled_model(model: Supernet, batch: Pair, momentum_buffers: Pair, config: dict) -> Supernet:
    """A second model at w' = w - eta (momentum * buffer + grad_w L_train + weight_decay * w), with the same alphas."""
    names = [name for name, _ in model.named_parameters()]
    gradients = torch.autograd.grad(model.loss(batch["x_train"], batch["y_train"]), list(model.parameters()))
    unrolled = Supernet(*model.configuration).to(batch["x_train"].dtype)
    unrolled.load_state_dict(model.state_dict())
    unrolled.set_alphas(model.alphas)
    with torch.no_grad():
        for name, gradient, parameter in zip(names, gradients, unrolled.parameters(), strict=True):
            moment = config["momentum"] * momentum_buffers[name]
            parameter.sub_(config["learning_rate"] * (moment + gradient + config["weight_decay"] * parameter))
    return unrolled


def shift_weights(model: Supernet, distance: torch.Tensor, direction: Sequence[torch.Tensor]) -> None:
    """Move the weights in place by `distance` along `direction`, one tensor per parameter."""
    with torch.no_grad():
        for parameter, step in zip(model.parameters(), direction, strict=True):
            parameter.add_(distance * step)


def gradient_second_order(model: Supernet, batch: Pair, momentum_buffers: Pair, config: dict) -> Pair:
    """The unrolled alpha gradient, DARTS equations 7 and 8; the weights are perturbed in place and put back.

    grad_alpha L_valid(w') - eta * [grad_alpha L_train(w + R v) - grad_alpha L_train(w - R v)] / (2 R), with
    v = grad_w' L_valid(w') and R = radius / ||v||.
    """
    unrolled = unrolled_model(model, batch, momentum_buffers, config)
    loss = unrolled.loss(batch["x_valid"], batch["y_valid"])
    weights = list(unrolled.parameters())
    v = torch.autograd.grad(loss, weights, retain_graph=True)
    direct = gradient_alphas(loss, unrolled)

    norm = torch.cat([entry.flatten() for entry in v]).norm()
    radius = config["finite_difference_radius"] / norm
    shift_weights(model, radius, v)
    plus = gradient_alphas(model.loss(batch["x_train"], batch["y_train"]), model)
    shift_weights(model, -2 * radius, v)
    minus = gradient_alphas(model.loss(batch["x_train"], batch["y_train"]), model)
    shift_weights(model, radius, v)
    return {kind: direct[kind] - config["learning_rate"] * (plus[kind] - minus[kind]) / (2 * radius) for kind in direct}


def hessian(loss: torch.Tensor, inputs: list[torch.Tensor]) -> torch.Tensor:
    """(n, n): second derivatives of `loss` with respect to all entries of `inputs`, flattened and joined in order.

    Double backward, one row at a time and every row whole: nothing is mirrored, so symmetry is a result.
    """
    gradients = torch.autograd.grad(loss, inputs, create_graph=True)
    rows = []
    for entry in torch.cat([gradient.flatten() for gradient in gradients]):
        row = torch.autograd.grad(entry, inputs, retain_graph=True)
        rows.append(torch.cat([part.flatten() for part in row]))
    return torch.stack(rows)


def hessian_alphas(model: Supernet, x: torch.Tensor, y: torch.Tensor, arch_weight_decay: float) -> torch.Tensor:
    """(n, n): Hessian of the loss in (normal, reduce), row-major, with `arch_weight_decay` on the diagonal."""
    curvature = hessian(model.loss(x, y), [model.alphas["normal"], model.alphas["reduce"]])
    return curvature + arch_weight_decay * torch.eye(len(curvature), dtype=curvature.dtype)


def dominant_eigenvalue(matrix: torch.Tensor) -> torch.Tensor:
    """The algebraically largest eigenvalue of a symmetric matrix."""
    return torch.linalg.eigvalsh(matrix).max()


def weight_step(
    model: Supernet, batch: Pair, momentum_buffers: Pair, config: dict, weights: Pair | None = None
) -> dict[str, torch.Tensor]:
    """One clipped SGD step on the train batch, changing the model's weights in place.

    Returns loss_train and grad_norm_train, the norm before clipping, which leaves weight decay out.
    """
    optimizer = torch.optim.SGD(
        model.parameters(),
        lr=config["learning_rate"],
        momentum=config["momentum"],
        weight_decay=config["weight_decay"],
    )
    for name, parameter in model.named_parameters():
        optimizer.state[parameter]["momentum_buffer"] = momentum_buffers[name].clone()
    loss = model.loss(batch["x_train"], batch["y_train"], weights)
    loss.backward()
    norm = nn.utils.clip_grad_norm_(model.parameters(), config["grad_clip"])
    optimizer.step()
    return {"loss_train": loss.detach(), "grad_norm_train": norm.detach()}
