"""DARTS-ADA: where the stop rule fires, a search goes back to the stop epoch and on with a larger L2 factor.

RobustDARTS, section 5.2.
"""

import copy
from dataclasses import dataclass
from typing import Any

from workflow_scripts.cells.early_stopping import latest_stop, reach
from workflow_scripts.cells.optimizers import l2_of, set_l2
from workflow_scripts.runtime.checkpoint import State
from workflow_scripts.runtime.epochs import Parts, restore, state_of
from workflow_scripts.runtime.optimizers import Optimizer
from workflow_scripts.study.cell_settings import Adaptive, StopRule

SAME_L2 = 1e-9  # relative; in floats 3e-4 * 10 * 10 is just under 0.03


@dataclass(frozen=True)
class Rollback:
    """One return: the rule fired after `stopped_at`, the search went back to the end of `back_to`."""

    stopped_at: int
    back_to: int
    l2_before: float
    l2_after: float


class Adaptation:
    """What the stop rule has seen of a search, and the ends of epochs that the search may still go back to."""

    def __init__(self, settings: Adaptive, rule: StopRule, parts: Parts, optimizer: Optimizer, published: bool) -> None:
        """`parts` are all that the search's epochs depend on, among them the `optimizer` of the weights.

        `published`: the rule goes on with the eigenvalues of the epochs that the search has gone back on, and so every
        epoch's end is kept.
        """
        self.settings, self.rule, self.parts, self.optimizer = settings, rule, parts, optimizer
        self.published = published
        self.measured: list[tuple[int, float]] = []  # epochs and eigenvalues
        self.snapshots: dict[int, State] = {}  # by epoch

    def after(self, epoch: int, eigenvalue: float) -> Rollback | None:
        """Ask the rule about an epoch that was measured; where it fires, put the search back.

        It is asked no more once the L2 factor is the largest.
        """
        self.measured.append((epoch, eigenvalue))
        if l2_of(self.optimizer) >= self.settings.max_l2 * (1 - SAME_L2):
            return None
        self._remember(epoch)  # as published before the rule is asked: a later rollback may lead to this very end
        epochs, values = zip(*self.measured, strict=True)
        stop = latest_stop(epochs, values, self.rule)
        return None if stop is None else self._go_back(epoch, stop)

    def _remember(self, epoch: int) -> None:
        """Keep the end of an epoch, and drop those that the rule no longer leads to."""
        self.snapshots[epoch] = copy.deepcopy(state_of(self.parts))
        if not self.published:
            for old in sorted(self.snapshots)[: -reach(self.rule) - 1]:
                del self.snapshots[old]

    def _go_back(self, epoch: int, stop: int) -> Rollback:
        """Restore the end of epoch `stop` exactly and raise the L2 factor."""
        before = l2_of(self.optimizer)
        after = min(before * self.settings.factor, self.settings.max_l2)
        restore(self.parts, copy.deepcopy(self.snapshots[stop]))
        set_l2(self.optimizer, after)
        if not self.published:
            self.measured = [(at, value) for at, value in self.measured if at <= stop]
            self.snapshots = {at: state for at, state in self.snapshots.items() if at <= stop}
        return Rollback(epoch, stop, before, after)

    def state_dict(self) -> dict[str, Any]:
        """What the rule has seen, and the snapshots."""
        return {"measured": self.measured, "snapshots": self.snapshots}

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        """Load a state."""
        self.measured, self.snapshots = state["measured"], state["snapshots"]
