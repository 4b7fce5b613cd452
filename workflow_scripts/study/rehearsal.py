"""The rehearsal of a study: the same jobs at the smallest settings that the steps take, on made-up images.

Grids, methods, spaces, data sets, figures and resources are the study's own, and so are the names of its jobs; but for
lengths of trainings, and figures of published test errors, which have no made-up form.
"""

from bisect import bisect_left
from collections.abc import Iterator
from functools import reduce
from operator import getitem
from typing import Any

from workflow_scripts.study.figure_modules import figure_tables
from workflow_scripts.study.job_plan import PUBLISHED_EVALUATIONS, Plan
from workflow_scripts.study.study import REHEARSAL, Study, StudyError
from workflow_scripts.tables.display_names import PUBLISHED_LOGS

IMAGES = 32
"""Made-up images of each part of a data set; every number of images below fits in."""
SEARCH = {
    "epochs": 3,  # the fewest in which the stop rule can fire: the last epoch is not checked
    "steps_per_epoch": 1,
    "batch_size": 2,
    "init_channels": 2,  # no multiple of 8: torch's modules, because the compiled loops take seconds to load
    "layers": 3,  # the fewest with a normal cell
    "subset": 16,
    "validation_fraction": 0.5,
}
CURVATURE = {"every": 1, "images": 1}
STOP = {"window": 1, "factor": 1.001, "start": 0, "delta": 1}
RANDOM_WS = {"samples": 2, "batches": 1, "finalists": 1}
PERTURBATION = {"tuning_epochs": 0}
TRAINING = {
    "epochs": 1,
    "batch_size": 4,
    "init_channels": 2,
    "layers": 3,
    "subset": {"start": 0, "train": 8, "test": 4},
}
DEPTH_EPOCHS = 1
DEPTH_IMAGES = {"train_images": 10, "test_images": 2, "held_out_fraction": 0.1, "inner_width": 1, "image_size": 8}
DEPTH_BATCH = 16  # of images: 9 or 10 of them train, which leaves no batch of one

SHORTENED_FIRST = ("l2", "drop_path", "seeds", "names", "epochs", "max_depths", "widths")
SHORTENED_LAST = ("spaces", "data_sets")
"""Lists that a sample of a study shortens to one value each; those of a selection to two, the fewest it may have."""

Place = tuple[str | int, ...]


def rehearsal_of(study: Study) -> Study:
    """The study's rehearsal, which is named after it. Raises StudyError where the study has none."""
    if study.study.endswith(REHEARSAL):
        raise StudyError(f"{study.study} is a rehearsal itself; rehearse {study.study.removesuffix(REHEARSAL)}")
    if study.cells is not None and any(grid.source in PUBLISHED_LOGS for grid in study.cells.grids):
        why = "reads the published search logs, which have no made-up form; it cannot be rehearsed"
        raise StudyError(f"{study.study} {why}")
    small = study.model_dump(mode="json", exclude_unset=True)
    small["study"] = f"{study.study}{REHEARSAL}"
    small["title"] = f"Rehearsal: {study.title}"
    small["description"] = (
        f"Every job of the study {study.study} at the smallest settings, on made-up images. It shows whether the "
        "workflow runs here; no number of it says anything about the study's question."
    )
    small["data"] = {**small.get("data", {}), "made_up": IMAGES}
    small["figures"] = [name for name in study.figures if PUBLISHED_EVALUATIONS not in figure_tables(name)]
    if not small["figures"]:
        raise StudyError(f"{study.study} draws published test errors alone, which have no made-up form")
    if study.cells is not None:
        small["cells"] |= _cells(small["cells"], study)
        for grid in small["cells"]["grids"]:
            if grid.get("epochs") is not None:
                grid["epochs"] = list(range(1, len(grid["epochs"]) + 1))
    for experiment in (small.get("depth") or {}).get("experiments", {}).values():
        training = {**experiment.get("training", {}), "epochs": DEPTH_EPOCHS}
        if training.get("closed_form_from") is not None:
            training["closed_form_from"] = 0  # the one epoch
        experiment["training"] = training
        if experiment.get("images") is not None:
            experiment["training"]["batch_size"] = DEPTH_BATCH
            experiment["images"] |= DEPTH_IMAGES
    return Study.model_validate(small)


def _cells(given: dict[str, Any], study: Study) -> dict[str, Any]:
    """The keys of `cells` that a rehearsal changes; `given` are those the study sets."""
    assert study.cells is not None
    curvature = CURVATURE | {"kind": "none" if study.cells.search.curvature.kind == "none" else "dominant"}
    selection = given.get("selection", {})
    small = {
        "search": {**given.get("search", {}), **SEARCH, "curvature": curvature},
        "stop": STOP,
        "random_ws": RANDOM_WS,
        "perturbation": PERTURBATION,
        "selection": {**selection, "training": {**selection.get("training", {}), **TRAINING}},
        "evaluation_for": {
            data_set: {key: value for key, value in changes.items() if key not in TRAINING}
            for data_set, changes in given.get("evaluation_for", {}).items()
        },
    }
    if study.cells.evaluation is not None:
        small["evaluation"] = {**given.get("evaluation", {}), **TRAINING}
    return small


def sample_of(study: Study, most: int) -> Study:
    """The study with its lists shortened, the longest first, until it has at most `most` jobs.

    Every step, method and experiment stays. Spaces and data sets are left out last, and only where nothing else helps;
    where even that leaves more jobs, so many there are.
    """
    lengths = list(_shortenings(study))
    first = bisect_left(range(len(lengths)), -most, key=lambda number: -number_of_jobs(_cut(study, lengths[number])))
    return _cut(study, lengths[min(first, len(lengths) - 1)])


def number_of_jobs(study: Study) -> int:
    """How many jobs a study has."""
    return len(Plan(study).jobs)


def _shortenings(study: Study) -> Iterator[dict[Place, int]]:
    """How long each list is, from the study's own to the shortest, one value less each time."""
    whole: Any = study.model_dump(mode="json")
    first, last = list(_lists(whole, SHORTENED_FIRST)), list(_lists(whole, SHORTENED_LAST))
    lengths = {place: len(reduce(getitem, place, whole)) for place in (*first, *last)}
    yield dict(lengths)
    for places in (first, last):
        while longest := [place for place in places if lengths[place] > (2 if place[1] == "selection" else 1)]:
            lengths[max(longest, key=lambda place: lengths[place])] -= 1
            yield dict(lengths)


def _lists(values: Any, names: tuple[str, ...], above: Place = ()) -> Iterator[Place]:
    """The lists inside `values` that have one of the names."""
    for key, inside in values.items() if isinstance(values, dict) else enumerate(values):
        if key in names and isinstance(inside, list):
            yield (*above, key)
        elif isinstance(inside, dict | list):
            yield from _lists(inside, names, (*above, key))


def _cut(study: Study, lengths: dict[Place, int]) -> Study:
    """The study with its lists as long as `lengths` says."""
    whole: Any = study.model_dump(mode="json")
    cut = study.model_dump(mode="json", exclude_unset=True)
    for place, length in lengths.items():
        values = reduce(getitem, place, whole)
        if length < len(values):
            *above, key = place
            branch: Any = cut
            for part in above:
                branch = branch.setdefault(part, {}) if isinstance(part, str) else branch[part]
            branch[key] = values[:length]
    return Study.model_validate(cut)
