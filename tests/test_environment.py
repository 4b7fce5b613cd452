"""The conda environment names what jobs import, at the versions of the lock."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
ENVS = ROOT / "envs"


PACKAGES = {"PIL": "pillow", "sklearn": "scikit-learn", "yaml": "pyyaml"}
"""Packages whose name is not that of what is imported."""
COME_ALONG = {"llvmlite", "pydantic_core", "urllib3"}
"""With numba, pydantic and requests."""
NO_JOBS = ("benchmark", "reference", "crate.py", "export_network.py", "head_node.py", "snakemake_start.py", "watching")
NO_JOBS += ("run_locks.py", "watch.py")
"""Measured by hand, and what it is measured against, the exports of the audit and of networks, what watches the machine
where Snakemake runs, Snakemake's start and its locks, and what watches a run."""


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


def pins(lock: str) -> set[str]:
    """The exact versions of a lock, each with the condition it is for."""
    return {line.rstrip(" \\") for line in re.findall(r"^[a-z0-9][^\n]*==[^\n]*", lock, re.MULTILINE)}


def test_the_extra_packages_come_with_the_versions_of_the_lock() -> None:
    locked, extra = (pins((ENVS / name).read_text()) for name in ("requirements.txt", "extras.txt"))
    shared = {pin.partition("==")[0] for pin in locked} & {pin.partition("==")[0] for pin in extra}
    assert {"numpy", "pillow"} <= shared
    # where a Python has one version of several, the condition may be written in another way
    versions = [
        {pin.partition(" ;")[0] for pin in some if pin.partition("==")[0] in shared} for some in (locked, extra)
    ]
    assert versions[1] <= versions[0]


@pytest.mark.parametrize("name", ["requirements.txt", "extras.txt"])
def test_every_line_of_the_lock_has_its_hash_and_names_no_registry(name: str) -> None:
    lock = (ENVS / name).read_text()
    packages = re.findall(r"^[a-z0-9][^\n]*==[^\n]*", lock, re.MULTILINE)
    assert len(packages) > 40
    assert all(line.endswith("\\") for line in packages)
    assert "://" not in lock


# installing -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment that must not be lost, in the folder where the tests stand."""
    (tmp_path / "real/bin").mkdir(parents=True)
    (tmp_path / "real/bin/python").symlink_to(sys.executable)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "real"


def install(folder: str, python: str = sys.executable) -> subprocess.CompletedProcess[str]:
    """Start the installation, of packages that no index has."""
    Path("lock.txt").write_text("uv==0.0.0 \\\n    --hash=sha256:" + "0" * 64 + "\n")
    command = [str(ENVS / "install.sh"), python, "lock.txt", folder]
    environment = {**os.environ, "PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": ""}
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False, env=environment)


def test_an_environment_behind_a_link_is_refused(environment: Path) -> None:
    Path("link").symlink_to(environment)
    done = install("link")
    assert done.returncode == 1
    assert "link is a link to" in done.stderr
    assert (environment / "bin/python").exists()


@pytest.mark.parametrize("python", [sys.executable, "false"])
def test_a_failed_installation_leaves_the_environment_that_is_there(environment: Path, python: str) -> None:
    before = sorted(environment.parent.rglob("*"))
    assert install("real", python).returncode != 0
    assert sorted(environment.parent.rglob("*")) == sorted({*before, environment.parent / "lock.txt"})


def test_nothing_is_installed_beside_a_running_study(environment: Path) -> None:
    Path(".snakemake/locks").mkdir(parents=True)
    Path(".snakemake/locks/0.output.lock").touch()
    done = install("real", "false")
    assert done.returncode == 0
    assert "real stays as it is" in done.stderr


def test_the_status_of_a_running_study_is_printed_with_the_environment_that_is_there(tmp_path: Path) -> None:
    shutil.copytree(ENVS, tmp_path / "envs")
    shutil.copy2(ROOT / "Makefile", tmp_path)
    for place in (".venv/bin", ".snakemake/locks"):
        (tmp_path / place).mkdir(parents=True)
    (tmp_path / ".snakemake/locks/0.output.lock").touch()
    (tmp_path / ".venv/.installed").touch()
    os.utime(tmp_path / ".venv/.installed", (0, 0))
    python = tmp_path / ".venv/bin/python"
    python.write_text("#!/bin/sh\necho printed by the old environment\n")
    python.chmod(0o755)
    # tests run by `make test` are themselves below a make, which would name the folders that it enters
    command = ["make", "--no-print-directory", "status"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=True)
    assert done.stdout == "printed by the old environment\n"
    assert ".venv stays as it is" in done.stderr
    assert sorted(path.name for path in (tmp_path / ".venv").iterdir()) == [".installed", "bin"]
