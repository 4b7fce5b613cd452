"""Which pictures of one's own are for testing, and in which order those of a part come."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

from workflow_scripts.data.own.source import Part, Source


def split(part: Part, classes: Sequence[str], source: Source) -> tuple[dict[str, Part], str]:
    """Training and test part, by the split file or by the seed, and how that was done."""
    if source.split is not None:
        named, sha256 = _named_for_test(Path(source.split), set(part.names))
        test = [at for at, name in enumerate(part.names) if name in named]
        how = f"test images by a file with sha256 {sha256}"
    else:
        test, key = [], _order(source.seed)
        of_class: dict[int, list[int]] = {label: [] for label in range(len(classes))}
        for at, label in enumerate(part.labels.tolist()):
            of_class[label].append(at)
        for label, name in enumerate(classes):
            members = sorted(of_class[label], key=_by(part, key))
            if len(members) == 1:
                raise ValueError(f"{source.path}: the class {name} has one picture; a split needs two or more")
            wanted = round(len(members) * source.test_fraction)
            test += members[: max(1, min(len(members) - 1, wanted))]
        how = f"{source.test_fraction} of each class for testing, by the seed"
    chosen = set(test)
    train = [at for at in range(len(part.names)) if at not in chosen]
    return {"train": part.taken(train), "test": part.taken(test)}, how


def _named_for_test(file: Path, names: set[str]) -> tuple[set[str], str]:
    """The names in a split file, a line each, and its sha256."""
    try:
        content = file.read_bytes()
        lines = [line.strip() for line in content.decode().splitlines()]
    except OSError as error:
        raise ValueError(f"{file}: this split file cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise ValueError(f"{file}: this split file is not text") from None
    named = [line for line in lines if line]
    for name in named:
        if name not in names:
            what = "a picture's path in the folder, or its number from 0 in the npz file, for each test picture"
            raise ValueError(f"{file}: there is no picture {name}; the file has a line with {what}")
    return set(named), hashlib.sha256(content).hexdigest()


def _order(seed: int) -> Callable[[str], str]:
    """By what names are sorted: an order that a picture more does not change, on any version of any library."""
    return lambda name: hashlib.sha256(f"{seed}/{name}".encode()).hexdigest()


def _by(part: Part, key: Callable[[str], str]) -> Callable[[int], str]:
    return lambda at: key(part.names[at])


def ordered(part: Part, seed: int) -> Part:
    """A part in the order that the seed gives its names."""
    return part.taken(sorted(range(len(part.names)), key=_by(part, _order(seed))))
