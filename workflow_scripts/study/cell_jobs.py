"""The jobs of the cell search: every search of the grids, and the settings that decide each job."""

from collections.abc import Iterator
from itertools import product
from typing import Literal

from workflow_scripts.data.entry import load_image_set
from workflow_scripts.study.cells import (
    Adaptive,
    Cells,
    Fidelity,
    RandomSearch,
    Search,
    Selection,
    StopRule,
    Training,
    group_of,
)
from workflow_scripts.study.methods import SearchKind, search_of
from workflow_scripts.study.model import Count, CountOrZero, Model, NonNegative, Probability
from workflow_scripts.study.spaces import load_space
from workflow_scripts.tables.names import SELECTING

Layout = Literal["compiled", "modules"]
COMPILED_CHANNELS = 8  # the compiled loops fill vector instructions where channels are a multiple of this
PAPER_SIDE = 32  # pixels; the paper's crop padding (4) and cutout (16) are meant for this image side


class Images(Model):
    """What a job needs to know of its images; resolved from the data set's entry and the study."""

    data_set: str
    """name of the data set"""
    channels: Count
    """colour channels"""
    side: Count
    """side, pixels"""
    classes: Count
    """classes"""
    mean: tuple[float, ...]
    """per channel, of pixels divided by 255; subtracted"""
    deviation: tuple[float, ...]
    """per channel, of pixels divided by 255; divided by"""
    padding: CountOrZero
    """pixels of zero padding for the random crop"""
    flip: bool
    """whether images are mirrored at random"""
    cutout: CountOrZero
    """side of the cutout square, pixels"""


class SearchJob(Model):
    """Everything that decides one search."""

    space: str
    """search space"""
    normal: list[list[str]]
    """candidate operations of each of the 14 edges of the normal cell"""
    reduce: list[list[str]]
    """the same of the reduction cell"""
    images: Images
    """the images it sees"""
    weight_images: Count
    """training images that train the weights, from the first on"""
    alpha_images: Count
    """training images that train the alphas, following those"""
    l2: NonNegative
    """L2 factor of the weights"""
    drop_path: Probability
    """largest drop-path probability, reached linearly at the end; 0 also switches cutout off"""
    seed: Count
    """seed of everything random in it"""
    search: Search
    """the settings all searches share"""
    fidelity: Fidelity = "corrected"
    """published: with the faults of the published code"""
    stop: StopRule | None = None
    """the stop rule, where the search itself obeys it"""
    adaptive: Adaptive | None = None
    """DARTS-ADA, where the search is one"""
    random_ws: RandomSearch | None = None
    """RS-ws, where the search is one"""
    layout: Layout
    """how training passes are computed on a CPU: by compiled loops or by torch's modules; decided by tensor shapes"""


class EvaluationJob(Model):
    """Everything but the genotype that decides one training from scratch."""

    images: Images
    """the images it sees"""
    training: Training
    """its settings"""
    seed: Count
    """seed of everything random in it"""
    layout: Layout
    """how its passes are computed on a CPU, as for a search"""


class SelectionJob(Model):
    """Everything but the candidates that decides one selection (R-DARTS)."""

    images: Images
    """the images it sees"""
    weight_images: Count
    """training images that trained the search's weights, and train here"""
    alpha_images: Count
    """training images that follow those, on which candidates are judged"""
    method: str
    """r_darts_l2 or r_darts_dp"""
    training: Training
    """the brief training; its `subset` plays no part"""
    seed: Count
    """seed of everything random in it, and of the candidates' searches"""


class SearchKey(Model):
    """The place of one search in the grids."""

    space: str
    data_set: str
    search: SearchKind | Literal["published"] = "darts"
    l2: NonNegative
    drop_path: Probability
    seed: Count

    @property
    def group(self) -> str:
        """Folder name of its group."""
        return group_of(self.space, self.data_set, published=self.search == "published")

    @property
    def run(self) -> str:
        """Folder name of the search in its group."""
        l2, drop_path = (repr(value).removesuffix(".0") for value in (self.l2, self.drop_path))
        return f"l2-{l2}_drop-{drop_path}_seed-{self.seed}"

    @property
    def place(self) -> str:
        """Folder of the search below its group's."""
        return f"{self.search}/{self.run}"


class SelectionKey(Model):
    """The place of one selection (R-DARTS) in the grids."""

    space: str
    data_set: str
    method: str
    seed: Count

    @property
    def group(self) -> str:
        """Folder name shared with the searches on one space and data set."""
        return group_of(self.space, self.data_set)

    @property
    def run(self) -> str:
        """File name of the selection in its group."""
        return f"seed-{self.seed}"

    def candidates(self, selection: Selection) -> list[SearchKey]:
        """The searches it chooses from."""
        if self.method == "r_darts_l2":
            settings = [(l2, selection.drop_path[0]) for l2 in selection.l2]
        else:
            settings = [(selection.l2[0], drop_path) for drop_path in selection.drop_path]
        return [
            SearchKey(space=self.space, data_set=self.data_set, l2=l2, drop_path=drop_path, seed=self.seed)
            for l2, drop_path in settings
        ]


def searches(cells: Cells) -> dict[SearchKey, list[str]]:
    """Every search of the grids, in their order, with the methods read off it; then the candidates of selections.

    A candidate that no grid names has no method: its architecture is wanted, but not its training from scratch.
    """
    found: dict[SearchKey, list[str]] = {}
    for key, method in _combinations(cells):
        wanted = found.setdefault(key, [])
        if method not in wanted:
            wanted.append(method)
    for selection in selections(cells):
        for key in selection.candidates(cells.selection):
            found.setdefault(key, [])
    return found


def selections(cells: Cells) -> list[SelectionKey]:
    """Every selection of the grids, in their order."""
    found = [
        SelectionKey(space=space, data_set=data_set, method=method, seed=seed)
        for grid in cells.grids
        for space, data_set in product(grid.spaces, grid.data_sets)
        for method in grid.methods
        for seed in grid.seeds
        if method in SELECTING
    ]
    return list(dict.fromkeys(found))


def _combinations(cells: Cells) -> Iterator[tuple[SearchKey, str]]:
    for grid in cells.grids:
        for space, data_set, l2, drop_path, seed, method in product(
            grid.spaces, grid.data_sets, grid.l2, grid.drop_path, grid.seeds, grid.methods
        ):
            if method not in SELECTING:
                search = "published" if grid.source == "published" else search_of(method)
                key = SearchKey(space=space, data_set=data_set, search=search, l2=l2, drop_path=drop_path, seed=seed)
                yield key, method


def images_of(cells: Cells, data_set: str, augment: bool) -> Images:
    """The image settings of a job; padding and cutout scale with the image side, and are those the data set allows."""
    entry, side = load_image_set(data_set), cells.side(data_set)
    return Images(
        data_set=data_set,
        channels=entry.channels,
        side=side,
        classes=entry.classes,
        mean=entry.normalisation.mean,
        deviation=entry.normalisation.deviation,
        padding=4 * side // PAPER_SIDE if augment and entry.crop else 0,
        flip=entry.flip and augment,
        cutout=16 * side // PAPER_SIDE if augment and entry.cutout else 0,
    )


def search_job(cells: Cells, key: SearchKey) -> SearchJob:
    """The settings of one search."""
    space = load_space(key.space)
    weights, alphas = cells.split(key.data_set)
    return SearchJob(
        space=key.space,
        normal=space["normal"],
        reduce=space["reduce"],
        images=images_of(cells, key.data_set, cells.search.augment),
        weight_images=weights,
        alpha_images=alphas,
        l2=key.l2,
        drop_path=key.drop_path,
        seed=key.seed,
        search=cells.search,
        fidelity=cells.fidelity,
        stop=cells.stop if key.search == "darts_ada" or cells.search.end_when_stopped else None,
        adaptive=cells.adaptive if key.search == "darts_ada" else None,
        random_ws=cells.random_ws if key.search == "random_ws" else None,
        layout=layout_of(cells.search.init_channels),
    )


def layout_of(init_channels: int) -> Layout:
    """The layout of a network of cells; a function of its tensors' shapes, never of how fast it was somewhere."""
    return "modules" if init_channels % COMPILED_CHANNELS else "compiled"


def selection_job(cells: Cells, key: SelectionKey) -> SelectionJob:
    """The settings of one selection."""
    weights, alphas = cells.split(key.data_set)
    training = cells.selection.training
    return SelectionJob(
        images=images_of(cells, key.data_set, training.augment),
        weight_images=weights,
        alpha_images=alphas,
        method=key.method,
        training=training,
        seed=key.seed,
    )


def evaluation_job(cells: Cells, data_set: str, seed: int) -> EvaluationJob:
    """The settings of one training from scratch."""
    evaluation = cells.evaluation_of(data_set)
    training = Training.model_validate(evaluation.model_dump(exclude={"seeds"}))
    images = images_of(cells, data_set, training.augment)
    return EvaluationJob(images=images, training=training, seed=seed, layout=layout_of(training.init_channels))
