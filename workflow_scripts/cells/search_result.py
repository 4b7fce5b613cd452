"""The result of a search."""

from dataclasses import asdict, dataclass, field
from typing import Any

from torch import Tensor

from workflow_scripts.cells.adaptive_regularisation import Rollback
from workflow_scripts.cells.supernet import Alphas
from workflow_scripts.runtime.epochs import History, Parts, restore, state_of


@dataclass(frozen=True)
class EpochRecord:
    """The measurements of one epoch; errors in percent."""

    epoch: int
    learning_rate: float
    l2: float
    train_loss: float
    train_error_percent: float
    valid_loss: float
    valid_error_percent: float
    genotype: str


@dataclass(frozen=True)
class DiscardedEpoch(EpochRecord):
    """An epoch that DARTS-ADA went back on, with the number of the rollback, from 0."""

    rollback: int


@dataclass(frozen=True)
class CurvatureRecord:
    """One measurement; `hessian` (n, n) holds the weight-decay diagonal, and is absent for kind `dominant`."""

    epoch: int
    dominant_eigenvalue: float
    hessian: Tensor | None


@dataclass
class SearchResult:
    """The history of a search and how it ended; `diverged_at` is (epoch, step), both from 0.

    `alphas` are those at the end of each epoch, on the CPU. `stopped_at` is the epoch after which a search ended
    because the stop rule fired. `weights` is the state of the supernet at the end, where the job keeps it.
    """

    epochs: History[EpochRecord] = field(default_factory=lambda: History(EpochRecord))
    curvature: History[CurvatureRecord] = field(default_factory=lambda: History(CurvatureRecord))
    alphas: list[Alphas] = field(default_factory=list)
    rollbacks: History[Rollback] = field(default_factory=lambda: History(Rollback))
    discarded: History[DiscardedEpoch] = field(default_factory=lambda: History(DiscardedEpoch))
    diverged_at: tuple[int, int] | None = None
    stopped_at: int | None = None
    final_l2: float = 0.0
    discretised_valid_error_percent: float | None = None
    weights: dict[str, Tensor] = field(default_factory=dict)

    def go_back(self, rollback: Rollback) -> None:
        """Put aside the epochs that the search went back on."""
        number, kept = len(self.rollbacks), rollback.back_to + 1
        self.rollbacks.append(rollback)
        self.discarded += [DiscardedEpoch(**asdict(record), rollback=number) for record in self.epochs[kept:]]
        del self.epochs[kept:], self.alphas[kept:]
        self.curvature[:] = [record for record in self.curvature if record.epoch < kept]

    def state_dict(self) -> dict[str, Any]:
        """All so far but the epochs, which the loop over them keeps."""
        return {"alphas": [list(alphas) for alphas in self.alphas], **state_of(self._histories())}

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        """Load a state."""
        self.alphas = [Alphas(*alphas) for alphas in state["alphas"]]
        restore(self._histories(), state)

    def _histories(self) -> Parts:
        return {"curvature": self.curvature, "rollbacks": self.rollbacks, "discarded": self.discarded}
