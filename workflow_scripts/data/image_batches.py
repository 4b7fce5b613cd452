"""Image sets in memory: prepared once as uint8, then drawn in batches of whole tensors."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from workflow_scripts.data.augment import cutout, normalise, random_crop, random_flip
from workflow_scripts.tables.files import read_arrays


class Preparation(Protocol):
    """How images are made ready for a network: what a job's settings say of its images.

    `side`, `padding` and `cutout` are in pixels; `mean` and `deviation` are per channel, of pixels divided by 255.
    """

    @property
    def side(self) -> int:
        """To which images are resized."""

    @property
    def mean(self) -> tuple[float, ...]:
        """Subtracted."""

    @property
    def deviation(self) -> tuple[float, ...]:
        """Divided by."""

    @property
    def padding(self) -> int:
        """Of zeros, for the random crop."""

    @property
    def flip(self) -> bool:
        """Whether images are mirrored at random."""

    @property
    def cutout(self) -> int:
        """Side of the square that is blanked."""


@dataclass(frozen=True)
class Part:
    """Images (N, C, S, S) uint8 with labels (N,) int64, and how a batch of them is prepared."""

    images: Tensor
    labels: Tensor
    settings: Preparation

    def __len__(self) -> int:
        """The number of images."""
        return len(self.labels)

    def first(self, count: int | None, after: int = 0) -> "Part":
        """The first `count` images, or all, after leaving out the first `after`."""
        stop = None if count is None else after + count
        return Part(self.images[after:stop], self.labels[after:stop], self.settings)

    def batch(
        self, index: Tensor, generator: torch.Generator | None = None, cutout_probability: float = 1.0
    ) -> tuple[Tensor, Tensor]:
        """Normalised images (n, C, S, S) float32 and labels (n,).

        With `generator`, the training transform: crop, flip, normalise, cutout with the given probability per image.
        """
        settings = self.settings
        images, labels = self.images[index], self.labels[index]
        if generator is None:
            return normalise(images, settings.mean, settings.deviation), labels
        if settings.padding:
            images = random_crop(images, settings.padding, generator)
        if settings.flip:
            images = random_flip(images, generator)
        images = normalise(images, settings.mean, settings.deviation)
        if settings.cutout and cutout_probability > 0:
            images = cutout(images, settings.cutout, cutout_probability, generator)
        return images, labels


def load_part(path: Path, part: str, settings: Preparation, device: torch.device | str = "cpu") -> Part:
    """The `train` or `test` part of a prepared file, resized by area to the side the settings ask for.

    Raises ValueError, in one sentence, where the file is damaged.
    """
    names = (f"{part}_images", f"{part}_labels")
    images, labels = map(torch.from_numpy, read_arrays(path, *names).values())
    if images.shape[-1] != settings.side:
        resized = F.interpolate(images.float(), size=(settings.side, settings.side), mode="area")
        images = resized.round().to(torch.uint8)
    return Part(images.to(device), labels.to(device), settings)


class ShuffledBatches:
    """Index batches over endless passes, each pass in a fresh order; the last batch of a pass may be smaller."""

    def __init__(self, size: int, batch_size: int, generator: torch.Generator) -> None:
        """Batches of `batch_size` of the numbers below `size`."""
        self.size, self.batch_size, self.generator = size, batch_size, generator
        self.order, self.position = torch.empty(0, dtype=torch.long), 0

    def __iter__(self) -> "ShuffledBatches":
        """Itself."""
        return self

    def __next__(self) -> Tensor:
        """The next batch."""
        if self.position >= len(self.order):
            self.order, self.position = torch.randperm(self.size, generator=self.generator), 0
        batch = self.order[self.position : self.position + self.batch_size]
        self.position += self.batch_size
        return batch

    def state_dict(self) -> dict[str, Any]:
        """The order of the pass, the place in it, and the state of the generator."""
        return {"order": self.order, "position": self.position, "draws": self.generator.get_state()}

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        """Load a state."""
        self.order, self.position = state["order"], state["position"]
        self.generator.set_state(state["draws"])


def ordered_batches(size: int, batch_size: int) -> Iterator[Tensor]:
    """Index batches over one pass in order."""
    yield from torch.arange(size).split(batch_size)
