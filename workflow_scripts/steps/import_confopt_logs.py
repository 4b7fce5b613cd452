"""Read search logs of ConfigurableOptimizer on one space, each into the form of our own (`tables/search_run.py`)."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from workflow_scripts.cells.confopt_logs import DROP_PATH, L2, PREFIXES, read_confopt_log
from workflow_scripts.data.fetch import Access, fetch
from workflow_scripts.data.sets.published_confopt import DATA_SET
from workflow_scripts.runtime.progress import Progress
from workflow_scripts.tables.files import write_arrays, write_json
from workflow_scripts.tables.search_run import write_search_run

FILES = {"settings": "settings.json", "history": "history.csv", "curvature": "curvature.npz", "outcome": "outcome.json"}


def run(
    settings: dict[str, Any], inputs: dict[str, list[Path]], outputs: dict[str, list[Path]], progress: Progress
) -> dict[str, list[Path]]:
    """`settings` holds `search` (confopt or confopt_lora), `space`, its `candidates`, `data_set`, `runs` and `access`.

    Writes the outputs settings, history, curvature, outcome and alphas, one file a run in order, and `report`: which
    epochs have alphas, and what is left out. Returns the logs it read, for the job's record.
    """
    space, data_set = settings["space"], settings["data_set"]
    prefix = f"{PREFIXES[settings['search']]}_{space}_"
    known = {file.key: file for file in DATA_SET.files if file.key.startswith(prefix) and data_set == "cifar10"}
    names = [f"{prefix}{run['seed']}" for run in settings["runs"]]
    for name, run in zip(names, settings["runs"], strict=True):
        if name not in known or (run["l2"], run["drop_path"]) != (L2, DROP_PATH):
            raise ValueError(
                f"these logs hold no search of {space} on {data_set} with L2 {run['l2']}, drop path {run['drop_path']} "
                f"and seed {run['seed']}; they are of s2 and s4 on cifar10 with L2 {L2}, drop path {DROP_PATH} and the "
                "seeds 9001, 9002 and 9003"
            )
    wanted = replace(DATA_SET, files=tuple(known[name] for name in names))
    files = fetch(wanted, Access(**settings["access"]), progress)
    notes = []
    for number, (name, run) in enumerate(zip(names, settings["runs"], strict=True)):
        log = read_confopt_log(files[name], space, settings["candidates"], data_set, run["seed"])
        write_search_run({file: outputs[kind][number] for kind, file in FILES.items()}, log.search)
        write_arrays(outputs["alphas"][number], log.alphas)
        first, epochs = int(log.alphas["epoch"][0]), len(log.search.history)
        notes.append({"search": name, "what": f"it has alphas after the epochs {first} to {epochs - 1} of {epochs}"})
    left_out = "eigenvalues, so that the stop rule cannot be tried; test accuracies, which are a surrogate's"
    write_json(outputs["report"][0], {"complete_searches": len(names), "alphas": notes, "without": left_out})
    progress.say(f"{len(names)} searches")
    return {"source": [files[name] for name in names]}
