"""Read the architectures off the searches of one space and data set: one file per run and method.

A method's module in `cells/methods/` decides which epoch's genotype it takes. A search that diverged or stopped before
that epoch has no architecture, and a method has none where the search lacks what decides it; the file states this.
"""

import hashlib
import importlib
from pathlib import Path
from typing import Any

from workflow_scripts.cells.epoch_choice import Choice
from workflow_scripts.runtime.progress import Progress
from workflow_scripts.study.cell_settings import StopRule
from workflow_scripts.study.method_modules import method_names, module_name
from workflow_scripts.study.settings_model import canonical
from workflow_scripts.tables.architectures import Architecture, write_architectures
from workflow_scripts.tables.display_names import SELECTING
from workflow_scripts.tables.genotype import parse_genotype
from workflow_scripts.tables.search_run import SearchRun, read_search_run


def run(
    settings: dict[str, Any], inputs: dict[str, list[Path]], outputs: dict[str, list[Path]], progress: Progress
) -> None:
    """`settings` holds `stop` and, per input history in order, `runs` with their names and methods.

    Writes the outputs `architecture`, run by run, method by method.
    """
    rule = StopRule.model_validate(settings["stop"])
    files = iter(outputs["architecture"])
    for entry, history in zip(settings["runs"], inputs["history"], strict=True):
        search = read_search_run(history.parent)
        for method in entry["methods"]:
            found = _architecture(search, entry["run"], method, rule)
            origin = {
                "search": history.parent.parent.name,
                "settings_sha256": hashlib.sha256(canonical(search.settings).encode()).hexdigest(),
                "outputs_sha256": _sha256_of_both(history, history.parent / "curvature.npz"),
            }
            write_architectures(next(files), [{**found, **origin}])
    progress.say(f"{len(outputs['architecture'])} architectures from {len(settings['runs'])} searches")


def _architecture(search: SearchRun, name: str, method: str, rule: StopRule) -> Architecture:
    settings = search.settings
    choice = _choice(search, method, rule)
    rows = search.history[search.history["epoch"] == choice.epoch]
    reached = len(rows) == 1 and choice.measured
    if choice.measured and not reached and search.outcome["outcome"] == "finished":
        raise ValueError(f"the method {method} chose epoch {choice.epoch}, which the search {name} does not have")
    text = str(rows["genotype"].iloc[0]) if reached else None
    return {
        "space": settings["space"],
        "data_set": settings["images"]["data_set"],
        "run": name,
        "method": method,
        "l2": settings["l2"],
        "drop_path": settings["drop_path"],
        "seed": settings["seed"],
        "outcome": "found" if reached else "not measured" if not choice.measured else search.outcome["outcome"],
        "epoch": choice.epoch if reached else None,
        "epoch_reason": choice.reason if reached or not choice.measured else None,
        "valid_error_percent": float(rows["valid_error_percent"].iloc[0]) if reached else None,
        "selection_error_percent": None,
        "genotype": parse_genotype(text).structure() if text else None,
        "genotype_text": text,
    }


def _choice(search: SearchRun, method: str, rule: StopRule) -> Choice:
    if method not in method_names() or method in SELECTING:
        raise ValueError(f"{method} is not a method that reads an architecture off a search")
    module = importlib.import_module(module_name(method))
    if not hasattr(module, "choose"):
        raise ValueError(f"{method}.py does not define choose(search, rule)")
    choice: Choice = module.choose(search, rule)
    return choice


def _sha256_of_both(history: Path, curvature: Path) -> str:
    return hashlib.sha256(history.read_bytes() + curvature.read_bytes()).hexdigest()
