"""What a record says of where its job ran: software and its versions, machine, git checkout."""

import os
import platform
import socket
import subprocess
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

from workflow_scripts.runtime.module_code import ROOT
from workflow_scripts.runtime.scheduler_dialects import scheduler_job
from workflow_scripts.tables.files import sha256_of

PACKAGES = (
    *("snakemake", "torch", "torchvision", "numba", "llvmlite", "numpy", "scipy", "pandas", "scikit-learn"),
    *("matplotlib", "seaborn", "pydantic", "pyyaml", "jinja2"),
)
GPU_DRIVER = Path("/sys/module/nvidia/version")
LOCK_FILE = ROOT / "envs" / "requirements.txt"


def software() -> dict[str, Any]:
    """Versions of Python and the packages that can touch a number, and the lock file's digest."""
    versions: dict[str, str | None] = dict.fromkeys(PACKAGES)
    for package in PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    lock = sha256_of(LOCK_FILE) if LOCK_FILE.is_file() else None
    return {"python": platform.python_version(), "packages": versions, "lock_sha256": lock}


def machine() -> dict[str, Any]:
    """The host, its processor, the version of its GPU driver and its scheduler's job number."""
    return {
        "host": socket.gethostname(),
        "system": platform.platform(),
        "processor": _processor(),
        "gpu_driver": GPU_DRIVER.read_text().strip() if GPU_DRIVER.is_file() else None,
        "scheduler_job": scheduler_job(os.environ),
    }


def _processor() -> str:
    with suppress(OSError):
        models = (line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name"))
        return next((line.split(":", 1)[1].strip() for line in models), platform.machine())
    return platform.processor()


def git_state() -> dict[str, Any]:
    """The commit checked out and whether tracked files differ from it; both None outside a git checkout."""
    commit = _git("rev-parse", "HEAD")
    status = _git("status", "--porcelain", "--untracked-files=no")
    return {"commit": commit, "dirty": None if status is None else bool(status)}


def _git(*arguments: str) -> str | None:
    with suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=30, check=True)
        return done.stdout.strip()
    return None
