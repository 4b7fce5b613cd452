"""The epochs of a long computation, which goes on after a kill where its checkpoint was.

A computation is made of parts that have `state_dict` and `load_state_dict`, as torch's modules and optimizers do, and
of random generators. All that an epoch depends on is in the parts and in the number of epochs before it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

from workflow_scripts.runtime.checkpoint import Checkpoint, State
from workflow_scripts.runtime.progress import Progress, Silent

Record = TypeVar("Record")


class Part(Protocol):
    """A part of a computation; its state is tensors and plain values."""

    def state_dict(self) -> dict[str, Any]:
        """Its state now, which later work may change in place."""

    def load_state_dict(self, state: dict[str, Any], /) -> object:
        """Take up a state."""


Parts = Mapping[str, Part | torch.Generator]


class History(list[Record]):
    """One record for each epoch that is done, a dataclass of tensors and plain values."""

    def __init__(self, kind: type[Record]) -> None:
        """No epoch is done; records are of one `kind`."""
        super().__init__()
        self.kind = kind

    def state_dict(self) -> dict[str, Any]:
        """The records as dictionaries."""
        return {"records": [asdict(record) for record in self]}  # type: ignore[call-overload]

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        """Replace the records."""
        self[:] = [self.kind(**record) for record in state["records"]]


class Tensors:
    """Tensors that belong to no module; a state is copied into them."""

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        """`tensors` stay the caller's."""
        self.tensors = tensors

    def state_dict(self) -> dict[str, Any]:
        """The tensors in their order."""
        return {"tensors": [tensor.detach() for tensor in self.tensors]}

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Any], /) -> None:
        """Overwrite the tensors."""
        for tensor, value in zip(self.tensors, state["tensors"], strict=True):
            tensor.copy_(value)


def state_of(parts: Parts) -> State:
    """The states of all parts, by name; not copied."""
    return {
        name: part.get_state() if isinstance(part, torch.Generator) else part.state_dict()
        for name, part in parts.items()
    }


def restore(parts: Parts, states: State) -> None:
    """Let every part take up its state."""
    for name, part in parts.items():
        if isinstance(part, torch.Generator):
            part.set_state(states[name])
        else:
            part.load_state_dict(states[name])


def resumed(
    history: History[Any], epochs: int, parts: Parts, checkpoint: Checkpoint, progress: Progress | None = None
) -> Iterator[int]:
    """The epochs still to do, numbered from 0, until the history has `epochs` records.

    First the history and the parts take up what the checkpoint holds. The loop's body adds the record of its epoch, or
    those of several, or takes away those it goes back on; then all is saved. Leaving the loop saves nothing.
    """
    everything: Parts = {"history": history, **parts}
    saved = checkpoint.load()
    if saved is not None:
        restore(everything, saved)
        (progress or Silent()).say(f"going on from the checkpoint, at epoch {len(history)}")
    while len(history) < epochs:
        yield len(history)
        checkpoint.save(lambda: state_of(everything))


def broken_step(values: Tensor, sound: bool = True) -> int | None:
    """The first step of an epoch at which a value was not finite; None where there is none.

    `values` (steps,) or (steps, n) are what each step measured. Where they are finite and what the epoch left behind is
    not `sound`, it was the last step that broke it.
    """
    broken = (~torch.isfinite(values).reshape(len(values), -1).all(dim=1)).nonzero()
    if len(broken):
        return int(broken[0])
    return None if sound else len(values) - 1


def diverged(epoch: int, step: int, progress: Progress) -> tuple[int, int]:
    """Say where a computation diverged; returns (epoch, step), both from 0."""
    progress.say(f"diverged: the loss is not finite at epoch {epoch}, step {step}")
    return epoch, step
