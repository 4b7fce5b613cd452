"""The published test accuracies of 2019, read into rows of a table; nothing in the files is executed.

A group `s1_cifar10_wd` holds searches with the L2 factors that are its keys, `s1_cifar10_dp` with the drop-path
probabilities. Three files have the genotype, the size of the network and the test accuracy (percent) of each.
"""

import re
from pathlib import Path
from typing import Any

import yaml

from workflow_scripts.tables.genotype import parse_genotype

GROUP = re.compile(r"(?P<space>s[1-4])_(?P<data_set>[a-z0-9]+)_(?P<varied>wd|dp)")
COLUMNS = {"wd": "l2", "dp": "drop_path"}
MOST_BYTES = 1 << 20
"""Of a file; the largest has 15 kilobytes."""


def read_published_evaluations(files: dict[str, Path]) -> list[dict[str, object]]:
    """A row for each genotype in the order of the files `archs`, `config` and `results`.

    `test_error_percent` is absent where no accuracy was published. Raises ValueError, in one sentence that names the
    file and the entry, where one is not as published.
    """
    archs, config, results = (_yaml(files[key]) for key in ("archs", "config", "results"))
    for key, of in (("config", config), ("results", results)):
        if unknown := sorted(set(of) - set(archs)):
            raise ValueError(f"{files[key]}: {unknown[0]} has no genotypes in {files['archs'].name}")
    rows = []
    for group, genotypes in archs.items():
        for value, text in genotypes.items():
            try:
                rows.append(_row(group, value, text, config[group], results.get(group, {}).get(value)))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise ValueError(f"{files['archs']}: {group}, {value}: it is not as published ({error})") from None
    return rows


def _row(group: str, value: float, text: str, config: dict[str, int], accuracy: float | None) -> dict[str, object]:
    parts = GROUP.fullmatch(group)
    if parts is None:
        raise ValueError("its name is not of a space, a data set and what was varied")
    if accuracy is not None and not 0 <= accuracy <= 100:
        raise ValueError(f"an accuracy of {accuracy} %")
    setting = dict.fromkeys(COLUMNS.values()) | {COLUMNS[parts["varied"]]: float(value)}
    return {
        "space": parts["space"],
        "data_set": parts["data_set"],
        **setting,
        "init_channels": int(config["init_channels"]),
        "layers": int(config["layers"]),
        "test_error_percent": None if accuracy is None else 100 - accuracy,
        "genotype": parse_genotype(text).text(),
    }


def _yaml(path: Path) -> dict[str, Any]:
    """Mappings by group; safe loading, which makes plain values only."""
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"{path}: it has more than {MOST_BYTES} bytes, more than any of the published files")
    try:
        value = yaml.safe_load(path.read_bytes())
    except (yaml.YAMLError, ValueError, RecursionError):
        value = None
    if not isinstance(value, dict) or not all(isinstance(each, dict) for each in value.values()):
        raise ValueError(f"{path}: it is not a YAML mapping of groups")
    return value
