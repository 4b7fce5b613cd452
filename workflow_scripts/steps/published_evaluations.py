"""The table of the test errors that the authors of RobustDARTS published in 2019."""

from pathlib import Path
from typing import Any

from workflow_scripts.cells.published_evaluations import read_published_evaluations
from workflow_scripts.data.fetch import Access, fetch
from workflow_scripts.data.sets.published_evaluations import DATA_SET
from workflow_scripts.runtime.progress import Progress
from workflow_scripts.tables.cell_tables import PUBLISHED_EVALUATIONS


def run(
    settings: dict[str, Any], inputs: dict[str, list[Path]], outputs: dict[str, list[Path]], progress: Progress
) -> dict[str, list[Path]]:
    """`settings` holds `access`; writes the output `published_evaluations`. Returns the files it read."""
    files = fetch(DATA_SET, Access(**settings["access"]), progress)
    rows = read_published_evaluations(files)
    PUBLISHED_EVALUATIONS.write(PUBLISHED_EVALUATIONS.frame(rows), outputs["published_evaluations"][0])
    tested = sum(row["test_error_percent"] is not None for row in rows)
    progress.say(f"{len(rows)} genotypes, {tested} with a test error")
    return {"source": list(files.values())}
