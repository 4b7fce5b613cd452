"""A computation that is broken off after any epoch does the same from its checkpoint on."""

import io
from dataclasses import dataclass

import pytest
import torch
from recorded_progress import RecordedProgress

from workflow_scripts.runtime.checkpoint import NO_CHECKPOINT
from workflow_scripts.runtime.epochs import History, Tensors, broken_step, diverged, resumed


@dataclass(frozen=True)
class Epoch:
    epoch: int
    loss: float
    drawn: torch.Tensor | None = None


class Killed(Exception):
    """The end of a life."""


class Kept:
    """A checkpoint in memory, as torch saves it; while `deadly`, the computation ends as soon as it has saved."""

    def __init__(self):
        self.content, self.deadly = None, False

    def load(self):
        return None if self.content is None else torch.load(io.BytesIO(self.content), weights_only=True)

    def save(self, state):
        content = io.BytesIO()
        torch.save(state(), content)
        self.content = content.getvalue()
        if self.deadly:
            raise Killed


class Descent:
    """SGD with momentum on a few numbers, with noise; goes back from epoch 3 to the end of epoch 1, once."""

    def __init__(self):
        self.draws = torch.Generator().manual_seed(1)
        self.point = torch.ones(3, requires_grad=True)
        self.optimizer = torch.optim.SGD([self.point], 0.1, 0.9)
        self.returns = torch.zeros(1)
        self.history = History(Epoch)

    def run(self, checkpoint=NO_CHECKPOINT, progress=None, epochs=6):
        parts = {"point": Tensors([self.point, self.returns]), "optimizer": self.optimizer, "noise": self.draws}
        for epoch in resumed(self.history, epochs, parts, checkpoint, progress):
            loss = (self.point**2 + torch.rand(3, generator=self.draws) * self.point).sum()
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            self.history.append(Epoch(epoch, loss.item(), self.point.detach().clone()))
            if epoch == 3 and not self.returns:
                self.returns += 1
                del self.history[2:]
        return [(epoch.epoch, epoch.loss, epoch.drawn.tolist()) for epoch in self.history]


def test_a_computation_goes_on_after_every_epoch_as_if_nothing_had_been():
    whole = Descent().run()
    assert [epoch for epoch, *_ in whole] == list(range(6))
    kept = Kept()
    kept.deadly = True
    for _ in range(8):  # six epochs, and two that it went back on
        progress = RecordedProgress()
        with pytest.raises(Killed):
            Descent().run(kept, progress)
    assert progress.lines == ["going on from the checkpoint, at epoch 5"]
    assert Descent().run(kept) == whole


def test_leaving_the_loop_saves_nothing():
    kept, history = Kept(), History(Epoch)
    for epoch in resumed(history, 5, {}, kept):
        if epoch == 2:
            break
        history.append(Epoch(epoch, 0.0))
    again = History(Epoch)
    assert next(resumed(again, 5, {}, kept)) == 2
    assert again == history


@pytest.mark.parametrize(
    ("values", "sound", "step"),
    [
        ([1.0, 2.0], True, None),
        ([1.0, 2.0], False, 1),
        ([1.0, float("nan"), float("inf")], False, 1),
        ([[1.0, 1.0], [1.0, float("-inf")]], True, 1),
    ],
)
def test_the_step_that_broke_an_epoch(values, sound, step):
    assert broken_step(torch.tensor(values), sound) == step


def test_a_divergence_is_told():
    progress = RecordedProgress()
    assert diverged(3, 4, progress) == (3, 4)
    assert progress.lines == ["diverged: the loss is not finite at epoch 3, step 4"]
