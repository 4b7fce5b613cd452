"""Checking names a person typed, and suggesting the nearest one that exists."""

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(name: str, names: Iterable[str]) -> str:
    """A hint such as `; did you mean epochs?`, then the allowed names."""
    choices = list(names)
    close = get_close_matches(name, choices, n=1)
    hint = f"; did you mean {close[0]}?" if close else ";"
    return f"{hint} allowed: {', '.join(choices)}"


def known(names: list[str], choices: list[str], kind: str, key: str = "") -> list[str]:
    """The names, when each is among the choices; ValueError with one sentence otherwise."""
    for name in names:
        if name not in choices:
            raise ValueError(f"{key + ': ' if key else ''}{name} is no known {kind}{nearest(name, choices)}")
    return names
