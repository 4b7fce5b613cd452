"""Where a study's settings depart from the papers' own, so that its report says at what scale it speaks.

The defaults of the settings models are the papers' and their public code's values; what a study says otherwise departs.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from workflow_scripts.study.cells import Adaptive, Cells, Evaluation, RandomSearch, Search, Selection, StopRule
from workflow_scripts.study.depth import IMAGE_TRAINING, Depth, DepthExperiment, DepthTraining, ImageData
from workflow_scripts.study.model import Model
from workflow_scripts.study.study import Study

CELL_DATA_SETS = ("cifar10", "cifar100", "svhn")
DEPTH_DATA_SETS = ("mnist", "fashion_mnist", "svhn")
CELL_SEEDS, DEPTH_SEEDS = 3, 4
EVALUATION_FOR = {name: {"init_channels": 16, "layers": 8} for name in ("cifar100", "svhn")}
"""What RobustDARTS trains smaller from scratch."""


class Departure(NamedTuple):
    """One setting: its dotted key, its value in the study, and the papers' value.

    What a setting is stays out, because rewording it would make the report stale.
    """

    setting: str
    here: str
    paper: str


def departures(study: Study) -> list[Departure]:
    """Every setting of a study that differs from the papers', in the order of the configuration.

    Settings that no job of the study uses are left out, and so are the grids of L2, drop path, depth and width, whose
    values every result names.
    """
    found = [] if study.cells is None else list(_cells(study.cells))
    return found + ([] if study.depth is None else list(_depth(study.depth)))


def _cells(cells: Cells) -> Iterator[Departure]:
    own = [grid for grid in cells.grids if grid.source == "own"]
    methods = {method for grid in cells.grids for method in grid.methods}
    if own:
        data_sets = list(dict.fromkeys(name for grid in own for name in grid.data_sets))
        if not set(data_sets) <= set(CELL_DATA_SETS):
            yield Departure("grids.data_sets", _told(data_sets), _told(CELL_DATA_SETS))
        if cells.image_size is not None:
            yield Departure("image_size", _told(cells.image_size), "32")
        seeds = max(len(grid.seeds) for grid in own)
        if seeds < CELL_SEEDS:
            yield Departure("grids: number of seeds", str(seeds), str(CELL_SEEDS))
        yield from _differences(cells.search, Search(), "search.")
    if methods & {"darts_es", "darts_ada"}:
        yield from _differences(cells.stop, StopRule(), "stop.")
    if "darts_ada" in methods:
        yield from _differences(cells.adaptive, Adaptive(), "adaptive.")
    if "random_ws" in methods:
        yield from _differences(cells.random_ws, RandomSearch(), "random_ws.")
    if methods & {"r_darts_l2", "r_darts_dp"}:
        # the papers do not state the brief training
        stated = Selection(training=cells.selection.training)
        yield from _differences(cells.selection, stated, "selection.")
    if cells.evaluation is not None:
        yield from _differences(cells.evaluation, Evaluation(seeds=cells.evaluation.seeds), "evaluation.")
        for name, changes in cells.evaluation_for.items():
            published = EVALUATION_FOR.get(name, {})
            for key, value in changes.items():
                expected = published.get(key, getattr(Evaluation(), key))
                if value != expected:
                    yield Departure(f"evaluation_for.{name}.{key}", _told(value), _told(expected))


def _depth(depth: Depth) -> Iterator[Departure]:
    """The departures of all experiments, those alike told once."""
    where: dict[Departure, list[str]] = {}
    for name, experiment in depth.experiments.items():
        for departure in _experiment(experiment):
            where.setdefault(departure, []).append(name.replace("_", " "))
    for departure, names in where.items():
        yield departure._replace(setting=f"{departure.setting} ({', '.join(names)})")


def _experiment(experiment: DepthExperiment) -> Iterator[Departure]:
    if len(experiment.seeds) < DEPTH_SEEDS:
        yield Departure("number of seeds", str(len(experiment.seeds)), str(DEPTH_SEEDS))
    if experiment.images is None:
        yield from _differences(experiment.training, DepthTraining(), "training.")
        return
    data_sets = experiment.images.data_sets
    if not set(data_sets) <= set(DEPTH_DATA_SETS):
        yield Departure("images.data_sets", _told(data_sets), _told(DEPTH_DATA_SETS))
    yield from _differences(experiment.images, ImageData(data_sets=data_sets), "images.")
    given = {name: getattr(experiment.training, name) for name in experiment.training.model_fields_set}
    yield from _differences(IMAGE_TRAINING.model_copy(update=given), IMAGE_TRAINING, "training.")


def _differences(here: Model, paper: Model, prefix: str) -> Iterator[Departure]:
    """The fields in which two models of one kind differ, those of models inside them too."""
    for name in type(here).model_fields:
        one, other = getattr(here, name), getattr(paper, name)
        if isinstance(one, Model) and isinstance(other, Model):
            yield from _differences(one, other, f"{prefix}{name}.")
        elif one != other:
            yield Departure(f"{prefix}{name}", _told(one), _told(other))


def _told(value: Any) -> str:
    if value is None:
        return "absent"
    if isinstance(value, list | tuple):
        return ", ".join(map(_told, value))
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.12g}" if isinstance(value, float) else str(value)
