"""The identity of a job: its step, its settings and the digest of the code it runs, as one canonical text.

Snakemake gets this text as a rule's only parameter, so it reruns a job exactly when one of the three changed.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from workflow_scripts.provenance.code_digest import code_digests, combined
from workflow_scripts.study.settings_model import Model, canonical

if TYPE_CHECKING:  # the wrapper, which needs this module, sets the number of threads before numpy is loaded
    from workflow_scripts.study.job import Job


@dataclass(frozen=True)
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
    """The canonical text of a planned job's identity with the code as it is now."""
    return identity_text(job.step, job.settings, job.modules)


def text_of(identity: Identity) -> str:
    """The canonical text of an identity."""
    return canonical(vars(identity))


def parse_identity(text: str) -> Identity:
    """The parts of an identity text. Raises ValueError for any other text."""
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    if not isinstance(value, dict) or set(value) != {"step", "settings", "modules", "code"}:
        raise ValueError("a job's identity has the keys step, settings, modules and code")
    kinds = {"step": str, "settings": dict, "modules": list, "code": str}
    wrong = [key for key, kind in kinds.items() if not isinstance(value[key], kind)]
    if wrong or not all(isinstance(module, str) for module in value["modules"]):
        raise ValueError(f"{(wrong or ['modules'])[0]} of a job's identity is not as a rule writes it")
    return Identity(value["step"], value["settings"], tuple(value["modules"]), value["code"])


def step_code(step: str, modules: Sequence[str] = ()) -> dict[str, str]:
    """The digests of the modules a step runs."""
    return dict(_code(step, tuple(modules))[0])


@cache  # a study has thousands of jobs of a dozen steps
def _code(step: str, modules: tuple[str, ...]) -> tuple[dict[str, str], str]:
    """The digests of the modules a step runs, and the one over them."""
    digests = code_digests([f"workflow_scripts.steps.{step}", *modules])
    return digests, combined(digests)
