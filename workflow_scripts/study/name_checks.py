"""Telling a person which setting is wrong, and the nearest name that exists."""

import re
from collections.abc import Collection, Iterable, Sequence
from difflib import get_close_matches
from typing import TypeVar

from workflow_scripts.data.data_set import NAME, NAME_IN_WORDS, data_set_names, load_entry
from workflow_scripts.study.image_sets import image_set_names

Names = TypeVar("Names", bound=Collection[str])


class Mistake(ValueError):
    """A wrong setting that a check of several settings found: its dotted key, seen from the model checked, and why."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"{key}: {reason}")
        self.key = key
        self.reason = reason


class Lacking(Mistake):
    """A key that is missing, because of what another key says."""


def suggestion(name: str, names: Iterable[str]) -> str:
    """The end of a sentence on an unknown name, such as ` (did you mean epochs?); known are epochs and layers`."""
    choices = list(names)
    close = get_close_matches(name.lower(), choices, n=1)
    hint = f" (did you mean {close[0]}?)" if close else ""
    return f"{hint}; known are {', '.join(choices)}"


def require_known(names: Sequence[str], choices: Sequence[str], kind: str) -> None:
    """Raise ValueError, in one sentence, unless each name is among the choices, is a `NAME`, and is there once."""
    for number, name in enumerate(names):
        if name not in choices:
            named = (choice for choice in choices if re.fullmatch(NAME, choice))
            raise ValueError(f"{name} is not a known {kind}{suggestion(name, named)}")
        if not re.fullmatch(NAME, name):
            raise ValueError(f"{name} cannot be used: a {kind} is named with {NAME_IN_WORDS}")
        if name in names[:number]:
            raise ValueError(f"{name} is named twice, once is enough")


def image_sets(names: Names) -> Names:
    """The names, or the mapping by names. Raises ValueError unless each is an image data set whose file is sound."""
    for name in names:
        if name in data_set_names():
            load_entry(name)
    require_known(list(names), image_set_names(), "data set")
    return names
