"""Read the published searches of one space and data set, each into the form of our own (`tables/search_run.py`)."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from workflow_scripts.cells.published_logs import read_published_logs
from workflow_scripts.data.fetch import Access, fetch
from workflow_scripts.data.sets.published_robustdarts import DATA_SET
from workflow_scripts.runtime.progress import Progress
from workflow_scripts.tables.files import write_json
from workflow_scripts.tables.search_run import write_search_run

FILES = {"settings": "settings.json", "history": "history.csv", "curvature": "curvature.npz", "outcome": "outcome.json"}


def run(
    settings: dict[str, Any], inputs: dict[str, list[Path]], outputs: dict[str, list[Path]], progress: Progress
) -> dict[str, list[Path]]:
    """`settings` holds `space`, `data_set`, `runs` (L2, drop path and seed of each) and `access`.

    Writes the outputs settings, history, curvature and outcome, one file a run in order, and `report`: how many
    searches were found, what was converted or skipped, and why, and which are degenerate. Returns the archive it read,
    for the job's record.
    """
    space = settings["space"]
    files = tuple(file for file in DATA_SET.files if file.key == space)
    if not files:
        known = " and ".join(file.key for file in DATA_SET.files)
        raise ValueError(f"the published search logs are of the search spaces {known}, not of {space}")
    archive = fetch(replace(DATA_SET, files=files), Access(**settings["access"]), progress)[space]
    logs = read_published_logs(archive, space, settings["data_set"], progress)
    wanted = [(run["l2"], run["drop_path"], run["seed"]) for run in settings["runs"]]
    absent = [key for key in wanted if key not in logs.searches]
    if absent:
        l2, drop_path, seed = absent[0]
        values = [sorted({key[part] for key in logs.searches}) for part in range(3)]
        raise ValueError(
            f"{archive}: {len(absent)} of the {len(wanted)} searches asked for are not among its complete ones, the "
            f"first with L2 {l2}, drop path {drop_path} and seed {seed}; it has L2 {values[0]}, drop path "
            f"{values[1]} and seeds {values[2]}"
        )
    for number, key in enumerate(wanted):
        write_search_run({file: outputs[kind][number] for kind, file in FILES.items()}, logs.searches[key])
    write_json(outputs["report"][0], logs.report)
    progress.say(_summary(logs.report, outputs["report"][0].name))
    return {"source": [archive]}


def _summary(report: dict[str, Any], file: str) -> str:
    """What was found and what was skipped, in one line."""
    anomalies = [f"{entry['search']}: {entry['what']}" for entry in report["anomalies"]]
    skipped = [text for text in anomalies if ": skipped: " in text]
    first = f" ({skipped[0].replace(': skipped: ', ': ')}{'; ...' if len(skipped) > 1 else ''})" if skipped else ""
    return (
        f"{report['complete_searches']} complete searches, {report['with_hessians']} with Hessians; {len(skipped)} "
        f"skipped{first}; {len(report['converted'])} with accuracies turned into errors; "
        f"{len(anomalies) - len(skipped)} other anomalies; {len(report['degenerate'])} degenerate; all are listed in "
        f"{file}"
    )
