"""The tables of the searches on one space and data set: a row per search, per epoch, and per curvature measurement."""

from pathlib import Path
from typing import Any

import numpy as np

from workflow_scripts.cells.early_stopping import moving_averages, stop_epoch
from workflow_scripts.runtime.progress import Progress
from workflow_scripts.study.cell_settings import StopRule
from workflow_scripts.tables.cell_tables import CURVATURE, SEARCH_EPOCHS, SEARCHES, SPECTRA
from workflow_scripts.tables.search_run import SearchRun, read_search_run

Row = dict[str, object]


def run(
    settings: dict[str, Any], inputs: dict[str, list[Path]], outputs: dict[str, list[Path]], progress: Progress
) -> None:
    """`settings` holds `stop`; reads the folders of the inputs `history`.

    Writes the outputs searches, search_epochs, curvature and spectra.
    """
    rule = StopRule.model_validate(settings["stop"])
    searches: list[Row] = []
    epochs: list[Row] = []
    curvature: list[Row] = []
    spectra: list[Row] = []
    for history in inputs["history"]:
        search = read_search_run(history.parent)
        keys = _keys(search, history.parent)
        searches.append({**keys, **_summary(search, rule)})
        columns = [name for name in SEARCH_EPOCHS.names if name not in keys]
        by_epoch = search.history.rename(columns={"l2": "l2_now"})
        epochs.extend({**keys, **row} for row in by_epoch[columns].to_dict("records"))
        curvature.extend({**keys, **row} for row in _curvature(search, rule))
        spectra.extend({**keys, **row} for row in _spectrum(search))
    tables = ((SEARCHES, searches), (SEARCH_EPOCHS, epochs), (CURVATURE, curvature), (SPECTRA, spectra))
    for table, rows in tables:
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
    never = last if search.eigenvalues and len(search.history) > last else None
    final = search.history.iloc[-1] if len(search.history) else None
    outcome = search.outcome
    return {
        "outcome": outcome["outcome"],
        "epochs": len(search.history),
        "train_error_percent": None if final is None else final["train_error_percent"],
        "valid_error_percent": None if final is None else final["valid_error_percent"],
        "stopped": stopped is not None,
        "stop_epoch": never if stopped is None else stopped,
        "final_dominant_eigenvalue": search.eigenvalues[-1] if search.eigenvalues else None,
        "final_l2": outcome.get("final_l2", search.settings["l2"]),
        "rollbacks": len(outcome.get("rollbacks", [])),
        "discretised_valid_error_percent": outcome.get("discretised_valid_error_percent"),
        "genotype": None if final is None else final["genotype"],
    }


def _curvature(search: SearchRun, rule: StopRule) -> list[Row]:
    averages = {
        average.known_at: average
        for average in moving_averages(search.curvature_epochs, search.eigenvalues, rule.window)
    }
    decay = search.settings["search"].get("arch_weight_decay")
    rows: list[Row] = []
    for epoch, value in zip(search.curvature_epochs, search.eigenvalues, strict=True):
        average = averages.get(epoch)
        rows.append(
            {
                "epoch": epoch,
                "dominant_eigenvalue": value,
                "dominant_eigenvalue_without_decay": None if decay is None else value - decay,
                "moving_average": average.value if average else None,
                "moving_average_epoch": average.epoch if average else None,
            }
        )
    return rows


def _spectrum(search: SearchRun) -> list[Row]:
    """The eigenvalues of the last full Hessian, the largest first; none where no full Hessian was kept."""
    if search.hessians is None or not np.isfinite(search.hessians[-1]).all():
        return []
    values = np.linalg.eigvalsh(search.hessians[-1].astype(np.float64))[::-1]
    epoch = search.curvature_epochs[-1]
    return [{"epoch": epoch, "index": index, "eigenvalue": float(value)} for index, value in enumerate(values)]
