"""The tables of the searches on one space and data set: a row per search, per epoch, and per curvature measurement."""

from pathlib import Path
from typing import Any

from workflow_scripts.cells.early_stopping import moving_averages, stop_epoch
from workflow_scripts.runtime.progress import Progress
from workflow_scripts.study.cells import StopRule
from workflow_scripts.tables.cells import CURVATURE, SEARCH_EPOCHS, SEARCHES
from workflow_scripts.tables.search_run import SearchRun, read_search_run

Row = dict[str, object]


def run(
    settings: dict[str, Any], inputs: dict[str, list[Path]], outputs: dict[str, list[Path]], progress: Progress
) -> None:
    """`settings` holds `stop`; reads the folders of the inputs `history`.

    Writes the outputs searches, search_epochs and curvature.
    """
    rule = StopRule.model_validate(settings["stop"])
    searches: list[Row] = []
    epochs: list[Row] = []
    curvature: list[Row] = []
    for history in inputs["history"]:
        search = read_search_run(history.parent)
        keys = _keys(search, history.parent)
        searches.append({**keys, **_summary(search, rule)})
        columns = [name for name in SEARCH_EPOCHS.names if name not in keys]
        epochs.extend({**keys, **row} for row in search.history[columns].to_dict("records"))
        curvature.extend({**keys, **row} for row in _curvature(search, rule))
    for table, rows in ((SEARCHES, searches), (SEARCH_EPOCHS, epochs), (CURVATURE, curvature)):
        table.write(table.frame(rows), outputs[table.name][0])
    progress.say(f"{len(searches)} searches")


def _keys(search: SearchRun, folder: Path) -> Row:
    settings = search.settings
    return {
        "space": settings["space"],
        "data_set": settings["images"]["data_set"],
        "search": folder.parent.name,
        "run": folder.name,
        "l2": settings["l2"],
        "drop_path": settings["drop_path"],
        "seed": settings["seed"],
    }


def _summary(search: SearchRun, rule: StopRule) -> Row:
    last = int(search.settings["search"]["epochs"]) - 1
    stopped = stop_epoch(search.curvature_epochs, search.eigenvalues, rule, last)
    final = search.history.iloc[-1] if len(search.history) else None
    return {
        "outcome": search.outcome["outcome"],
        "epochs": len(search.history),
        "train_error_percent": None if final is None else final["train_error_percent"],
        "valid_error_percent": None if final is None else final["valid_error_percent"],
        "stopped": stopped is not None,
        "stop_epoch": stopped if stopped is not None or len(search.history) <= last else last,
        "final_dominant_eigenvalue": search.eigenvalues[-1] if search.eigenvalues else None,
    }


def _curvature(search: SearchRun, rule: StopRule) -> list[Row]:
    averages = {
        average.known_at: average
        for average in moving_averages(search.curvature_epochs, search.eigenvalues, rule.window)
    }
    rows: list[Row] = []
    for epoch, value in zip(search.curvature_epochs, search.eigenvalues, strict=True):
        average = averages.get(epoch)
        rows.append(
            {
                "epoch": epoch,
                "dominant_eigenvalue": value,
                "moving_average": average.value if average else None,
                "moving_average_epoch": average.epoch if average else None,
            }
        )
    return rows
