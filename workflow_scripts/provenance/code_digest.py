"""The digest of the code a step runs: its modules, transitively. What only surrounds a step is left out (`OUTSIDE`)."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from workflow_scripts.runtime.module_code import ROOT, module_digests

# The wrapper, the settings models (resolved settings are the identity themselves), progress reports, how files are
# written and locked, whose job this is, and the fetching of files, which are verified, decide no number: editing them
# makes nothing stale.
OUTSIDE = (
    "workflow_scripts.run",
    "workflow_scripts.provenance",
    "workflow_scripts.study",
    "workflow_scripts.runtime.progress",
    "workflow_scripts.runtime.confined",
    "workflow_scripts.runtime.failures",
    "workflow_scripts.runtime.job_lock",
    "workflow_scripts.runtime.device_lease",
    "workflow_scripts.runtime.checkpoint",
    "workflow_scripts.runtime.durable",
    "workflow_scripts.runtime.locks",
    "workflow_scripts.runtime.module_code",
    "workflow_scripts.runtime.scheduler_dialects",
    "workflow_scripts.runtime.signals",
    "workflow_scripts.data.fetch",
)


def code_digests(modules: Iterable[str], root: Path = ROOT) -> dict[str, str]:
    """The digests of the modules that decide numbers, among the given ones and what they import (`module_digests`)."""
    return module_digests(modules, root, is_outside)


def combined(digests: dict[str, str]) -> str:
    """One digest over the digests of modules."""
    lines = "".join(f"{name} {digest}\n" for name, digest in sorted(digests.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def is_outside(module: str) -> bool:
    """Whether a module is on the list of those that decide no number."""
    return any(module == name or module.startswith(name + ".") for name in OUTSIDE)
