"""Whether the networks that a study names can be built: small ones of each kind, with two blank images."""

from collections.abc import Callable
from functools import partial

import torch

from workflow_scripts.cells.genotype_network import AUXILIARY_SIDE, EvaluationNetwork
from workflow_scripts.cells.supernet import Alphas, Supernet
from workflow_scripts.study.cell_grids import GenotypeKey, SearchKey, genotypes, searches
from workflow_scripts.study.cell_settings import Cells, Search, Training
from workflow_scripts.study.image_sets import load_image_set
from workflow_scripts.study.name_checks import Mistake
from workflow_scripts.study.search_spaces import NODES, load_space
from workflow_scripts.tables.display_names import PUBLISHED_LOGS, SELECTING
from workflow_scripts.tables.genotype import Edge, Genotype

CELLS = 3
"""Cells of a network: a normal one, a reduction, and one after a reduction. More have the same parts."""
SIDE = 8
"""Pixels, which two reductions halve; all sides that a study may name are multiples of 4, and behave alike."""
CLASSES = 10

Shape = tuple[int, int]  # channels and side of images


@torch.no_grad()
def check_networks(cells: Cells) -> None:
    """Raise Mistake, in one sentence, for the first network of a study that cannot be built."""
    torch.set_num_threads(1)  # several would wait for each other longer than they compute
    keys = list(searches(cells))
    whole: list[SearchKey | GenotypeKey] = [*keys, *genotypes(cells)]
    data_sets = list(dict.fromkeys(key.data_set for key in whole))
    shapes = {name: (load_image_set(name).channels, cells.side(name)) for name in data_sets}
    builds: dict[object, tuple[str, str, Callable[[], None]]] = {}
    for space, name in dict.fromkeys((key.space, key.data_set) for key in keys if key.search not in PUBLISHED_LOGS):
        kind: object = (space, shapes[name][0])
        what = f"the network of the space {space} on {name}"
        builds.setdefault(kind, ("search", what, partial(_search, space, cells.search, shapes[name][0])))
    trainings = [("selection.training", cells.selection.training, name) for name in data_sets if _selects(cells)]
    if cells.evaluation is not None:
        trainings += [("evaluation", cells.evaluation_of(name), name) for name in data_sets]
    genotype = _genotype(list(dict.fromkeys(key.space for key in whole)))
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


def _search(space: str, search: Search, channels: int) -> None:
    candidates = load_space(space)
    kinds = (candidates["normal"], candidates["reduce"])
    network = Supernet(*kinds, search.init_channels, min(search.layers, CELLS), CLASSES, image_channels=channels)
    network.mix(_blank(channels, SIDE), Alphas(*(torch.ones(len(edges), len(edges[0])) for edges in kinds)))


def _train(genotype: Genotype, training: Training, shape: Shape) -> None:
    auxiliary = training.auxiliary_weight > 0 and shape[1] == AUXILIARY_SIDE
    layers = min(training.layers, CELLS)
    network = EvaluationNetwork(genotype, training.init_channels, layers, CLASSES, auxiliary, image_channels=shape[0])
    network(_blank(shape[0], AUXILIARY_SIDE if auxiliary else SIDE))


def _blank(channels: int, side: int) -> torch.Tensor:
    return torch.zeros(2, channels, side, side)


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
