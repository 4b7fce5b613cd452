"""What verification found: findings are faults; notes are worth knowing and are not."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from workflow_scripts.provenance.ledger import Ledger


@dataclass(frozen=True)
class Finding:
    """Something that does not hold: its kind, the file or job it is about, and the cause in one sentence."""

    kind: str
    path: str
    cause: str
    job: str | None = None

    def __str__(self) -> str:
        """One line for a person."""
        return f"{self.kind}: {self.path}: {self.cause}"


@dataclass
class Verdict:
    """All that verification found."""

    folder: str
    root_digest: str
    files: int = 0
    bytes: int = 0
    jobs: int = 0
    not_made: int = 0  # jobs of the study, where it is at hand, that have no result
    findings: list[Finding] = field(default_factory=list)
    waived: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    views: list[str] = field(default_factory=list)
    signed: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The verdict as plain values."""
        return asdict(self)

    def note(self, what: str, names: list[str], most: int = 3) -> None:
        """Note what holds for some names: the first few, and how many more there are; nothing where there are none."""
        more = f" and {len(names) - most} more" if len(names) > most else ""
        self.notes += [f"{what}: {', '.join(names[:most])}{more}"] if names else []


def shown(file: Path, ledger: Ledger) -> str:
    """A file of the audit as records would name it."""
    if file.is_relative_to(ledger.folder):
        return f"{ledger.root}/{file.relative_to(ledger.folder).as_posix()}"
    return file.relative_to(ledger.base).as_posix() if ledger.base is not None else file.as_posix()
