"""The identity of a job: its step, its settings and the digest of the code it runs, as one canonical text.

Snakemake gets this text as a rule's only parameter, so it reruns a job exactly when one of the three changed. The code
is the step's modules, transitively; what only surrounds a step is left out (`OUTSIDE`).
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from workflow_scripts.runtime.module_code import ROOT, module_digests
from workflow_scripts.study.settings_model import Model, canonical

if TYPE_CHECKING:  # the wrapper, which needs this module, sets the number of threads before numpy is loaded
    from workflow_scripts.study.job import Job

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


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Identity:
    """A parsed identity. `modules` are the modules chosen by name at run time, which imports do not show."""

    step: str
    settings: dict[str, Any]
    modules: tuple[str, ...]
    code: str


def identity_text(step: str, settings: Model | Mapping[str, Any], modules: Sequence[str] = ()) -> str:
    """The canonical text of a job's identity with the code as it is now."""
    plain = settings.model_dump(mode="json") if isinstance(settings, Model) else dict(settings)
    return text_of(Identity(step, plain, tuple(modules), _code(step, tuple(modules))[1]))


def planned_identity(job: "Job") -> str:
    """As `identity_text`, of a planned job."""
    return identity_text(job.step, job.settings, job.modules)


def text_of(identity: Identity) -> str:
    """The canonical text of an identity."""
    return canonical(vars(identity))


def parse_identity(text: str) -> Identity:
    """The parts of an identity text. Raises ValueError for any other text."""
    try:
        return Identity(**json.loads(text))
    except (TypeError, ValueError, RecursionError):
        raise ValueError("a job's identity has the keys step, settings, modules and code") from None


def step_code(step: str, modules: Sequence[str] = ()) -> dict[str, str]:
    """The digests of the modules a step runs."""
    return dict(_code(step, tuple(modules))[0])


@cache  # a study has thousands of jobs of a dozen steps
def _code(step: str, modules: tuple[str, ...]) -> tuple[dict[str, str], str]:
    """The digests of the modules a step runs, and the one over them."""
    digests = code_digests([f"workflow_scripts.steps.{step}", *modules])
    return digests, combined(digests)


def code_digests(modules: Iterable[str], root: Path = ROOT) -> dict[str, str]:
    """The digests of the modules that decide numbers, among the given ones and what they import (`module_digests`)."""
    return module_digests(modules, root, is_outside)


def combined(digests: Mapping[str, str]) -> str:
    """One digest over the digests of modules."""
    lines = "".join(f"{name} {digest}\n" for name, digest in sorted(digests.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def is_outside(module: str) -> bool:
    """Whether a module is on the list of those that decide no number."""
    return any(module == name or module.startswith(f"{name}.") for name in OUTSIDE)
