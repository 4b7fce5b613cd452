"""One rolling checkpoint of a long computation: where it goes on after a kill, and never for any other computation.

A checkpoint is a file of tensors and plain values that torch loads with `weights_only`, behind a line with the sha256
of all that follows: a damaged one is refused, because torch itself loads most damaged files, with other numbers. It
bears a key, and is used only by a computation with the same key: same settings, code, inputs, versions and device.
What a computation does from a checkpoint on is what it would have done without the kill, byte for byte.
"""

import hashlib
import io
import pickle
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import torch

from workflow_scripts.runtime.durable import write_durably
from workflow_scripts.runtime.progress import Progress

State = dict[str, Any]
"""Tensors and plain values: numbers, texts, lists and dictionaries."""
SHARE = 0.05
"""Of the time of a computation that saving may take; an epoch that would exceed it is not saved."""


class Checkpoint(Protocol):
    """Where a computation keeps its state between epochs."""

    def load(self) -> State | None:
        """The state to go on from, or None to start at the beginning."""

    def save(self, state: Callable[[], State]) -> None:
        """Offer the state at the end of an epoch; `state` is called only where it is saved."""


class NoCheckpoint:
    """For computations that start at the beginning."""

    def load(self) -> State | None:
        """Nothing."""
        return None

    def save(self, state: Callable[[], State]) -> None:
        """Nothing."""


NO_CHECKPOINT = NoCheckpoint()


class FileCheckpoint:
    """A checkpoint in a file."""

    def __init__(self, file: Path, key: str, progress: Progress, clock: Callable[[], float] = time.monotonic) -> None:
        """`key` names the computation."""
        self.file, self.key, self.progress, self.clock = file, key, progress, clock
        self.saved_at, self.cost = clock(), 0.0

    def load(self) -> State | None:
        """The state, where the file holds one with this computation's key; a file that does not is left unused."""
        try:
            header, body = _parts(self.file.read_bytes())
            if header != _header(body):
                why = "its content does not agree with its sha256"
                self.progress.say(f"the checkpoint {self.file} is damaged ({why}); starting at the beginning")
                return None
            content = torch.load(io.BytesIO(body), weights_only=True)
        except FileNotFoundError:
            return None
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError, ValueError, KeyError):
            self.progress.say(f"the checkpoint {self.file} cannot be read; starting at the beginning")
            return None
        if not isinstance(content, dict) or content.get("key") != self.key:
            other = "the checkpoint is of other settings, code, inputs, versions or of another device"
            self.progress.say(f"{other}; starting at the beginning")
            return None
        state: State = content["state"]
        return state

    def save(self, state: Callable[[], State]) -> None:
        """Write the state, unless saving took more than its share of the time lately."""
        start = self.clock()
        if start - self.saved_at < self.cost / SHARE:
            return
        content = io.BytesIO()  # torch does not say that a disk is full
        torch.save({"key": self.key, "state": state()}, content)
        body = content.getvalue()
        write_durably(self.file, _header(body) + body)
        self.saved_at = self.clock()
        self.cost = self.saved_at - start

    def clear(self) -> None:
        """Remove the file, once the result is in place."""
        self.file.unlink(missing_ok=True)


def _header(body: bytes) -> bytes:
    """The one line before a checkpoint's content."""
    return f"checkpoint 1 sha256 {hashlib.sha256(body).hexdigest()}\n".encode()


def _parts(content: bytes) -> tuple[bytes, bytes]:
    """A file's header and what is behind it."""
    length = len(_header(b""))
    return content[:length], content[length:]


class PartCheckpoint:
    """The checkpoint of one part of a computation: its state goes with that of the parts before, under a name."""

    def __init__(self, whole: Checkpoint, name: str, before: Mapping[str, Any]) -> None:
        """`before` is what the whole keeps of the parts that are finished."""
        self.whole, self.name, self.before = whole, name, before
        saved = whole.load()
        self.saved = saved["state"] if saved is not None and saved.get("part") == name else None

    def load(self) -> State | None:
        """The state of this part."""
        return self.saved

    def save(self, state: Callable[[], State]) -> None:
        """Offer the state of this part."""
        self.whole.save(lambda: {**self.before, "part": self.name, "state": state()})
