"""Settings of the cell search: what a study's `cells` block may say, and the settings of each job made from it.

Defaults are the published ones (RobustDARTS, section 3 and the public code's command line).
"""

from collections.abc import Iterator
from itertools import product
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from workflow_scripts.data.entry import data_set_names, load_entry
from workflow_scripts.study.model import Count, CountOrZero, Model, NonNegative, NotTrue, Positive, Probability
from workflow_scripts.study.names import Mistake, known
from workflow_scripts.study.spaces import load_space, space_names

Method = Literal["darts", "darts_es"]
PAPER_SIDE = 32  # pixels; the paper's crop padding (4) and cutout (16) are meant for this image side


class Curvature(Model):
    """How the Hessian of the validation loss with respect to the alphas is followed."""

    kind: Literal["full", "dominant", "none"] = "full"
    """full: every entry by double backward; dominant: only the largest eigenvalue, by Lanczos."""
    every: Count = 2
    """epochs between measurements; the last epoch is always measured"""
    images: Count | None = None
    """size of the fixed validation batch it is measured on; absent: the last alpha batch of the epoch, as published"""


class Search(Model):
    """One search, whatever its space, data set, L2, drop path and seed."""

    epochs: Count = 50
    """passes over the weight images, or blocks of `steps_per_epoch` steps"""
    steps_per_epoch: Count | None = None
    """weight steps in an epoch; absent: one pass over the weight images"""
    batch_size: Count = 64
    """images per weight batch and per alpha batch"""
    order: Literal[1, 2] = 2
    """first- or second-order alpha gradient (DARTS, section 2.3)"""
    init_channels: Count = 16
    """channels C of the first cells"""
    layers: Count = 8
    """cells; at layers//3 and 2*layers//3 the width doubles"""
    learning_rate: Positive = 0.025
    """of the weights at epoch 0; falls to learning_rate_min as a cosine over the epochs"""
    learning_rate_min: NonNegative = 0.001
    """of the weights at the end of the cosine"""
    momentum: Probability = 0.9
    """of the weights' SGD"""
    grad_clip: Positive = 5.0
    """largest gradient norm of a weight step"""
    arch_learning_rate: Positive = 3e-4
    """of the alphas' Adam"""
    arch_betas: tuple[Probability, Probability] = (0.5, 0.999)
    """of the alphas' Adam"""
    arch_weight_decay: NonNegative = 1e-3
    """L2 factor of the alphas, also on the diagonal of the logged Hessian"""
    augment: bool = True
    """random crop, flip where the data set allows it, and cutout"""
    weight_images: Count | None = None
    """training images that train the weights, from the first on; absent: the first half"""
    alpha_images: Count | None = None
    """training images that train the alphas, following those; absent: as many as remain up to one half"""
    curvature: Curvature = Curvature()
    """how the curvature of the validation loss is followed"""


class StopRule(Model):
    """Early stopping on the dominant eigenvalue (RobustDARTS, section 5.1 and the public code)."""

    window: Count = 5
    """values in the moving average"""
    factor: Annotated[float, Field(gt=1), NotTrue] = 1.3
    """stop when the average has grown by more than this"""
    start: CountOrZero = 10
    """first epoch that may be taken as stop epoch"""
    delta: Count = 4
    """measured values between the two averages compared"""


class Training(Model):
    """Training a found genotype from scratch."""

    epochs: Count = 600
    """passes over the training images"""
    batch_size: Count = 96
    """images per batch"""
    init_channels: Count = 36
    """channels C of the first cells"""
    layers: Count = 20
    """cells"""
    learning_rate: Positive = 0.025
    """at epoch 0; falls to 0 as a cosine over the epochs"""
    momentum: Probability = 0.9
    """of the SGD"""
    l2: NonNegative = 3e-4
    """L2 factor of the weights"""
    grad_clip: Positive = 5.0
    """largest gradient norm"""
    drop_path: Probability = 0.2
    """largest drop-path probability, reached linearly at the end"""
    auxiliary_weight: NonNegative = 0.4
    """weight of the auxiliary head's loss; 0: no head; heads exist for 32x32 images only"""
    augment: bool = True
    """random crop, flip where the data set allows it, and cutout"""


def _changes(changes: dict[str, Any]) -> dict[str, Any]:
    """Some keys of `Evaluation`, checked."""
    known(list(changes), list(Evaluation.model_fields), "key")
    return Evaluation.model_validate(changes).model_dump(exclude_unset=True)


class Evaluation(Training):
    """How found genotypes are evaluated: by training them from scratch, once for each seed."""

    seeds: Annotated[tuple[Count, ...], Field(min_length=1)] = (1,)
    """one training for each; one more leaves the others as they are"""


class Grid(Model):
    """A grid of searches: every combination of its lists."""

    spaces: Annotated[list[str], Field(min_length=1)]
    """search spaces"""
    data_sets: Annotated[list[str], Field(min_length=1)]
    """image data sets"""
    methods: Annotated[list[Method], Field(min_length=1)]
    """how an architecture is read off a search: darts (last epoch), darts_es (stop epoch)"""
    l2: Annotated[list[NonNegative], Field(min_length=1)]
    """L2 factors of the weights"""
    drop_path: Annotated[tuple[Probability, ...], Field(min_length=1)] = (0.0,)
    """largest drop-path probabilities; in the published runs 0 also switches cutout off, and so here"""
    seeds: Annotated[list[Count], Field(min_length=1)]
    """seeds of the searches"""

    @field_validator("spaces")
    @classmethod
    def _spaces_exist(cls, names: list[str]) -> list[str]:
        known(names, space_names(), "search space")
        for name in names:
            load_space(name)
        return names

    @field_validator("data_sets")
    @classmethod
    def _data_sets_exist(cls, names: list[str]) -> list[str]:
        known(names, data_set_names(), "data set")
        return names


class Cells(Model):
    """The cell search part of a study."""

    grids: Annotated[list[Grid], Field(min_length=1)]
    """the searches to run; a search named by two grids is run once"""
    image_size: Annotated[int, Field(strict=True, ge=8, multiple_of=4)] | None = None
    """side in pixels that images are resized to by area; absent: the data set's own"""
    search: Search = Search()
    """every search"""
    stop: StopRule = StopRule()
    """when early stopping (darts_es) stops"""
    evaluation: Evaluation = Evaluation()
    """every training from scratch"""
    evaluation_for: dict[str, Annotated[dict[str, Any], AfterValidator(_changes)]] = Field(default_factory=dict)
    """per data set, keys of `evaluation` that differ there"""

    @field_validator("evaluation_for")
    @classmethod
    def _evaluated_data_sets_exist(cls, changes: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        known(list(changes), data_set_names(), "data set")
        return changes

    @model_validator(mode="after")
    def _images_suffice(self) -> Self:
        for data_set in sorted({name for grid in self.grids for name in grid.data_sets}):
            weights, alphas = self.split(data_set)
            available = load_entry(data_set).train_images
            if weights + alphas > available:
                key = "weight_images" if self.search.alpha_images is None else "alpha_images"
                raise Mistake(
                    f"search.{key}",
                    f"{weights} images for the weights and {alphas} for the alphas are more than the {available} "
                    f"training images of {data_set}",
                )
            images = self.search.curvature.images
            if images is not None and images > alphas:
                raise Mistake(
                    "search.curvature.images", f"{images} are more than the {alphas} alpha images of {data_set}"
                )
        return self

    def split(self, data_set: str) -> tuple[int, int]:
        """How many training images train the weights, and how many the alphas."""
        available = load_entry(data_set).train_images
        half = available // 2
        weights = self.search.weight_images or half
        return weights, self.search.alpha_images or max(1, min(half, available - weights))

    def side(self, data_set: str) -> int:
        """The side of the images the networks see, in pixels."""
        return self.image_size or load_entry(data_set).side

    def evaluation_of(self, data_set: str) -> Evaluation:
        """The evaluation settings for one data set."""
        return Evaluation.model_validate({**self.evaluation.model_dump(), **self.evaluation_for.get(data_set, {})})


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


class EvaluationJob(Model):
    """Everything but the genotype that decides one training from scratch."""

    images: Images
    """the images it sees"""
    training: Training
    """its settings"""
    seed: Count
    """seed of everything random in it"""


class SearchKey(Model):
    """The place of one search in the grids."""

    space: str
    data_set: str
    search: Literal["darts"] = "darts"
    l2: NonNegative
    drop_path: Probability
    seed: Count

    @property
    def group(self) -> str:
        """Folder name shared by the searches on one space and data set."""
        return f"{self.space}_{self.data_set}"

    @property
    def run(self) -> str:
        """Folder name of the search in its group."""
        l2, drop_path = (repr(value).removesuffix(".0") for value in (self.l2, self.drop_path))
        return f"l2-{l2}_drop-{drop_path}_seed-{self.seed}"


def searches(cells: Cells) -> dict[SearchKey, list[Method]]:
    """Every search of the grids, in their order, with the methods read off it."""
    found: dict[SearchKey, list[Method]] = {}
    for key, methods in _combinations(cells):
        wanted = found.setdefault(key, [])
        wanted.extend(method for method in methods if method not in wanted)
    return found


def _combinations(cells: Cells) -> Iterator[tuple[SearchKey, list[Method]]]:
    for grid in cells.grids:
        for space, data_set, l2, drop_path, seed in product(
            grid.spaces, grid.data_sets, grid.l2, grid.drop_path, grid.seeds
        ):
            yield SearchKey(space=space, data_set=data_set, l2=l2, drop_path=drop_path, seed=seed), grid.methods


def images_of(cells: Cells, data_set: str, augment: bool) -> Images:
    """The image settings of a job; padding and cutout scale with the image side."""
    entry, side = load_entry(data_set), cells.side(data_set)
    return Images(
        data_set=data_set,
        channels=entry.channels,
        side=side,
        classes=entry.classes,
        mean=entry.mean,
        deviation=entry.deviation,
        padding=4 * side // PAPER_SIDE if augment else 0,
        flip=entry.flip and augment,
        cutout=16 * side // PAPER_SIDE if augment else 0,
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
    )


def evaluation_job(cells: Cells, data_set: str, seed: int) -> EvaluationJob:
    """The settings of one training from scratch."""
    evaluation = cells.evaluation_of(data_set)
    training = Training.model_validate(evaluation.model_dump(exclude={"seeds"}))
    return EvaluationJob(images=images_of(cells, data_set, training.augment), training=training, seed=seed)
