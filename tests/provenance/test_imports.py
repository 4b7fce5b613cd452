"""Imports run one way: commands -> steps | benchmark -> cells | depth -> study -> data -> runtime | tables."""

import ast
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BASE = {"runtime", "study", "tables"}
MAY_IMPORT = {
    "tables": set(),
    "runtime": set(),
    "reference": set(),
    "data": {"runtime", "tables"},
    "cluster": {"runtime"},
    "report": {"tables", "runtime.page_template"},
    "verdicts": {"tables"},
    "claims": {"tables", "verdicts"},
    "figures": {"tables", "verdicts.evidence"},
    "study": {"tables", "data.data_set", "data.mirrors", "data.own", "runtime.folders", "runtime.printable"},
    "provenance": {
        *("study", "tables", "data.data_set", "data.fetch", "data.own.facts", "cluster.submission_files"),
        *(
            f"runtime.{name}"
            for name in ("command_line", "durable", "folders", "job_command", "untrusted_files", "writable_paths")
        ),
        *(
            f"runtime.{name}"
            for name in ("job_lock", "module_code", "page_template", "printable", "scheduler_dialects")
        ),
    },
    "cells": BASE | {"data"},
    "depth": BASE | {"data"},
    "steps": BASE | {"cells", "depth", "data", "report", "verdicts"},
    "rehearsal": {"runtime", "study", "provenance", "cluster.submission_files"},
    "publishing": {"runtime", "study", "data.data_set", "provenance"},
    "watching": {"runtime", "study", "tables", "provenance"},
    "benchmark": BASE | {"cells", "depth", "data", "provenance", "reference", "rehearsal.made_up_results"},
    "commands": BASE
    | {"cells", "depth", "data", "report", "provenance", "cluster", "rehearsal", "watching", "benchmark", "publishing"},
}
"""What each package imports besides its own modules, from the lowest floor up: only what comes before it here.

`commands` are the modules of `workflow_scripts` itself; nothing imports them but each other.
"""
# Commands a person types; the others have nothing to do with records.
WITH_RECORDS = {"run", "audit", "status", "plan", "publish", "rehearse", "tidy", "watch", "board"}
LIGHT = (
    "workflow_scripts.cluster.left_running",
    "workflow_scripts.study",
    "workflow_scripts.provenance",
    "workflow_scripts.runtime.command_line",
    "workflow_scripts.runtime.job_command",
    "workflow_scripts.runtime.run_locks",
    "workflow_scripts.runtime.snakemake_start",
)
"""What the Snakefile and the rules may import."""
HEAVY = {"torch", "torchvision", "matplotlib", "seaborn", "sklearn", "scipy"}


def imports_of(path):
    """Every module that a file names in an import, `from a import b` as both a and a.b."""
    named = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            named.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: a relative import hides where it leads"
            named.add(node.module)
            named.update(f"{node.module}.{alias.name}" for alias in node.names)
    return named


def files_of(*parts):
    files = sorted(ROOT.joinpath(*parts).rglob("*.py"))
    assert files, parts
    return files


def under(name, packages):
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def first_party(path):
    """The first-party modules that a file imports, without `workflow_scripts.`; packages on the way left out."""
    named = {name for name in imports_of(path) if under(name, ["workflow_scripts", "figures", "tests"])}
    inner = {name for name in named if not any(other.startswith(f"{name}.") for other in named)}
    return {name.removeprefix("workflow_scripts.") for name in inner}


def modules_of(package):
    """The files of a package by the names of their modules, as `first_party` states them."""
    if package == "commands":
        return {path.stem: path for path in (ROOT / "workflow_scripts").glob("*.py") if path.stem != "__init__"}
    files = files_of(package) if package == "figures" else files_of("workflow_scripts", package)
    top = ROOT if package == "figures" else ROOT / "workflow_scripts"
    return {".".join(path.relative_to(top).with_suffix("").parts): path for path in files}


def test_the_table_of_packages_is_complete_and_goes_one_way():
    folders = {path.parent.name for path in (ROOT / "workflow_scripts").glob("*/__init__.py")}
    assert folders == set(MAY_IMPORT) - {"figures", "commands"}
    packages = list(MAY_IMPORT)
    for number, package in enumerate(packages):
        assert {name.partition(".")[0] for name in MAY_IMPORT[package]} <= set(packages[:number]), package


DRAWN_BY = {"figure": ("figures.style",), "depth_run_picture": ("figures.style", "figures.depth_run")}


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_package_imports_only_what_lies_below_it(package):
    modules = modules_of(package)
    own = set(modules) if package == "commands" else {package}
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules.values()
        for name in first_party(path)
        if not under(name, MAY_IMPORT[package] | own)
        and not (package == "steps" and name in DRAWN_BY.get(path.stem, ()))
    ]
    assert wrong == []


def test_no_module_imports_itself_by_way_of_others():
    modules = {name: path for package in MAY_IMPORT for name, path in modules_of(package).items()}
    graph = {}
    for module, path in modules.items():
        named = {name.removeprefix("workflow_scripts.") for name in imports_of(path)}
        graph[module] = named & set(modules)
    assert "provenance.verify" in graph["audit"]
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def test_the_two_systems_never_import_each_other():
    for one, other in (("cells", "depth"), ("depth", "cells")):
        named = {name for path in files_of("workflow_scripts", one) for name in imports_of(path)}
        assert [name for name in named if under(name, [f"workflow_scripts.{other}"])] == []


def test_figures_import_their_style_tables_and_libraries():
    below = ["tables", "verdicts.evidence", "figures.style", "figures.cell_graph", "figures.over_seeds"]
    for path in files_of("figures"):
        wrong = [name for name in first_party(path) if not under(name, below)]
        assert wrong == [], path.name
        assert not any(under(name, ["torch"]) for name in imports_of(path)), path.name


def test_only_the_wrapper_and_commands_on_records_import_provenance():
    importers = {
        path.relative_to(ROOT).with_suffix("").as_posix()
        for path in [*files_of("workflow_scripts"), *files_of("figures")]
        if any(under(name, ["workflow_scripts.provenance"]) for name in imports_of(path))
    }
    aside = (
        "workflow_scripts/provenance/",
        "workflow_scripts/benchmark/",
        "workflow_scripts/rehearsal/",
        "workflow_scripts/watching/",
        "workflow_scripts/publishing/",
    )
    outside = {name for name in importers if not name.startswith(aside)}
    assert "workflow_scripts/run" in outside
    assert outside <= {f"workflow_scripts/{name}" for name in WITH_RECORDS}


def test_rules_import_settings_and_identities_only():
    """Snakemake parses them again in every cluster job."""
    for path in [ROOT / "Snakefile", *sorted((ROOT / "rules").glob("*.smk"))]:
        named = re.findall(r"^\s*(?:from|import) +([\w.]+)", path.read_text(), flags=re.MULTILINE)
        wrong = [
            name for name in named if under(name, ["workflow_scripts", "figures", *HEAVY]) and not under(name, LIGHT)
        ]
        assert wrong == [], path.name


@pytest.mark.parametrize("package", ["tables", "study", "provenance"])
def test_light_packages_name_no_heavy_library(package):
    for path in files_of("workflow_scripts", package):
        assert not any(under(name, HEAVY) for name in imports_of(path)), path.name


def loaded_by(modules):
    code = f"import sys, {modules}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_what_the_snakefile_loads_is_light():
    loaded = loaded_by(
        "workflow_scripts.study.job_plan, workflow_scripts.study.open_study, workflow_scripts.provenance.staleness"
    )
    assert "pydantic" in loaded
    assert loaded & HEAVY == set()


def test_the_wrapper_loads_no_numerical_library_before_it_set_the_number_of_threads():
    assert loaded_by("workflow_scripts.run") & (HEAVY | {"numpy", "pandas"}) == set()
