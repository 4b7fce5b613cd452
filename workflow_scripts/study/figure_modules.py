"""What a figure module says of itself, read by parsing so that no plotting library is loaded."""

from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import Any

from workflow_scripts.study.module_literals import literal, stated

FOLDER = Path(__file__).parents[2] / "figures"
SHARED = ("__init__", "style", "cell_graph", "over_seeds", "depth_run")
"""Modules there that are not figures of a study: what figures share, and the picture of a single run."""

CATEGORIES = {"cells": "Cell search", "depth": "Depth search"}


def figure_names() -> list[str]:
    """The names of all figure modules, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in SHARED)


@cache
def figure_tables(figure: str) -> tuple[str, ...]:
    """The literal `TABLES` of a figure module. Raises ValueError when it states none."""
    return tuple(_stated(figure, "TABLES"))


@cache
def figure_title(figure: str) -> str:
    """The literal `TITLE` of a figure module. Raises ValueError when it states none."""
    return str(_stated(figure, "TITLE"))


@cache
def figure_category(figure: str) -> str:
    """The literal `CATEGORY` of a figure module. Raises ValueError when it states none that is known."""
    return str(_stated(figure, "CATEGORY", CATEGORIES))


def snakemake_report_entry(figure: str, caption: str) -> dict[str, Any]:
    """How Snakemake's own report shows a figure: its category and label, and the file of its caption.

    The file's path is absolute, because Snakemake takes another one from the folder of the rules. In a label it takes
    {name} for a wildcard, but for one with a word joiner, which takes no place.
    """
    label = {"figure": figure_title(figure).replace("{", "{\N{WORD JOINER}")}
    return {"caption": Path(caption).absolute(), "category": CATEGORIES[figure_category(figure)], "labels": label}


@cache
def is_animated(figure: str) -> bool:
    """Whether a figure module states `ANIMATION = True`, and so has a GIF."""
    return literal(FOLDER / f"{figure}.py", "ANIMATION") is True


def _stated(figure: str, name: str, allowed: Collection[str] | None = None) -> Any:
    return stated(FOLDER / f"{figure}.py", name, f"figures/{figure}.py", allowed)
