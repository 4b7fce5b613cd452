"""The architecture files: what a search found, as YAML for people and tools.

One file per run and method, and one gathered file per study. They hold no times. `epoch` is the one whose genotype it
is, null where a search gave none. `epoch_reason` is why it was taken: last, stop epoch, never stopped, best sample,
perturbation (made with the supernet after that epoch), or selected (the best of several runs; `selection_error_percent`
is its error after the brief training); no curvature where the epoch is not known, tuning diverged where the supernet's
did; null where the search did not reach it. `settings_sha256` is of the search's canonical settings,
`outputs_sha256` of its history and curvature files. An architecture that was given as text has genotypes as search and
method, its name as run, the outcome given, and null for what only a search has.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from workflow_scripts.tables.genotype import Genotype, parse_genotype

VERSION = 2
KEYS = (
    "space",
    "data_set",
    "search",
    "run",
    "method",
    "l2",
    "drop_path",
    "seed",
    "outcome",
    "epoch",
    "epoch_reason",
    "valid_error_percent",
    "selection_error_percent",
    "genotype",
    "genotype_text",
    "settings_sha256",
    "outputs_sha256",
)

Architecture = dict[str, Any]


def architecture_genotype(architecture: Architecture) -> Genotype:
    """The genotype of an architecture. Raises ValueError when structure and text disagree."""
    genotype = parse_genotype(architecture["genotype_text"])
    if genotype.structure() != architecture["genotype"]:
        raise ValueError(f"architecture {architecture['run']}: its structure and its genotype text disagree")
    return genotype


def write_architectures(path: Path, architectures: list[Architecture]) -> None:
    """Write architectures in the given order. Raises ValueError when one has other keys than `KEYS`."""
    for architecture in architectures:
        if set(architecture) != set(KEYS):
            raise ValueError(f"an architecture has the keys {sorted(architecture)}, the schema has {sorted(KEYS)}")
    content = {"version": VERSION, "architectures": [{key: entry[key] for key in KEYS} for entry in architectures]}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content, sort_keys=False, width=10_000))


def read_architectures(path: Path) -> list[Architecture]:
    """Read an architecture file. Raises ValueError, naming the file, when it is of another version or malformed."""
    try:
        content = yaml.safe_load(path.read_text())
        if content["version"] != VERSION:
            raise ValueError(f"it has version {content['version']}, this code reads version {VERSION}")
        for architecture in content["architectures"]:
            if set(architecture) != set(KEYS):
                raise ValueError(f"an entry has the keys {sorted(architecture)}")
            if architecture["genotype_text"] is not None:
                architecture_genotype(architecture)
    except (yaml.YAMLError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: not a readable architecture file ({error})") from None
    return list(content["architectures"])


def genotype_texts(files: Iterable[Path]) -> dict[tuple[str, str], str | None]:
    """The text of every architecture in these files by its method and run, None where there is none."""
    architectures = (entry for file in files for entry in read_architectures(file))
    return {(entry["method"], entry["run"]): entry["genotype_text"] for entry in architectures}
