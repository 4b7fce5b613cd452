"""The settings that decide each job of the cell search."""

from typing import Annotated, Literal

from pydantic import Field

from workflow_scripts.data.data_set import Normalisation
from workflow_scripts.study.cell_grids import SearchKey, SelectionKey
from workflow_scripts.study.cell_settings import (
    Adaptive,
    Cells,
    Fidelity,
    Perturbation,
    RandomSearch,
    Search,
    StopRule,
    Training,
)
from workflow_scripts.study.image_sets import load_image_set
from workflow_scripts.study.method_modules import has_mixing
from workflow_scripts.study.search_spaces import load_space
from workflow_scripts.study.settings_model import Count, CountOrZero, Model, NonNegative, Probability, is_absent

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
    padding: CountOrZero = 0
    """pixels of zero padding for the random crop"""
    flip: bool = False
    """whether images are mirrored at random"""
    cutout: CountOrZero = 0
    """side of the cutout square, pixels"""


class ImageJob(Model):
    """What every job of the cell search has that computes on images."""

    images: Images
    """the images it sees"""
    seed: Count
    """seed of everything random in it; of a selection also that of the candidates' searches"""
    layout: Layout
    """how training passes are computed on a CPU: by compiled loops or by torch's modules; decided by tensor shapes"""


class SearchJob(ImageJob):
    """Everything that decides one search."""

    space: str
    """search space"""
    normal: list[list[str]]
    """candidate operations of each of the 14 edges of the normal cell"""
    reduce: list[list[str]]
    """the same of the reduction cell"""
    weight_images: Count
    """training images that train the weights, from the first on"""
    alpha_images: Count
    """training images that train the alphas, following those"""
    l2: NonNegative
    """L2 factor of the weights"""
    drop_path: Probability
    """largest drop-path probability, reached linearly at the end; 0 also switches cutout off"""
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
    mixing: Annotated[str | None, Field(exclude_if=is_absent)] = None
    """the kind of search whose mixing of an edge's operations it has; absent: softmax"""
    keeps_weights: Annotated[bool, Field(exclude_if=is_absent)] = False
    """whether the supernet's weights are kept, which a method of the study computes with"""


class SupernetJob(Model):
    """Everything that decides an architecture which a method computes with a search's supernet."""

    search: SearchJob
    """the search"""
    run: str
    """name of the search"""
    method: str
    """the method"""
    perturbation: Annotated[Perturbation | None, Field(exclude_if=is_absent)] = None
    """DARTS-PT, where the method is that"""


class EvaluationJob(ImageJob):
    """Everything but the genotype that decides one training from scratch."""

    training: Training
    """its settings"""


class SelectionJob(ImageJob):
    """Everything but the candidates' genotypes that decides one selection (R-DARTS)."""

    weight_images: Count
    """training images that trained the search's weights, and train here"""
    alpha_images: Count
    """training images that follow those, on which candidates are judged"""
    method: str
    """r_darts_l2 or r_darts_dp"""
    training: Training
    """the brief training; its `subset` plays no part"""
    candidates: list[str]
    """the runs whose architectures it chooses from, in order"""


def images_of(cells: Cells, data_set: str, augment: bool) -> Images:
    """The image settings of a job; padding and cutout scale with the image side, and are those the data set allows."""
    entry, side = load_image_set(data_set), cells.side(data_set)
    augmentation = {
        "padding": 4 * side // PAPER_SIDE if augment and entry.crop else 0,
        "flip": entry.flip and augment,
        "cutout": 16 * side // PAPER_SIDE if augment and entry.cutout else 0,
    }
    return plain_images(data_set, side, entry.normalisation).model_copy(update=augmentation)


def plain_images(data_set: str, side: int, normalisation: Normalisation) -> Images:
    """The image settings of a job without augmentation."""
    entry = load_image_set(data_set)
    return Images(
        data_set=data_set,
        channels=entry.channels,
        side=side,
        classes=entry.classes,
        mean=normalisation.mean,
        deviation=normalisation.std,
    )


def search_job(cells: Cells, key: SearchKey, keeps_weights: bool = False) -> SearchJob:
    """The settings of one search; `keeps_weights`: a method of the study computes with its supernet."""
    space = load_space(key.space)
    weights, alphas = cells.split(key.data_set)
    mixing = key.search if has_mixing(key.search) else None
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
        layout="modules" if mixing else layout_of(cells.search.init_channels),  # whose curvature knows softmax alone
        mixing=mixing,
        keeps_weights=keeps_weights,
    )


def supernet_job(cells: Cells, key: SearchKey, method: str) -> SupernetJob:
    """The settings of one architecture that a method computes with the supernet of a search."""
    perturbation = (cells.perturbation or Perturbation()) if method == "darts_pt" else None
    search = search_job(cells, key, keeps_weights=True)
    return SupernetJob(search=search, run=key.run, method=method, perturbation=perturbation)


def layout_of(*channels: int) -> Layout:
    """The layout of a network with these widths; a function of its shapes, never of how fast it was somewhere."""
    return "modules" if any(count % COMPILED_CHANNELS for count in channels) else "compiled"


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
        candidates=[candidate.run for candidate in key.candidates(cells.selection)],
        layout=layout_of(training.init_channels),
    )


def evaluation_job(cells: Cells, data_set: str, seed: int, epochs: int | None = None) -> EvaluationJob:
    """The settings of one training from scratch, of another length than the study's where one is given."""
    settings = cells.evaluation_of(data_set).model_dump(exclude={"seeds"})
    training = Training.model_validate(settings if epochs is None else settings | {"epochs": epochs})
    images = images_of(cells, data_set, training.augment)
    return EvaluationJob(images=images, training=training, seed=seed, layout=layout_of(training.init_channels))
