"""The conda environment names what jobs import, at the versions of the lock."""

import ast
import re
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
ENVS = ROOT / "envs"


PACKAGES = {"PIL": "pillow", "sklearn": "scikit-learn", "yaml": "pyyaml"}
"""Packages whose name is not that of what is imported."""
COME_ALONG = {"pydantic_core", "urllib3"}
"""With pydantic and requests."""
NO_JOBS = ("benchmark", "crate.py", "head_node.py")
"""What is measured by hand, the audit's export, and what watches the machine where Snakemake runs."""


def imported_by_jobs() -> set[str]:
    """The packages that jobs import."""
    files = [*(ROOT / "workflow_scripts").rglob("*.py"), *(ROOT / "figures").glob("*.py")]
    named = set()
    for file in (file for file in files if not set(file.parts) & set(NO_JOBS)):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                named.update(alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                named.add(str(node.module).partition(".")[0])
    third_party = named - set(sys.stdlib_module_names) - {"workflow_scripts", "figures"} - COME_ALONG
    return {PACKAGES.get(name, name) for name in third_party}


def test_the_conda_environment_has_the_locked_versions() -> None:
    lock = (ENVS / "requirements.txt").read_text()
    environment = yaml.safe_load((ENVS / "environment.yaml").read_text())
    pins = environment["dependencies"][-1]["pip"]
    for pin in pins:
        assert re.search(rf"^{re.escape(pin)}( ;| \\)", lock, re.MULTILINE), f"{pin} is not in the lock"
    assert {pin.partition("==")[0] for pin in pins} == imported_by_jobs()


def test_every_line_of_the_lock_has_its_hash_and_names_no_registry() -> None:
    lock = (ENVS / "requirements.txt").read_text()
    packages = re.findall(r"^[a-z0-9][^\n]*==[^\n]*", lock, re.MULTILINE)
    assert len(packages) > 50
    assert all(line.endswith("\\") for line in packages)
    assert "://" not in lock
