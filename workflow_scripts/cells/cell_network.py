"""What supernets and found networks have in common: how their passes are computed, and which tensors are trained."""

from collections.abc import Callable, Iterable
from typing import Self

import torch
from torch import Tensor, nn

from workflow_scripts.cells.compiled_pass import CompiledCells
from workflow_scripts.cells.pass_table import has_rows
from workflow_scripts.study.cell_job_settings import Layout


class CellNetwork(nn.Module):
    """A network of cells, whose layout says how a pass is computed on a CPU: by the modules, or compiled.

    `weights` are the tensors that are trained: all parameters, or where passes are compiled the vector that holds those
    of all cells, and the others. Modules and state dicts see the vector's parts. `norms` are the BatchNorms that say
    whether running statistics are tracked: all, or where passes are compiled the stem's, for all.
    """

    cells: nn.ModuleList
    names: list[str]
    weights: list[Tensor]
    norms: list[nn.BatchNorm2d]

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.layout = layout
        self.compiled_cells: CompiledCells | None = None

    def operations(self) -> Iterable[nn.Module]:
        """Those of all edges."""
        raise NotImplementedError

    def gather(self) -> None:
        """Put the cells' parameters into one vector where passes are compiled; to be called when they are all there."""
        known = all(has_rows(operation) for operation in self.operations())
        wide = all(module.out_channels % 8 == 0 for module in self.cells.modules() if isinstance(module, nn.Conv2d))
        on_cpu = all(parameter.device.type == "cpu" for parameter in self.parameters())
        possible = self.layout == "compiled" and known and wide and on_cpu
        self.compiled_cells = CompiledCells(self.cells) if possible else None
        named: dict[str, Tensor] = dict(self.named_parameters())
        if self.compiled_cells is not None:
            others = {name: weight for name, weight in named.items() if not name.startswith("cells.")}
            named = {"cells": self.compiled_cells.vector, **others}
        self.names, self.weights = list(named), list(named.values())  # a walk over all modules takes time
        norms = batch_norms(self)
        self.norms = norms if self.compiled_cells is None else norms[:1]

    def named_weights(self) -> dict[str, Tensor]:
        """The tensors that are trained, by name; the vector's is `cells`."""
        return dict(zip(self.names, self.weights, strict=True))

    def compiles(self) -> bool:
        """Whether passes are compiled now: in full precision alone."""
        return self.compiled_cells is not None and self.layout == "compiled" and not torch.is_autocast_enabled("cpu")

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        super()._apply(fn, recurse)  # of another device or type of numbers: nothing is a part of the vector any more
        self.gather()
        return self


def batch_norms(network: nn.Module) -> list[nn.BatchNorm2d]:
    """All of a network's BatchNorms."""
    return [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]


def together(network: CellNetwork, by_name: dict[str, Tensor]) -> dict[str, Tensor]:
    """Values of all parameters as values of the network's weights, both by name."""
    weights = network.named_weights()
    cells = [value.reshape(-1) for name, value in by_name.items() if name.startswith("cells.")]
    return {name: by_name[name] if name in by_name else torch.cat(cells) for name in weights}
