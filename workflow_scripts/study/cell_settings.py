"""Settings of the cell search: what a study's `cells` block may say; `cell_job_settings.py` makes each job's from it.

Defaults are the published ones (RobustDARTS, section 3 and the public code's command line).
"""

import math
from itertools import product
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from workflow_scripts.study.grid_settings import Grid, group_of
from workflow_scripts.study.image_sets import load_image_set
from workflow_scripts.study.name_checks import Mistake, image_sets, require_known
from workflow_scripts.study.settings_model import (
    Count,
    CountOrZero,
    Model,
    NonNegative,
    NotTrue,
    Positive,
    Probability,
    Share,
    Side,
    is_absent,
)
from workflow_scripts.tables.display_names import GENOTYPES
from workflow_scripts.tables.genotype import Genotype

Fidelity = Literal["corrected", "published"]


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
    layers: Annotated[int, Field(strict=True, ge=3)] = 8
    """cells; at layers//3 and 2*layers//3 the width doubles; with fewer than 3 no normal cell is searched"""
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
    subset: Count | None = None
    """training images the search sees, from the first on; absent: all"""
    validation_fraction: Share = 0.5
    """share of them that trains the alphas, the last ones; the others train the weights"""
    curvature: Curvature = Curvature()
    """how the curvature of the validation loss is followed"""
    end_when_stopped: bool = False
    """end a search when the stop rule fires, where only darts_es is read off it; its architecture is the same"""


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


class Adaptive(Model):
    """DARTS-ADA (RobustDARTS, section 5.2): when the stop rule fires, go back and continue with a larger L2."""

    factor: Annotated[float, Field(gt=1), NotTrue] = 10.0
    """the L2 factor is multiplied by this"""
    max_l2: Positive = 0.03
    """no further rollback once the L2 factor has reached this"""


class RandomSearch(Model):
    """Random search with weight sharing (RS-ws): as many weight steps as a search has, then a choice among samples."""

    samples: Count = 1000
    """architectures scored after the training"""
    batches: Count = 10
    """validation batches that each of them is scored on, the same for all"""
    finalists: Count = 10
    """best of them, scored on all validation images; the best of these is the result"""


class Perturbation(Model):
    """DARTS-PT: of each edge the operation stays without which the supernet errs most (Wang et al., ICLR 2021)."""

    tuning_epochs: CountOrZero = 10
    """epochs of the search's steps between two decisions; 17 are made of each cell: 14 edges, then 3 nodes"""
    learning_rate: Positive = 0.0025
    """of the weights in the first of them; falls to learning_rate_min as a cosine over all"""
    learning_rate_min: NonNegative = 0.001
    """of the weights at the end of the cosine"""


class Subset(Model):
    """Which images a training from scratch sees; absent: all."""

    start: CountOrZero = 0
    """training images left out at the beginning, such as those the search has seen"""
    train: Count | None = None
    """training images, following those"""
    test: Count | None = None
    """test images, from the first on"""


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
    bfloat16: bool = False
    """mixed precision, for GPUs that are faster with it; the weights stay in float32"""
    subset: Subset = Subset()
    """the images it sees, for small studies"""


class Selection(Model):
    """R-DARTS (RobustDARTS, section 5.3): of a seed's candidates, the one best after a brief training from scratch.

    It trains on the images that trained the search's weights and is judged on those that trained the alphas.
    """

    l2: Annotated[tuple[NonNegative, ...], Field(min_length=2)] = (3e-4, 9e-4, 27e-4, 81e-4)
    """candidates of r_darts_l2: searches with these L2 factors, at the first drop path"""
    drop_path: Annotated[tuple[Probability, ...], Field(min_length=2)] = (0.0, 0.2, 0.4, 0.6)
    """candidates of r_darts_dp: searches with these drop-path probabilities, at the first L2"""
    training: Training = Training(epochs=25, init_channels=16, layers=8)
    """the brief training; its length is ours, because the papers do not state theirs"""


def _changes(changes: dict[str, Any]) -> dict[str, Any]:
    """Some keys of `Evaluation`, checked."""
    require_known(list(changes), list(Evaluation.model_fields), "key")
    return Evaluation.model_validate(changes).model_dump(exclude_unset=True)


Changes = Annotated[dict[str, Any], AfterValidator(_changes)]


class Evaluation(Training):
    """How found genotypes are evaluated: by training them from scratch, once for each seed."""

    seeds: Annotated[tuple[Count, ...], Field(min_length=1)] = (1,)
    """one training for each; one more leaves the others as they are"""


class Cells(Model):
    """The cell search part of a study."""

    grids: Annotated[list[Grid], Field(min_length=1)]
    """the searches to run, and the genotypes to train; what two grids name is run once"""
    image_size: Side | None = None
    """side in pixels that images are resized to by area; absent: the data set's own"""
    search: Search = Search()
    """every search"""
    fidelity: Fidelity = "corrected"
    """published: with the faults of the published code that its numbers may depend on (docs/fidelity.md)"""
    stop: StopRule = StopRule()
    """when early stopping (darts_es) stops and darts_ada goes back"""
    adaptive: Adaptive = Adaptive()
    """darts_ada"""
    random_ws: RandomSearch = RandomSearch()
    """random_ws"""
    perturbation: Annotated[Perturbation | None, Field(exclude_if=is_absent)] = None
    """darts_pt; absent: the paper's values"""
    selection: Selection = Selection()
    """r_darts_l2 and r_darts_dp"""
    evaluation: Evaluation | None = Evaluation()
    """every training from scratch; null: none"""
    evaluation_for: Annotated[dict[str, Changes], AfterValidator(image_sets)] = Field(default_factory=dict)
    """per data set, keys of `evaluation` that differ there"""

    @field_validator("grids")
    @classmethod
    def _groups_are_of_one_space_and_data_set(cls, grids: list[Grid]) -> list[Grid]:
        groups: dict[str, tuple[str, str]] = {}
        for grid in grids:
            for space, data_set in product(grid.spaces, grid.data_sets):
                group = group_of(space, data_set, grid.source)
                other, on = groups.setdefault(group, (space, data_set))
                if other != space:
                    both = f"{other} on {on} and {space} on {data_set}"
                    raise ValueError(f"{both} would share the folder {group}; rename one of their files")
        return grids

    @model_validator(mode="after")
    def _grids_can_be_run(self) -> Self:
        texts: dict[tuple[str, str], tuple[Genotype, str | None]] = {}
        for number, grid in enumerate(self.grids):
            methods, source = f"grids.{number}.methods", grid.source
            for method in grid.methods if source == "own" else ():
                if method in ("darts_es", "darts_ada") and self.search.curvature.kind == "none":
                    raise Mistake(methods, f"{method} needs search.curvature.kind full or dominant")
                if method != "darts_es" and self.search.end_when_stopped:
                    reason = f"search.end_when_stopped leaves {method} no architecture where a search stops"
                    raise Mistake(methods, reason)
            if source == GENOTYPES and self.evaluation is None:
                raise Mistake(f"grids.{number}.source", "genotypes are trained only, and evaluation is null")
            for name, genotype in grid.genotypes().items() if source == GENOTYPES else ():
                other, file = texts.setdefault((grid.spaces[0], name), (genotype, grid.file))
                if other != genotype:
                    raise Mistake(f"grids.{number}.file", f"{name} is another genotype in {file}; rename one of them")
        return self

    @model_validator(mode="after")
    def _images_suffice(self) -> Self:
        for data_set in sorted({name for grid in self.grids for name in grid.data_sets}):
            available = load_image_set(data_set)
            training_images, test_images = f"training images of {data_set}", f"test images of {data_set}"
            _check_number("search.subset", self.search.subset, available.train_images, training_images)
            weights, alphas = self.split(data_set)
            if not weights or not alphas:
                key, part = "search.validation_fraction", "the weights" if alphas else "the alphas"
                raise Mistake(key, f"{self.search.validation_fraction} leaves no image of {data_set} for {part}")
            measured = self.search.curvature.images
            _check_number("search.curvature.images", measured, alphas, f"alpha images of {data_set}")
            if self.evaluation is not None:
                seen = self.evaluation_of(data_set).subset
                wanted, counted = seen.start + (seen.train or 1), "; start and train count, and subset: {} takes all"
                _check_number("evaluation.subset.train", wanted, available.train_images, training_images + counted)
                _check_number("evaluation.subset.test", seen.test, available.test_images, test_images)
        return self

    def split(self, data_set: str) -> tuple[int, int]:
        """How many training images train the weights, and how many the alphas.

        Rounded down for the weights, as published; the tiny term keeps 1 - 0.6 from losing an image to rounding.
        """
        total = self.search.subset or load_image_set(data_set).train_images
        weights = math.floor(total * (1 - self.search.validation_fraction) + 1e-6)
        return weights, total - weights

    def side(self, data_set: str) -> int:
        """The side of the images the networks see, in pixels."""
        return self.image_size or load_image_set(data_set).side

    def evaluation_of(self, data_set: str) -> Evaluation:
        """The evaluation settings for one data set."""
        assert self.evaluation is not None, "this study trains nothing from scratch"
        return Evaluation.model_validate({**self.evaluation.model_dump(), **self.evaluation_for.get(data_set, {})})


def _check_number(key: str, wanted: int | None, available: int, what: str) -> None:
    if wanted is not None and wanted > available:
        raise Mistake(key, f"{wanted} are more than the {available} {what}")
