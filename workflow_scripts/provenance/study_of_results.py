"""The study behind a results folder, as it is configured at hand."""

from pathlib import Path, PurePosixPath

from workflow_scripts.provenance.ledger import Ledger
from workflow_scripts.study.open_study import ROOT, load
from workflow_scripts.study.study import Study, StudyError


def study_of(ledger: Ledger, configfile: Path | None, settings: str | None) -> Study | None:
    """The study of a results folder: of `configfile`, or of `config/<name of the folder>.yaml`; None without either.

    `settings` are changes as `make run SET=...` takes them. Raises StudyError for a mistake in the configuration, and
    for a study whose results go elsewhere.
    """
    if configfile is None:
        configfile = ROOT / "config" / f"{PurePosixPath(ledger.root).name}.yaml"
        if not configfile.is_file():
            return None
    study = load([configfile], {} if settings is None else {"set": settings})
    if f"results/{study.study}" != ledger.root:
        raise StudyError(f"{configfile}: this study's results go to results/{study.study}, not to {ledger.root}")
    return study
