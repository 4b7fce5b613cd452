"""The image data sets that a study names."""

from collections.abc import Sequence

from workflow_scripts.data.data_set import data_set_names, image_set_names, load_entry
from workflow_scripts.study.name_checks import require_known


def require_image_sets(names: Sequence[str], kind: str) -> None:
    """Raise ValueError, in one sentence, unless each name is an image data set whose file is sound."""
    for name in names:
        if name in data_set_names():
            load_entry(name)
    require_known(names, image_set_names(), kind)
