"""Read the architectures off the searches of one space and data set: one file per run and method.

A method's module in `cells/methods/` decides which epoch's genotype it takes, or makes one of the alphas. A search that
diverged or stopped before that epoch has no architecture, and a method has none where the search lacks what decides it;
the file states this.
"""

from pathlib import Path
from typing import Any

from workflow_scripts.cells.found_architecture import found_architecture, method_module
from workflow_scripts.runtime.progress import Progress
from workflow_scripts.study.cell_settings import StopRule
from workflow_scripts.tables.architectures import write_architectures
from workflow_scripts.tables.search_run import read_search_run


def run(
    settings: dict[str, Any], inputs: dict[str, list[Path]], outputs: dict[str, list[Path]], progress: Progress
) -> None:
    """`settings` holds `stop` and, per input history in order, `runs` with their names and methods.

    The input `alphas` has the files of the searches that keep them. Writes the outputs `architecture`, run by run,
    method by method.
    """
    rule = StopRule.model_validate(settings["stop"])
    files, alphas = iter(outputs["architecture"]), set(inputs.get("alphas", []))
    for entry, history in zip(settings["runs"], inputs["history"], strict=True):
        search = read_search_run(history.parent, with_alphas=history.parent / "alphas.npz" in alphas)
        for method in entry["methods"]:
            choice = method_module(method).choose(search, rule)
            write_architectures(next(files), [found_architecture(search, history, entry["run"], method, choice)])
    progress.say(f"{len(outputs['architecture'])} architectures from {len(settings['runs'])} searches")
