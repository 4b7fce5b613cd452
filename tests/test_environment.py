"""The conda environment names the versions of the lock."""

import re
from pathlib import Path

import yaml

ENVS = Path(__file__).parents[1] / "envs"


def test_the_conda_environment_has_the_locked_versions() -> None:
    lock = (ENVS / "requirements.txt").read_text()
    environment = yaml.safe_load((ENVS / "environment.yaml").read_text())
    pins = environment["dependencies"][-1]["pip"]
    assert len(pins) > 5
    for pin in pins:
        assert re.search(rf"^{re.escape(pin)}( ;| \\)", lock, re.MULTILINE), f"{pin} is not in the lock"


def test_every_line_of_the_lock_has_its_hash_and_names_no_registry() -> None:
    lock = (ENVS / "requirements.txt").read_text()
    packages = re.findall(r"^[a-z0-9][^\n]*==[^\n]*", lock, re.MULTILINE)
    assert len(packages) > 50
    assert all(line.endswith("\\") for line in packages)
    assert "://" not in lock
