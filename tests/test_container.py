"""The container recipes build the locked environment, as `make` and conda do. They are checked here and not built."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
ENVS = ROOT / "envs"
HADOLINT = Path(sys.executable).with_name("hadolint")
INSTALL = "/opt/envs/install.sh python3 /opt/envs/requirements.txt /opt/environment"
"""The same script, and so the same index, checks of hashes and lock, as `make`."""


def instructions() -> dict[str, list[str]]:
    """The instructions of the Dockerfile, none of which goes on in a second line, by their word."""
    found: dict[str, list[str]] = {}
    for line in (ENVS / "Dockerfile").read_text().splitlines():
        if line and not line.startswith("#"):
            word, _, rest = line.partition(" ")
            found.setdefault(word, []).append(rest)
    return found


def sections() -> dict[str, list[str]]:
    """The sections of the Apptainer recipe; what stands before the first one is `header`."""
    found: dict[str, list[str]] = {"header": []}
    name = "header"
    for line in (ENVS / "Apptainer.def").read_text().splitlines():
        if line.startswith("%"):
            name = line.removeprefix("%")
            found[name] = []
        elif line:
            found[name].append(line.strip())
    return found


def test_both_recipes_install_the_lock_with_the_script_that_make_uses() -> None:
    docker, apptainer = instructions(), sections()
    assert docker["RUN"] == [INSTALL]
    assert apptainer["post"][-1] == INSTALL
    (copied,) = docker["COPY"]
    assert copied == "envs/install.sh envs/index.sh envs/requirements.txt /opt/envs/"
    assert re.findall(r'^source .*?\)/([\w.]+)"', (ENVS / "install.sh").read_text(), re.MULTILINE) == ["index.sh"]
    assert apptainer["files"] == [f"{file} /opt/{file}" for file in copied.split()[:-1]]
    assert "@envs/install.sh $(PYTHON) $< .venv" in (ROOT / "Makefile").read_text()
    assert all((ROOT / file).is_file() for file in copied.split()[:-1])


def test_lock_conda_and_containers_are_of_one_python() -> None:
    (base,) = instructions()["FROM"]
    assert sections()["header"] == ["Bootstrap: docker", f"From: {base}"]
    image = re.fullmatch(r"python:(\d+\.\d+)-slim-\w+", base)
    assert image is not None
    conda = yaml.safe_load((ENVS / "environment.yaml").read_text())["dependencies"]
    assert f"python={image[1]}" in conda
    assert f"--python-version {image[1]} " in (ROOT / "Makefile").read_text()


def test_nobody_is_root_in_a_container() -> None:
    (user,) = instructions()["USER"]
    assert int(user.partition(":")[0]) > 0
    assert "HOME=/tmp" in instructions()["ENV"][-1], "users without an account have no folder for caches"


@pytest.mark.skipif(not HADOLINT.exists(), reason="hadolint is not installed (envs/extras.in)")
def test_the_linter_finds_no_fault() -> None:
    done = subprocess.run([HADOLINT, ENVS / "Dockerfile"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
