"""Whether the networks that a study names can be built: small ones of each kind, with two blank images."""

from collections.abc import Callable
from functools import partial

import torch

from workflow_scripts.cells.evaluation_network import AUXILIARY_SIDE, EvaluationNetwork
from workflow_scripts.cells.supernet import Alphas, Supernet
from workflow_scripts.data.entry import load_image_set
from workflow_scripts.study.cell_jobs import searches
from workflow_scripts.study.cells import Cells, Search, Training
from workflow_scripts.study.names import Mistake
from workflow_scripts.study.spaces import NODES, load_space
from workflow_scripts.tables.genotype import Edge, Genotype
from workflow_scripts.tables.names import SELECTING

CELLS = 6
"""Cells of a network from which on no kind is new: normal and reduction cells, each after a cell of each kind."""
CLASSES = 10
LARGEST_SIDE = AUXILIARY_SIDE
"""Pixels; the networks on larger images have the same parts."""

Shape = tuple[int, int]  # channels and side of images


@torch.no_grad()
def check_networks(cells: Cells) -> None:
    """Raise Mistake, in one sentence, for the first network of a study that cannot be built."""
    keys = list(searches(cells))
    data_sets = list(dict.fromkeys(key.data_set for key in keys))
    shapes = {name: (load_image_set(name).channels, cells.side(name)) for name in data_sets}
    builds: dict[object, tuple[str, str, Callable[[], None]]] = {}
    for space, name in dict.fromkeys((key.space, key.data_set) for key in keys if key.search != "published"):
        kind: object = (space, shapes[name])
        what = f"the network of the space {space} on {name}"
        builds.setdefault(kind, ("search", what, partial(_search, space, cells.search, shapes[name])))
    trainings = [("selection.training", cells.selection.training, name) for name in data_sets if _selects(cells)]
    if cells.evaluation is not None:
        trainings += [("evaluation", cells.evaluation_of(name), name) for name in data_sets]
    genotype = _genotype(list(dict.fromkeys(key.space for key in keys)))
    for setting, training, name in trainings:
        kind = (shapes[name], training.init_channels, training.layers, training.auxiliary_weight > 0)
        what = f"the network of an architecture on {name}"
        builds.setdefault(kind, (setting, what, partial(_train, genotype, training, shapes[name])))
    for setting, what, build in builds.values():
        try:
            build()
        except Exception as error:  # whatever an operation's code does
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise Mistake(setting, f"{what} cannot be built with these settings ({reason})") from None


def _search(space: str, search: Search, shape: Shape) -> None:
    candidates = load_space(space)
    kinds = (candidates["normal"], candidates["reduce"])
    network = Supernet(*kinds, search.init_channels, min(search.layers, CELLS), CLASSES, image_channels=shape[0])
    network.mix(_blank(shape), Alphas(*(torch.ones(len(edges), len(edges[0])) for edges in kinds)))


def _train(genotype: Genotype, training: Training, shape: Shape) -> None:
    network = EvaluationNetwork(
        *(genotype, training.init_channels, min(training.layers, CELLS), CLASSES),
        auxiliary=training.auxiliary_weight > 0 and shape[1] == AUXILIARY_SIDE,
        image_channels=shape[0],
    )
    network(_blank(shape))


def _blank(shape: Shape) -> torch.Tensor:
    channels, side = shape
    return torch.zeros(2, channels, min(side, LARGEST_SIDE), min(side, LARGEST_SIDE))


def _selects(cells: Cells) -> bool:
    return any(method in SELECTING for grid in cells.grids for method in grid.methods)


def _genotype(spaces: list[str]) -> Genotype:
    """An architecture that holds every operation of the spaces, or as many as it has edges."""
    cells: list[tuple[Edge, ...]] = []
    for kind in ("normal", "reduce"):
        edges = [edge for space in spaces for edge in load_space(space)[kind]]
        names = list(dict.fromkeys(name for edge in edges for name in edge if name != "none"))
        cells.append(tuple((names[at % len(names)], at % 2) for at in range(2 * NODES)))
    return Genotype(*cells)
