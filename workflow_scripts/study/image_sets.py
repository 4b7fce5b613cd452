"""The image sets that a study may name: those of the project's modules, and those that a study states itself."""

from workflow_scripts.data import data_set
from workflow_scripts.data.data_set import ImageSet

_OWN: dict[str, ImageSet] = {}
"""Those that the studies of this process state, by name."""


def add_own(entry: ImageSet) -> None:
    """Let an image set be known, in place of an earlier one of its name."""
    _OWN[entry.name] = entry


def image_set_names() -> list[str]:
    """The names of all image sets, sorted, those that studies state last."""
    return [*data_set.image_set_names(), *sorted(_OWN)]


def load_image_set(name: str) -> ImageSet:
    """The facts of image set `name`."""
    return _OWN[name] if name in _OWN else data_set.load_image_set(name)
