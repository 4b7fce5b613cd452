"""The report of made-up tables, through the figure step and the report step."""

import importlib
from pathlib import Path
from typing import Any

import example_tables
from example_tables import Tables

from workflow_scripts.runtime.progress import Silent
from workflow_scripts.steps import claims, figure, report
from workflow_scripts.study.claim_modules import claim_names


def drawn(name: str, paths: dict[str, Path], folder: Path) -> dict[str, list[Path]]:
    """Draw one figure from table files; the files it wrote by what they are."""
    ends = {"pdf": "pdf", "slide": "slide.pdf", "png": "png", "description": "json", "caption": "rst"}
    module = importlib.import_module(f"figures.{name}")
    if figure.is_animated(module):
        ends["gif"] = "gif"
    outputs = {key: [folder / "figures" / f"{name}.{end}"] for key, end in ends.items()}
    figure.run({"figure": name}, {"tables": [paths[table] for table in module.TABLES]}, outputs, Silent())
    return outputs


def judged(paths: dict[str, Path], folder: Path) -> list[Path]:
    """Judge every claim from table files; the file of the verdicts."""
    settings = {
        "study": "demo",
        "departures": {"robustdarts": [["search.epochs", "16", "50"]], "depth": []},
        "claims": claim_names(),
    }
    tables = [path for name, path in paths.items() if name != "architectures"]
    claims.run(settings, {"tables": tables}, {"claims": [folder / "claims.json"]}, Silent())
    return [folder / "claims.json"]


def page(folder: Path, tables: Tables, names: list[str], **changed: Any) -> str:
    """Draw figures and write folder/report.html; its text."""
    paths = example_tables.write(tables, folder)
    outputs = [drawn(name, paths, folder) for name in names]
    settings = {
        "study": "demo",
        "title": "The whole chain",
        "description": "Does weak regularisation let the search collapse?",
        "settings": {"cells": {"l2": [3e-4]}},
        "figures": names,
        "departures": [["search.epochs", "16", "50"]],
        "commands": {"figure": "snakemake --force figures/FIGURE.png", "verify": "audit verify results/demo"},
    }
    inputs = {
        "description": [each["description"][0] for each in outputs],
        "png": [each["png"][0] for each in outputs],
        "gif": [each["gif"][0] for each in outputs if "gif" in each],
        "tables": [path for name, path in paths.items() if name != "architectures"],
        "architectures": [paths["architectures"]],
        "claims": judged(paths, folder),
    }
    report.run({**settings, **changed}, inputs, {"report": [folder / "report.html"]}, Silent())
    return (folder / "report.html").read_text(encoding="utf-8")
