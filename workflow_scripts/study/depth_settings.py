"""Settings of the depth search: what decides one run, and the grids that experiments span over runs.

Defaults are the values of "Variational Depth Search in ResNets" (arXiv 2002.02797) and of its public code. LDN is the
learnt depth network, whose posterior q over depths is trained with the weights; DDN is the deterministic depth
network, whose q is one-hot at the largest depth D.
"""

from itertools import product
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import AfterValidator, Field, StringConstraints, ValidationError, field_validator, model_validator

from workflow_scripts.data.data_set import NAME
from workflow_scripts.study.cell_job_settings import Images, Layout, layout_of, plain_images
from workflow_scripts.study.cell_settings import Fidelity
from workflow_scripts.study.image_sets import load_image_set
from workflow_scripts.study.name_checks import Mistake, image_sets
from workflow_scripts.study.settings_model import (
    Count,
    CountOrZero,
    Distinct,
    Model,
    NonNegative,
    NotTrue,
    Positive,
    Probability,
    Share,
    Side,
)

ModelName = Literal["ldn", "ddn"]
ExperimentName = Annotated[str, StringConstraints(pattern=f"^{NAME}$", max_length=40)]
Seed = Annotated[int, Field(strict=True, ge=0, lt=2**32)]
MaxDepth = Annotated[int, Field(strict=True, ge=0, le=1000)]
Width = Annotated[int, Field(strict=True, ge=1, le=100_000)]
Points = Annotated[int, Field(strict=True, ge=4)]
TrainPoints = Annotated[int, Field(strict=True, ge=2)]
Decay = Annotated[float, Field(gt=0, le=1), NotTrue]


class SpiralData(Model):
    """Two interleaved spirals, one class an arm."""

    kind: Literal["spirals"] = Field("spirals", description="Which data this is.")
    points: Points = Field(2000, description="Points generated, training and test together (published scripts).")
    noise: NonNegative = 0.2
    """Width of the uniform noise [0, noise) added to each coordinate, in radii before standardising; 0.2 or, for data
    amount and complexity, 0.15 (published scripts)."""
    start_angle_degrees: NonNegative = Field(0.0, description="Angle at which each arm starts, degrees.")
    stop_angle_degrees: Positive = Field(720.0, description="Angle by which each arm turns, degrees; its complexity.")
    arms: int = Field(2, strict=True, ge=2, le=10, description="Arms, and so classes (published scripts).")
    train_fraction: Share = Field(0.1, description="Share of the points used for training; the rest is for testing.")
    train_points: TrainPoints | None = Field(None, description="Training points, where not `train_fraction` of them.")

    @property
    def train_size(self) -> int:
        """Training points N."""
        return self.train_points if self.train_points is not None else round(self.points * self.train_fraction)

    @model_validator(mode="after")
    def _split_is_possible(self) -> Self:
        if self.points % self.arms:
            raise Mistake("points", f"{self.points} cannot be shared equally by {self.arms} arms")
        if self.train_size < 2:
            raise Mistake("train_fraction", f"{self.train_fraction} of {self.points} points is less than 2 points")
        if self.train_size >= self.points:
            raise Mistake("train_points", f"{self.train_size} of {self.points} points leave none for testing")
        return self


class DepthTraining(Model):
    """How the weights, and the LDN's posterior with them, are trained: plain SGD at a constant rate."""

    epochs: Count = Field(8000, description="Epochs at most (published scripts).")
    patience: Count = Field(500, description="Stop once the best epoch is more than this many epochs ago.")
    batch_size: int = Field(512, strict=True, ge=2, description="Training points per step (published scripts).")
    learning_rate: Positive = Field(0.1, description="SGD learning rate (published scripts).")
    momentum: Probability = Field(0.5, description="SGD momentum (published scripts).")
    weight_decay: NonNegative = Field(0.0, description="SGD weight decay; none in the paper.")
    kl_clamp: Annotated[float, Field(gt=0, lt=0.5), NotTrue] = 1e-10
    """q and the prior are clamped to [this, 1 - this] in the KL divergence (published code)."""
    test_every: Count = Field(20, description="Epochs between two measurements on held-out points (published scripts).")
    learning_rate_cut: Count | None = Field(None, description="Epochs after which the learning rate is cut to a tenth.")
    closed_form_from: CountOrZero | None = None
    """Epoch from which on q of an LDN is set to q*, its optimum for the weights, after each epoch's steps, and may be
    the best; ours. Absent: q is trained as the weights are (paper)."""
    chosen_by: Literal["training", "held_out"] = "training"
    """Points whose ELBO decides which epoch is the best: of spirals the training points (published scripts), of images
    always those held out."""

    @model_validator(mode="after")
    def _closed_form_is_reached(self) -> Self:
        if self.closed_form_from is not None and self.closed_form_from >= self.epochs:
            reason = f"{self.closed_form_from} is not one of the {self.epochs} epochs from 0 on"
            raise Mistake("closed_form_from", reason)
        return self


# What the published scripts train image networks with, where it differs.
IMAGE_TRAINING = DepthTraining(epochs=500, patience=30, test_every=1, chosen_by="held_out")
PUBLISHED_DDN_CUT = 30  # epochs after which the published scripts cut the learning rate of image DDN, and of no LDN


class ImageData(Model):
    """Images, from which convolutional networks learn."""

    data_sets: Annotated[tuple[str, ...], AfterValidator(image_sets)] = Field(min_length=1)
    """Image data sets, each with networks of its own."""
    image_size: Side | None = None
    """Side in pixels that images are resized to by area; absent: the data set's own."""
    train_images: Annotated[int, Field(strict=True, ge=10)] | None = None
    """Training images used, those held out among them; absent: all."""
    test_images: Count | None = Field(None, description="Test images used, from the first on; absent: all.")
    held_out_fraction: Share = 0.1
    """Share of the training images that is held out and chooses the best epoch; ours, because the published scripts
    choose it by the test images."""
    outer_width: Width = Field(64, description="Channels between blocks (paper).")
    inner_width: Width = Field(32, description="Channels inside a block (paper).")
    bfloat16: bool = Field(False, description="Mixed precision; for GPUs that are faster with it.")

    @model_validator(mode="after")
    def _images_suffice(self) -> Self:
        for name in self.data_sets:
            entry = load_image_set(name)
            for key, available in (("train_images", entry.train_images), ("test_images", entry.test_images)):
                wanted = getattr(self, key)
                if wanted is not None and wanted > available:
                    raise Mistake(key, f"{wanted} are more than the {available} of {name}")
            total = self.train_images or entry.train_images
            held_out = round(total * self.held_out_fraction)
            if held_out < 1 or total - held_out < 2:
                shares = f"of {total} images holds {held_out} out and leaves {total - held_out}"
                raise Mistake("held_out_fraction", f"{self.held_out_fraction} {shares}; at least 1 and 2 are needed")
        return self

    def of(self, name: str, fidelity: Fidelity) -> "ImageRun":
        """What one run needs to know of its images."""
        entry = load_image_set(name)
        total = self.train_images or entry.train_images
        held_out = 0 if fidelity == "published" else round(total * self.held_out_fraction)
        return ImageRun(
            images=plain_images(name, self.image_size or entry.side, entry.depth_normalisation or entry.normalisation),
            train_images=total - held_out,
            held_out_images=held_out,
            test_images=self.test_images or entry.test_images,
            inner_width=self.inner_width,
            bfloat16=self.bfloat16,
            fidelity=fidelity,
            layout="modules" if self.bfloat16 else layout_of(self.outer_width, self.inner_width),
        )


class ImageRun(Model):
    """The images of one run, as they are without augmentation, and what else its convolutional network needs."""

    kind: Literal["images"] = Field("images", description="Which data this is.")
    images: Images = Field(description="The data set.")
    train_images: Count = Field(description="Images that train the weights, drawn by the data seed.")
    held_out_images: CountOrZero
    """Other training images, which choose the best epoch; 0: the test images choose it, as published."""
    test_images: Count = Field(description="Test images, from the first on.")
    inner_width: Width = Field(description="Channels inside a block.")
    bfloat16: bool = Field(description="Mixed precision.")
    fidelity: Fidelity = Field(description="published: with the faults of the published code.")
    layout: Layout
    """How a processor computes a pass: in compiled loops, in full precision where both widths are multiples of eight,
    or in torch's modules, as a GPU always does."""

    @property
    def train_size(self) -> int:
        """Training points N."""
        return self.train_images


class DepthRun(Model):
    """Everything that decides one run."""

    model: ModelName = Field(description="ldn: depth learnt; ddn: depth fixed at max_depth.")
    max_depth: MaxDepth = Field(description="Residual blocks D; depths run from 0 to D.")
    width: Width = Field(20, description="Units per layer, or channels between blocks (published scripts).")
    prior_decay: Decay = Field(0.85, description="Prior p_d is proportional to prior_decay^(1 + d) (paper).")
    data: SpiralData | ImageRun = Field(SpiralData(), validate_default=True, description="The data.")
    training: DepthTraining = Field(DepthTraining(), description="The training.")
    data_seed: Seed = Field(description="Seed of the points and of their split into training and test.")
    weight_seed: Seed = Field(description="Seed of the initial weights and of the order of minibatches.")

    @field_validator("data")
    @classmethod
    def _settings_say_how_many_points_train(cls, data: SpiralData | ImageRun) -> SpiralData | ImageRun:
        return data.model_copy(update={"train_points": data.train_size}) if isinstance(data, SpiralData) else data

    @model_validator(mode="after")
    def _batches_can_be_normalised(self) -> Self:
        if self.data.train_size % self.training.batch_size == 1:
            batches = f"{self.data.train_size} training points in batches of {self.training.batch_size}"
            why = "leave a last batch of one point, which batch normalisation cannot use; choose another batch size"
            raise Mistake("training.batch_size", f"{batches} {why}")
        return self

    @property
    def data_name(self) -> str:
        """The name of the data set."""
        return self.data.images.data_set if isinstance(self.data, ImageRun) else self.data.kind


class SpiralSweep(Model):
    """Properties of the data that an experiment varies; one that is absent stays as in its `data`."""

    noise: Distinct[NonNegative] | None = Field(None, description="Values of `noise`.")
    stop_angle_degrees: Distinct[Positive] | None = Field(None, description="Values of `stop_angle_degrees`.")
    points: Distinct[Points] | None = Field(None, description="Values of `points`.")
    train_points: Distinct[TrainPoints] | None = Field(None, description="Values of `train_points`.")


class DepthExperiment(Model):
    """A grid of runs: every combination of the listed values."""

    models: Distinct[ModelName] = Field(("ldn",), description="Models to train.")
    max_depths: Distinct[MaxDepth] = Field(description="Values of D, in blocks.")
    widths: Distinct[Width] = Field((20,), description="Units per layer.")
    seeds: Distinct[Seed] = Field((1, 2, 3, 4), description="One repeat each: of weights and of data.")
    data_seed: Seed | None = Field(None, description="One seed of the data for all repeats, where given.")
    prior_decay: Decay = Field(0.85, description="As in a run.")
    data: SpiralData = Field(SpiralData(), description="The spirals, but for what `sweep` varies.")
    sweep: SpiralSweep = Field(SpiralSweep(), description="Properties of the spirals that vary.")
    images: ImageData | None = Field(None, description="Images, where networks learn from them and not from spirals.")
    training: DepthTraining = DepthTraining()
    """The training of every run; for images epochs default to 500, patience to 30 and test_every to 1."""

    @model_validator(mode="after")
    def _grid_is_sound(self) -> Self:
        if self.images is not None:
            for name in ("widths", "data", "sweep"):
                if name in self.model_fields_set:
                    raise Mistake(name, "this is a setting of spirals, and the experiment is on images")
            if self.training.chosen_by != "held_out" and "chosen_by" in self.training.model_fields_set:
                raise Mistake("training.chosen_by", "for images the held-out points choose; allowed: held_out")
        if self.images is None and self.training.chosen_by == "held_out":
            reason = "only images have points held out of training and test; allowed: training"
            raise Mistake("training.chosen_by", reason)
        for seed in self.seeds:
            try:
                for fidelity in get_args(Fidelity) if self.images is not None else ("corrected",):
                    self.runs(seed, fidelity)
            except ValidationError as error:
                raise self._mistake(error) from None
        return self

    def _mistake(self, error: ValidationError) -> Mistake:
        """A mistake in a run, stated at the key of the experiment that it comes from."""
        found = error.errors()[0]["ctx"]["error"]
        if getattr(self.sweep, found.key, None) is not None:
            return Mistake(f"sweep.{found.key}", found.reason)
        return Mistake(f"data.{found.key}" if found.key in SpiralData.model_fields else found.key, found.reason)

    def runs(self, seed: int, fidelity: Fidelity = "corrected") -> dict[str, DepthRun]:
        """The runs of one repeat, by the part of their name that says model, depth and the values that vary.

        What defaults depend on is resolved in each, so that a run's settings alone say what its data are.
        Raises pydantic.ValidationError when a combination of values makes no run.
        """
        swept = {name: values for name, values in self.sweep if values is not None}
        if self.images is not None:
            swept = {"data_set": self.images.data_sets}
        runs = {}
        for model, max_depth, width, *values in product(self.models, self.max_depths, self.widths, *swept.values()):
            varied: dict[str, Any] = dict(zip(swept, values, strict=True))
            if self.images is None:
                data: SpiralData | ImageRun = SpiralData(**{**self.data.model_dump(), **varied})
                training, varied = self.training, {"width": width, **varied}
            else:
                data, width = self.images.of(varied["data_set"], fidelity), self.images.outer_width
                cut = {"learning_rate_cut": PUBLISHED_DDN_CUT} if fidelity == "published" and model == "ddn" else {}
                training = self.image_training(**cut)
            runs["_".join([model, f"D{max_depth}", *map(_part, varied, varied.values())])] = DepthRun(
                model=model,
                max_depth=max_depth,
                width=width,
                prior_decay=self.prior_decay,
                data=data,
                training=training,
                data_seed=seed if self.data_seed is None else self.data_seed,
                weight_seed=seed,
            )
        return runs

    def image_training(self, **published: Any) -> DepthTraining:
        """How networks learn from images: as published, but for what the experiment says."""
        return IMAGE_TRAINING.model_copy(update=published | self.training.model_dump(exclude_unset=True))


class Depth(Model):
    """The depth search of a study."""

    experiments: dict[ExperimentName, DepthExperiment]
    """Experiments by name: lower-case letters, digits and underscores; {} means no depth search."""
    depths_per_job: Count = 16
    """Runs whose max_depth lies in the same block of this many depths (0 to 15, 16 to 31, ...) share a job; no number
    depends on it."""
    fidelity: Fidelity = Field("corrected", description="published: image runs with the faults of the published code.")


def expand(depth: Depth) -> dict[str, dict[str, DepthRun]]:
    """Group name -> run name -> run, in the order of the configuration.

    A group is one job. Which group a run belongs to is decided by its own values, so that a further seed, width or
    depth leaves other groups as they are: one experiment, seed, data set, model and width, and one block of depths,
    which are alike in cost. Names are safe as path components and unique in the study.
    """
    groups: dict[str, dict[str, DepthRun]] = {}
    for experiment_name, experiment in depth.experiments.items():
        for seed in experiment.seeds:
            for name, run in experiment.runs(seed, depth.fidelity).items():
                first = run.max_depth - run.max_depth % depth.depths_per_job
                group = f"{experiment_name}_seed-{seed}_{run.data_name}_{run.model}"
                group += f"_D{first}-{first + depth.depths_per_job - 1}_width-{run.width}"
                groups.setdefault(group, {})[f"{experiment_name}_{name}_seed-{seed}"] = run
    return groups


def experiment_of(group: str) -> str:
    """The experiment that a group of `expand` belongs to."""
    return group.partition("_seed-")[0]


_SHORT = {"stop_angle_degrees": "angle", "train_points": "train"}


def _part(key: str, value: float | str) -> str:
    """A swept value as it appears in a run's name, such as `noise-0.15`, `angle-360` or `mnist`."""
    if isinstance(value, str):
        return value
    return f"{_SHORT.get(key, key)}-{str(value).removesuffix('.0')}"
