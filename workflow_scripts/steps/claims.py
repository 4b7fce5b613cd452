"""Step: the verdict of a study's tables on each claim of the papers.

A claim module in `workflow_scripts/claims/` offers `judge`, from tables to a verdict. One that states
`PAPER_SCALE_ONLY = True` is undecided in every study whose settings are not all the paper's.
"""

import importlib
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd

from workflow_scripts.runtime.progress import Progress
from workflow_scripts.tables.catalogue import TABLES
from workflow_scripts.tables.claims_file import VERSION, write_claims
from workflow_scripts.tables.display_names import count
from workflow_scripts.tables.files import sha256_of
from workflow_scripts.verdicts.verdict import Finding, Verdict


def run(
    settings: dict[str, Any], inputs: dict[str, list[Path]], outputs: dict[str, list[Path]], progress: Progress
) -> None:
    """Judge settings["claims"], the names of claim modules, from the inputs `tables`; writes the output `claims`.

    settings["departures"] has by paper the settings that differ from its own.
    """
    paths = {path.stem: path for path in inputs["tables"]}
    tables = {name: TABLES[name].read(path) for name, path in paths.items()}
    modules = {name: _module(name) for name in settings["claims"]}
    judged = [_entry(name, module, tables, settings["departures"]) for name, module in modules.items()]
    content = {
        "version": VERSION,
        "study": settings["study"],
        "departures": settings["departures"],
        "tables": {name: sha256_of(path) for name, path in paths.items()},
        "claims": judged,
    }
    write_claims(outputs["claims"][0], content)
    words = [entry["verdict"] for entry in judged]
    progress.say(", ".join(f"{words.count(word)} {word}" for word in ("holds", "fails", "undecided")))


def _module(name: str) -> ModuleType:
    if not name.isidentifier():
        raise ValueError(f"{name} is not the name of a claim")
    return importlib.import_module(f"workflow_scripts.claims.{name}")


def _entry(
    name: str, module: ModuleType, tables: dict[str, pd.DataFrame], departures: dict[str, list[Any]]
) -> dict[str, Any]:
    found = _judged(module, tables, departures[module.PAPER])
    return {
        "name": name,
        "paper": module.PAPER,
        "place": module.PLACE,
        "statement": module.STATEMENT,
        "figure": module.FIGURE,
        "verdict": found.word,
        "reason": found.reason,
        "evidence": [_evidence(finding) for finding in found.findings],
    }


def _judged(module: ModuleType, tables: dict[str, pd.DataFrame], departures: list[Any]) -> Verdict:
    absent = [table for table in module.TABLES if table not in tables]
    if absent:
        return Verdict("undecided", f"not measured: the study has no table {' and no table '.join(absent)}")
    found: Verdict = module.judge({table: tables[table] for table in module.TABLES})
    if getattr(module, "PAPER_SCALE_ONLY", False) and departures and found.findings:
        differ = f"{count(len(departures), 'setting differs', 'settings differ')} from the paper's"
        return replace(found, word="undecided", reason=f"it is about the paper's own scale, and {differ}")
    return found


def _evidence(finding: Finding) -> dict[str, Any]:
    evidence = finding.evidence
    return {
        "what": evidence.what,
        "each": evidence.each,
        "kind": evidence.kind,
        "values": evidence.values,
        "step": evidence.step,
        "claimed": [evidence.least, evidence.most],
        "effect": finding.effect,
        "interval": finding.interval,
        "word": finding.word,
    }
