"""Where pictures of one's own lie, and a part of them in memory."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # numpy is loaded where pictures are read, not where a study is
    import numpy as np
    from numpy.typing import NDArray

LEAST_SIDE, SIDE_STEP = 8, 4
"""Sides of images, pixels: at least this, and a multiple of that, because two reductions halve them."""


@dataclass(frozen=True)
class Source:
    """Where pictures lie, one of `folder` and `npz`, and how they are read; `side` in pixels."""

    folder: str | None
    npz: str | None
    side: int | None
    grey: bool
    split: str | None
    seed: int
    test_fraction: float

    @property
    def path(self) -> Path:
        """The folder or the file."""
        place = self.folder or self.npz
        assert place is not None
        return Path(place)


@dataclass(frozen=True)
class Part:
    """Images (N, C, S, S) uint8, labels (N,) and names (N), by which they are split and ordered."""

    images: "NDArray[np.uint8]"
    labels: "NDArray[np.int64]"
    names: list[str]

    def taken(self, which: list[int]) -> "Part":
        """Some of them, in the order of `which`."""
        return Part(self.images[which], self.labels[which], [self.names[at] for at in which])


def all_files(source: Source) -> Iterator[Path]:
    """Every file that may decide what is read of a source: all in its folder, links followed, and its split file."""
    if source.folder is not None:
        for folder, _, names in os.walk(source.folder, followlinks=True):
            yield from (Path(folder) / name for name in names)
    else:
        yield source.path
    if source.split is not None:
        yield Path(source.split)


def require_memory(size: int, count: int | None, path: Path) -> None:
    """Raise ValueError where so many bytes of pixels, twice while they are ordered, do not fit into the memory."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if 2 * size > memory:
        what = "its arrays" if count is None else f"its {count} pictures"
        remedy = "set a smaller side, or leave pictures out"
        raise ValueError(f"{path}: {what} take {2 * size / 1e9:.1f} of {memory / 1e9:.1f} GB of memory; {remedy}")
