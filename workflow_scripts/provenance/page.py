"""The page `provenance.html`: the graph from data to figures and every job's record, in one file for a browser.

The page is a view. It holds what the records and the verdict say, and the script that draws it; it fetches nothing.
Records are not trusted: their text reaches the page as data only, and the page runs no script but its own.
"""

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from workflow_scripts.provenance.check_files import PAGE
from workflow_scripts.provenance.findings import Verdict
from workflow_scripts.provenance.ledger import Ledger, LedgerError, read_ledger
from workflow_scripts.provenance.page_data import KINDS, page_data
from workflow_scripts.provenance.record import now
from workflow_scripts.provenance.verify import verify
from workflow_scripts.runtime.command_line import print_error
from workflow_scripts.runtime.durable import write_durably
from workflow_scripts.runtime.folders import RECORDS
from workflow_scripts.study.job_plan import planned_of
from workflow_scripts.study.study import Study
from workflow_scripts.tables.page_colours import PAGE_COLOURS

FOLDER = Path(__file__).parent / "web"
LIBRARY = Path(__file__).parent / "vendor" / "cytoscape.min.js"
PARTS = (
    *("records", "selection", "words", "address", "elements", "layout", "edges", "drawing_style", "drawing"),
    *("panel", "findings", "list", "search", "keys", "start"),
)
"""The parts of the page's script, in their order: each uses only those before it."""


def page_of(ledger: Ledger, study: Study | None, rehashed: bool = True) -> Path:
    """Write the page of a results folder next to its records; returns its path.

    With `rehashed`, every file is hashed for it; otherwise only records, links, settings and code are compared.
    """
    planned = None if study is None else planned_of(study)
    verdict = verify(ledger, planned, rehash=rehashed)
    title = ledger.root if study is None else study.title
    file = ledger.folder / PAGE
    write_durably(file, page(ledger, verdict, title, rehashed).encode())
    return file


def write_page(results: str, study: Study) -> None:
    """Write the page after a run, if there are records; where it cannot be, say so and let the run be what it was."""
    if not (Path(results) / RECORDS).exists():
        return
    try:
        page_of(read_ledger(Path(results)), study, rehashed=False)
    except (LedgerError, OSError, ValueError) as error:
        print_error(f"{results}/{PAGE} was not written: {error}")


def pages_there(results: str) -> list[str]:
    """A line for each page of a results folder that is there: the report may not be, after a run for another target."""
    pages = {"Report": f"{results}/report.html", "Provenance": f"{results}/{PAGE}"}
    return [f"{name}: {page}" for name, page in pages.items() if Path(page).exists()]


def page(ledger: Ledger, verdict: Verdict, title: str, rehashed: bool = True, made: str | None = None) -> str:
    """The page as HTML text.

    `rehashed` says whether files were hashed again for the verdict. `made` is the time to state, now if None; all else
    is decided by the records and the verdict.
    """
    from workflow_scripts.runtime.page_template import page_template  # not above: every cluster job reads the Snakefile

    library, script = LIBRARY.read_text(encoding="utf-8"), _joined(f"{part}.js" for part in PARTS)
    records = [entry.record for entry in ledger.entries()]
    data = page_data(ledger, verdict)
    text = page_template(FOLDER / "page.html.j2").render(
        title=title,
        root=ledger.root,
        verdict=verdict,
        rehashed=rehashed,
        made=_clock(made or now()),
        first=_clock(min(record.started for record in records)),
        last=_clock(max(record.ended for record in records)),
        jobs=len(ledger.jobs),
        data_sets=len(records) - len(ledger.jobs),
        files=len({each.path for record in records for each in (*record.inputs, *record.outputs)}),
        kinds=KINDS,
        counts={kind: sum(node["state"] == kind for node in data["nodes"]) for kind in KINDS},
        style=PAGE_COLOURS + _joined(("colours.css", "page.css")),
        library=library,
        script=script,
        allowed=" ".join(f"'sha256-{_source_hash(source)}'" for source in (library, script)),
        data=data,
        embedded=embedded(data),
    )
    # Names of files need not be valid Unicode; such ones are shown escaped.
    return text.encode("utf-8", "backslashreplace").decode()


def embedded(data: Mapping[str, Any]) -> str:
    """Data as JSON that can be put inside a <script> element, whatever text it holds."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _joined(names: Iterable[str]) -> str:
    return "\n".join((FOLDER / name).read_text(encoding="utf-8") for name in names)


def _clock(time: str) -> str:
    """A time of the records for people."""
    return time.replace("T", " ").replace("+00:00", " UTC")


def _source_hash(source: str) -> str:
    """The digest by which the page's policy knows a script."""
    return base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
