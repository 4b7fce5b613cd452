"""Writing `provenance.html`, the page of a results folder's records."""

from pathlib import Path

from workflow_scripts.provenance.check_files import PAGE as FILE
from workflow_scripts.provenance.ledger import Ledger, LedgerError, read_ledger
from workflow_scripts.provenance.study_of_results import planned_of
from workflow_scripts.provenance.verify import verify
from workflow_scripts.runtime.command_line import print_error
from workflow_scripts.runtime.durable import write_durably
from workflow_scripts.runtime.folders import RECORDS
from workflow_scripts.study.study import Study


def page_of(ledger: Ledger, study: Study | None, rehashed: bool = True) -> Path:
    """Write the page of a results folder next to its records; returns its path.

    With `rehashed`, every file is hashed for it; otherwise only records, links, settings and code are compared.
    """
    from workflow_scripts.provenance.page import page  # not above: the Snakefile is read anew by every cluster job

    planned = None if study is None else planned_of(study)
    verdict = verify(ledger, planned, rehash=rehashed)
    title = ledger.root if study is None else study.title
    file = ledger.folder / FILE
    write_durably(file, page(ledger, verdict, title, rehashed).encode())
    return file


def write_page(results: str, study: Study) -> None:
    """Write the page after a run, if there are records; where it cannot be, say so and let the run be what it was."""
    if not (Path(results) / RECORDS).exists():
        return
    try:
        page_of(read_ledger(Path(results)), study, rehashed=False)
    except (LedgerError, OSError, ValueError) as error:
        print_error(f"{results}/{FILE} was not written: {error}")


def pages_there(results: str) -> list[str]:
    """A line for each page of a results folder that is there: the report may not be, after a run for another target."""
    pages = {"Report": f"{results}/report.html", "Provenance": f"{results}/{FILE}"}
    return [f"{name}: {page}" for name, page in pages.items() if Path(page).exists()]
