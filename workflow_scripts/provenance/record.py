"""The record of a job: what it read, what it wrote, and everything that decided it.

Records link by content: an input's sha256 is an output's sha256 in another record. The fields are a fixed list; no
part of the environment is copied wholesale.
"""

import json
import os
import platform
import socket
import subprocess
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from workflow_scripts.provenance.code_digest import ROOT
from workflow_scripts.tables.files import sha256_of

VERSION = 1
PACKAGES = (
    *(
        "snakemake",
        "torch",
        "torchvision",
        "numba",
        "llvmlite",
        "numpy",
        "scipy",
        "pandas",
        "scikit-learn",
        "matplotlib",
        "seaborn",
    ),
    *("pydantic", "pyyaml", "jinja2"),
)
GPU_DRIVER = Path("/sys/module/nvidia/version")
LOCK_FILE = ROOT / "envs" / "requirements.txt"

NamedPaths = Mapping[str, Iterable[Path]]


def file_facts(paths: NamedPaths) -> list[dict[str, Any]]:
    """Name, path, sha256 and size in bytes of every file; a folder stands for the files inside, sorted."""
    facts = []
    for name, group in paths.items():
        for path in group:
            inside = sorted(part for part in path.rglob("*") if part.is_file()) if path.is_dir() else [path]
            for file in inside:
                if file.name != ".snakemake_timestamp":
                    size = file.stat().st_size
                    facts.append({"name": name, "path": file.as_posix(), "sha256": sha256_of(file), "bytes": size})
    return facts


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def software() -> dict[str, Any]:
    """Versions of Python and the packages that can touch a number, and the lock file's digest."""
    versions: dict[str, str | None] = {}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = None
    return {
        "python": platform.python_version(),
        "packages": versions,
        "lock_sha256": sha256_of(LOCK_FILE) if LOCK_FILE.is_file() else None,
    }


def machine() -> dict[str, Any]:
    """The host, its processor, the version of its GPU driver and its scheduler's job number."""
    return {
        "host": socket.gethostname(),
        "system": platform.platform(),
        "processor": _processor(),
        "gpu_driver": GPU_DRIVER.read_text().strip() if GPU_DRIVER.is_file() else None,
        "scheduler_job": os.environ.get("SLURM_JOB_ID"),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def git_state() -> dict[str, Any]:
    """The commit checked out and whether tracked files differ from it; both None outside a git checkout."""
    commit = _git("rev-parse", "HEAD")
    status = _git("status", "--porcelain", "--untracked-files=no")
    return {"commit": commit, "dirty": None if status is None else bool(status)}


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def write_record(path: Path, record: Mapping[str, Any]) -> None:
    """Write a record as canonical JSON, atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(record, sort_keys=True, indent=1, allow_nan=False) + "\n")
    os.replace(temporary, path)
