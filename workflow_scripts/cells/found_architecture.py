"""The entry of an architecture file for what a method takes from a search."""

import hashlib
import importlib
from pathlib import Path
from types import ModuleType

from workflow_scripts.cells.epoch_choice import Choice
from workflow_scripts.study.method_modules import method_names, module_name
from workflow_scripts.study.settings_model import canonical
from workflow_scripts.tables.architectures import Architecture
from workflow_scripts.tables.display_names import SELECTING
from workflow_scripts.tables.genotype import parse_genotype
from workflow_scripts.tables.search_run import SearchRun


def method_module(method: str) -> ModuleType:
    """The module of a method that reads searches. Raises ValueError, in one sentence, where it has no `choose`."""
    if method not in method_names() or method in SELECTING:
        raise ValueError(f"{method} is not a method that reads an architecture off a search")
    module = importlib.import_module(module_name(method))
    if not hasattr(module, "choose"):
        raise ValueError(f"{method}.py does not define choose")
    return module


def found_architecture(search: SearchRun, history: Path, name: str, method: str, choice: Choice) -> Architecture:
    """What the method chose of the search `name`, whose file `history` lies in its folder.

    Raises ValueError where a finished search lacks the epoch.
    """
    settings = search.settings
    rows = search.history[search.history["epoch"] == choice.epoch]
    reached = len(rows) == 1 and choice.measured
    if choice.measured and not reached and search.outcome["outcome"] == "finished":
        raise ValueError(f"the method {method} chose epoch {choice.epoch}, which the search {name} does not have")
    text = None
    if reached:
        text = str(rows["genotype"].iloc[0]) if choice.genotype is None else choice.genotype.text()
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
        "search": history.parent.parent.name,
        "settings_sha256": hashlib.sha256(canonical(settings).encode()).hexdigest(),
        "outputs_sha256": _sha256_of_both(history, history.parent / "curvature.npz"),
    }


def _sha256_of_both(history: Path, curvature: Path) -> str:
    return hashlib.sha256(history.read_bytes() + curvature.read_bytes()).hexdigest()
