"""What a figure module says of itself, read by parsing so that no plotting library is loaded."""

from functools import cache
from pathlib import Path
from typing import Any

from workflow_scripts.study import module_literals

FOLDER = Path(__file__).parents[2] / "figures"
SHARED = ("__init__", "style", "cell_graph", "over_seeds", "depth_run")
"""Modules there that are not figures of a study: what figures share, and the picture of a single run."""

CATEGORIES = {"cells": "Cell search", "depth": "Depth search"}


def figure_names() -> list[str]:
    """The names of all figure modules, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in SHARED)


@cache
def stated(figure: str, name: str) -> Any:
    """The literal `TABLES`, `TITLE` or `CATEGORY` of a figure module. Raises ValueError when none that is known."""
    place, allowed = f"figures/{figure}.py", CATEGORIES if name == "CATEGORY" else None
    return module_literals.stated(FOLDER / f"{figure}.py", name, place, allowed)


def figure_tables(figure: str) -> tuple[str, ...]:
    """The tables that a figure draws. Raises ValueError when its module states none."""
    return tuple(stated(figure, "TABLES"))


def snakemake_report_entry(figure: str, caption: str) -> dict[str, Any]:
    """How Snakemake's own report shows a figure: its category and label, and the file of its caption.

    The file's path is absolute, because Snakemake takes another one from the folder of the rules. In a label it takes
    {name} for a wildcard, but for one with a word joiner, which takes no place.
    """
    label = {"figure": str(stated(figure, "TITLE")).replace("{", "{\N{WORD JOINER}")}
    return {"caption": Path(caption).absolute(), "category": CATEGORIES[stated(figure, "CATEGORY")], "labels": label}


@cache
def is_animated(figure: str) -> bool:
    """Whether a figure module states `ANIMATION = True`, and so has a GIF."""
    return module_literals.literal(FOLDER / f"{figure}.py", "ANIMATION") is True
