"""Where a study's settings differ from the papers' own, so that its report says at what scale it speaks.

The defaults of the settings models are the papers' and their public code's values; what a study says otherwise differs.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from workflow_scripts.study.cell_grids import searches
from workflow_scripts.study.cell_settings import Cells, Evaluation, Selection
from workflow_scripts.study.depth_settings import IMAGE_TRAINING, DepthExperiment, DepthTraining, ImageData, SpiralData
from workflow_scripts.study.image_sets import load_image_set
from workflow_scripts.study.settings_model import Model
from workflow_scripts.study.study import Study
from workflow_scripts.tables.display_names import PUBLISHED_LOGS

SPACES = ("s1", "s2", "s3", "s4", "s5")
CELL_DATA_SETS = ("cifar10", "cifar100", "svhn")
DEPTH_DATA_SETS = ("mnist", "fashion_mnist", "svhn")
CELL_SEEDS, DEPTH_SEEDS = 3, 4
EVALUATION_FOR: dict[str, dict[str, int]] = {name: {"init_channels": 16, "layers": 8} for name in ("cifar100", "svhn")}
"""What RobustDARTS trains smaller from scratch."""
SHOWN_BY_RESULTS = ("points", "train_points", "noise", "stop_angle_degrees")
"""Properties of spirals that experiments vary, and that every table of results has."""


class PaperDifference(NamedTuple):
    """One setting: its dotted key, its value in the study, and the papers' value.

    What a setting is stays out, because rewording it would make the report stale.
    """

    setting: str
    here: str
    paper: str


def paper_differences(study: Study) -> list[PaperDifference]:
    """Every setting of a study that differs from the papers', in the order of the configuration.

    Settings that no job of the study uses are left out, and so are those that every table of results names: the grids
    of L2, drop path, depth and width, and what spirals are made of. `fidelity` is ours and no setting of the papers.
    """
    return [difference for found in differences_by_paper(study).values() for difference in found]


def differences_by_paper(study: Study) -> dict[str, list[PaperDifference]]:
    """The same by the paper whose method it is, for each paper that the study is about."""
    found: dict[str, list[PaperDifference]] = {}
    if study.cells is not None:
        found["robustdarts"] = list(_cells(study.cells))
    if study.depth is not None:
        experiments = study.depth.experiments.items()
        parts = {name.replace("_", " "): list(_experiment(each)) for name, each in experiments}
        found["depth"] = list(_together(parts))
    return found


def _cells(cells: Cells) -> Iterator[PaperDifference]:
    own = [grid for grid in cells.grids if grid.source == "own"]
    methods = {method for grid in cells.grids for method in grid.methods}
    trained = [grid for grid in cells.grids if grid.source not in PUBLISHED_LOGS]
    if own:
        data_sets = list(dict.fromkeys(name for grid in own for name in grid.data_sets))
        yield from _others("grids.spaces", [name for grid in own for name in grid.spaces], SPACES)
        yield from _others("grids.data_sets", data_sets, CELL_DATA_SETS)
        sides = {cells.side(name): load_image_set(name).side for name in data_sets}
        if any(side != whole for side, whole in sides.items()):
            yield PaperDifference("image_size", _as_text(cells.image_size), _as_text(sorted(set(sides.values()))))
        seeds = min(map(len, _seeds(cells)))
        if seeds < CELL_SEEDS:
            yield PaperDifference("grids: number of seeds", str(seeds), str(CELL_SEEDS))
    used_by = {"adaptive": "darts_ada", "random_ws": "random_ws", "perturbation": "darts_pt"}
    used = [name for name, method in used_by.items() if method in methods]
    for name in [*(["search"] if own else []), "stop", *used]:
        if (here := getattr(cells, name)) is not None:
            yield from _differences(here, type(here)(), name)
    # of a selection, the brief training is not stated by the papers
    for method, name in (("r_darts_l2", "l2"), ("r_darts_dp", "drop_path")):
        if method in methods:
            yield from _differences(getattr(cells.selection, name), getattr(Selection(), name), f"selection.{name}")
    if lengths := sorted({epochs for grid in trained for epochs in grid.epochs or ()}):
        yield PaperDifference("grids.epochs", _as_text(lengths), str(Evaluation().epochs))
    if trained and cells.evaluation is not None:
        yield from _together({name: list(_evaluation(cells, name)) for grid in trained for name in grid.data_sets})


def _seeds(cells: Cells) -> Iterable[set[int]]:
    """The seeds of each setting that is searched."""
    found: dict[tuple, set[int]] = {}
    for key in searches(cells):
        if key.search not in PUBLISHED_LOGS:
            setting = (key.space, key.data_set, key.search, key.l2, key.drop_path)
            found.setdefault(setting, set()).add(key.seed)
    return found.values()


def _evaluation(cells: Cells, data_set: str) -> Iterator[PaperDifference]:
    """The differences in what is trained from scratch on a data set; how often is shown by the results."""
    here = cells.evaluation_of(data_set)
    paper = Evaluation.model_validate({**EVALUATION_FOR.get(data_set, {}), "seeds": here.seeds})
    return _differences(here, paper, "evaluation")


def _experiment(experiment: DepthExperiment) -> Iterator[PaperDifference]:
    if len(experiment.seeds) < DEPTH_SEEDS:
        yield PaperDifference("number of seeds", str(len(experiment.seeds)), str(DEPTH_SEEDS))
    for name in ("prior_decay", "data_seed"):
        yield from _differences(getattr(experiment, name), DepthExperiment.model_fields[name].default, name)
    if experiment.images is None:
        yield from _differences(experiment.data, SpiralData(), "data", SHOWN_BY_RESULTS)
        yield from _differences(experiment.training, DepthTraining(), "training")
        return
    data_sets = experiment.images.data_sets
    yield from _others("images.data_sets", data_sets, DEPTH_DATA_SETS)
    yield from _differences(experiment.images, ImageData(data_sets=data_sets), "images")
    yield from _differences(experiment.image_training(), IMAGE_TRAINING, "training")


def _others(setting: str, here: Iterable[str], paper: tuple[str, ...]) -> Iterator[PaperDifference]:
    """A difference where there are names that the papers have not."""
    names = list(dict.fromkeys(here))
    if not set(names) <= set(paper):
        yield PaperDifference(setting, _as_text(names), _as_text(paper))


def _together(parts: dict[str, list[PaperDifference]]) -> Iterator[PaperDifference]:
    """The differences of several parts of a study, those alike stated once; which parts, where not all have it."""
    where: dict[PaperDifference, list[str]] = {}
    for name, found in parts.items():
        for difference in found:
            where.setdefault(difference, []).append(name)
    for difference, names in where.items():
        part = "" if len(names) == len(parts) else f" ({', '.join(names)})"
        yield difference._replace(setting=difference.setting + part)


def _differences(here: Any, paper: Any, setting: str, left_out: tuple[str, ...] = ()) -> Iterator[PaperDifference]:
    """The difference of two values; of two models of one kind, those of their fields, but for some."""
    if isinstance(here, Model) and isinstance(paper, Model):
        for name in type(here).model_fields:
            if name not in left_out:
                yield from _differences(getattr(here, name), getattr(paper, name), f"{setting}.{name}")
    elif here != paper:
        yield PaperDifference(setting, _as_text(here), _as_text(paper))


def _as_text(value: Any) -> str:
    if value is None:
        return "absent"
    if isinstance(value, list | tuple):
        return ", ".join(map(_as_text, value))
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.12g}" if isinstance(value, float) else str(value)
