"""What differs between two settings, or between the code behind two results, in lines for a person."""

import json
from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Any

ABSENT = object()
DIGITS = 8
"""Digits of a digest that a person is shown."""
MODULES = 12
"""Changed modules that are named one by one."""
SHORT = 60
"""Characters of two lists, together, that are shown whole; of longer ones only the entries that differ are."""


def module_changes(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """The modules whose digest differs, as lines `code of a.b: old -> new`; of many, the first."""
    lines = [
        f"code of {name}: {old.get(name, 'absent')[:DIGITS]} -> {new.get(name, 'absent')[:DIGITS]}"
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]
    hidden = len(lines) - MODULES
    return lines if hidden <= 0 else [*lines[:MODULES], f"and code of {hidden} more modules, changed, new or gone"]


def differences(old: Any, new: Any, key: str = "") -> list[str]:
    """The settings whose canonical form differs, as lines `a.b: old -> new`; long lists entry by entry, `a.2: ...`.

    An entry that is gone has its old position, one that was added its new one, both from 0.
    """
    if isinstance(old, dict) and isinstance(new, dict):
        lines = []
        for name in sorted(old.keys() | new.keys()):
            lines += differences(old.get(name, ABSENT), new.get(name, ABSENT), f"{key}.{name}".lstrip("."))
        return lines
    before, after = _shown(old), _shown(new)
    if before == after:
        return []
    if isinstance(old, list) and isinstance(new, list) and len(before) + len(after) > SHORT:
        changed = _entries(old, new)
        return [line for at, one, other in changed for line in differences(one, other, f"{key}.{at}".lstrip("."))]
    return [f"{key}: {before} -> {after}"]


def _entries(old: list[Any], new: list[Any]) -> Iterator[tuple[int, Any, Any]]:
    """The entries that differ, with their position; what was put in or taken out moves the others, which stay equal."""
    changed = SequenceMatcher(None, [_shown(each) for each in old], [_shown(each) for each in new], autojunk=False)
    for what, start, end, new_start, new_end in changed.get_opcodes():
        if what != "equal":
            entries = enumerate(old[start:end], start), enumerate(new[new_start:new_end], new_start)
            for (at, before), (new_at, after) in zip_longest(*entries, fillvalue=(-1, ABSENT)):
                yield at if at >= 0 else new_at, before, after


def _shown(value: Any) -> str:
    return "absent" if value is ABSENT else json.dumps(value, sort_keys=True)
