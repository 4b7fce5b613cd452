"""SGD and Adam on plain tensors, with the same bytes as those of torch.optim.

The constructors of torch.optim load torch._dynamo, torch's compiler, which takes about as long as torch itself: a large
part of a job's start.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor


class Optimizer(Protocol):
    """What a training needs of an optimizer, one of these or of torch's."""

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """Parameters (`params`), with the settings of their next steps by torch's names: `lr`, `weight_decay`, ..."""

    @property
    def state(self) -> Mapping[Tensor, dict[str, Any]]:
        """What each parameter that was stepped carries to its next step, by torch's names."""

    def zero_grad(self) -> None:
        """Take the gradients away from all parameters."""

    def step(self) -> object:
        """Move every parameter that has a gradient."""

    def state_dict(self) -> dict[str, Any]:
        """Settings and state, the tensors not copied."""

    def load_state_dict(self, state: dict[str, Any], /) -> object:
        """Take up settings and state."""


class _Parameters:
    """Parameters in one group, and the state of each; a state dict has them by their numbers, as torch's has."""

    def __init__(self, parameters: Iterable[Tensor], **settings: Any) -> None:
        self.param_groups: list[dict[str, Any]] = [{"params": list(parameters), **settings}]
        self.state: dict[Tensor, dict[str, Any]] = {}

    def zero_grad(self) -> None:
        for parameter in self._all:
            parameter.grad = None

    def state_dict(self) -> dict[str, Any]:
        numbered = {number: self.state[each] for number, each in enumerate(self._all) if each in self.state}
        return {"state": numbered, "param_groups": [{**self.param_groups[0], "params": list(range(len(self._all)))}]}

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        parameters = self._all
        self.param_groups = [{**state["param_groups"][0], "params": parameters}]
        self.state = {
            parameters[number]: {
                key: value.to(parameters[number], copy=True) if isinstance(value, Tensor) else value
                for key, value in saved.items()
            }
            for number, saved in state["state"].items()
        }

    @property
    def _all(self) -> list[Tensor]:
        parameters: list[Tensor] = self.param_groups[0]["params"]
        return parameters

    def _to_step(self) -> tuple[list[Tensor], list[Tensor]]:
        """The parameters that have a gradient, and their gradients."""
        parameters = [each for each in self._all if each.grad is not None]
        return parameters, [each.grad for each in parameters if each.grad is not None]


class SGD(_Parameters):
    """w <- w - lr * b with the momentum buffer b <- momentum * b + gradient + weight_decay * w; at first without b."""

    def __init__(
        self, parameters: Iterable[Tensor], lr: float, momentum: float, weight_decay: float, fused: bool = False
    ) -> None:
        """`fused`: all in one pass over memory, which rounds differently."""
        super().__init__(parameters, lr=lr, momentum=momentum, weight_decay=weight_decay)
        self.fused = fused

    @torch.no_grad()
    def step(self) -> None:
        """Move every parameter that has a gradient."""
        parameters, gradients = self._to_step()
        moved = [each in self.state for each in parameters]
        for first in (True, False):
            chosen = [number for number, was_moved in enumerate(moved) if was_moved != first]
            if chosen:
                self._move([parameters[at] for at in chosen], [gradients[at] for at in chosen], first)

    def _move(self, parameters: list[Tensor], gradients: list[Tensor], first: bool) -> None:
        """A step of parameters of which all have a buffer, or for all of which it is the first."""
        rate, momentum, l2 = (self.param_groups[0][key] for key in ("lr", "momentum", "weight_decay"))
        if self.fused:
            first = first and momentum > 0
            if first:
                self._set_buffers(parameters, [torch.empty_like(gradient) for gradient in gradients])
            torch._fused_sgd_(
                *(parameters, gradients, self._buffers(parameters) if momentum else []),
                weight_decay=l2,
                momentum=momentum,
                lr=rate,
                dampening=0.0,
                nesterov=False,
                maximize=False,
                is_first_step=first,
            )
            return
        steps = torch._foreach_add(gradients, parameters, alpha=l2)
        if first:
            self._set_buffers(parameters, steps)
        else:
            buffers = self._buffers(parameters)
            torch._foreach_mul_(buffers, momentum)
            torch._foreach_add_(buffers, steps)
        torch._foreach_add_(parameters, self._buffers(parameters), alpha=-rate)

    def _buffers(self, parameters: list[Tensor]) -> list[Tensor]:
        return [self.state[each]["momentum_buffer"] for each in parameters]

    def _set_buffers(self, parameters: list[Tensor], buffers: Iterable[Tensor]) -> None:
        for parameter, buffer in zip(parameters, buffers, strict=True):
            self.state[parameter] = {"momentum_buffer": buffer}


class Adam(_Parameters):
    """Adam (Kingma and Ba, arXiv 1412.6980, algorithm 1), with weight_decay * w added to the gradient."""

    def __init__(
        self, parameters: Iterable[Tensor], lr: float, betas: tuple[float, float], weight_decay: float
    ) -> None:
        super().__init__(parameters, lr=lr, betas=betas, eps=1e-8, weight_decay=weight_decay)

    @torch.no_grad()
    def step(self) -> None:
        """Move every parameter that has a gradient."""
        settings = self.param_groups[0]
        beta1, beta2 = settings["betas"]
        for parameter, gradient in zip(*self._to_step(), strict=True):
            if parameter not in self.state:
                zeros = {name: torch.zeros_like(parameter) for name in ("exp_avg", "exp_avg_sq")}
                self.state[parameter] = {"step": 0, **zeros}
            state = self.state[parameter]
            state["step"] += 1
            mean, square = state["exp_avg"], state["exp_avg_sq"]
            gradient = gradient.add(parameter, alpha=settings["weight_decay"])
            mean.lerp_(gradient, 1 - beta1)
            square.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
            scale = (square.sqrt() / (1 - beta2 ** state["step"]) ** 0.5).add_(settings["eps"])
            parameter.addcdiv_(mean, scale, value=-settings["lr"] / (1 - beta1 ** state["step"]))
