"""The params of a rule: what decides its jobs, and how their command names the files."""

from collections.abc import Callable
from typing import Any

from workflow_scripts.provenance.waivers import open_waivers
from workflow_scripts.runtime.job_command import named_files
from workflow_scripts.study.job_plan import Plan


def rule_params(plan: Plan) -> Callable[..., dict[str, Any]]:
    """A function from a kind of job and its fixed wildcards to the rule's params."""
    waivers = open_waivers(plan.places.results)

    def params(kind: str, **fixed: str) -> dict[str, Any]:
        def identity(wildcards: Any) -> str:
            return waivers.identity(plan.job(kind, **fixed, **dict(wildcards.items())))

        return {"job": identity, "files": named_files}

    return params
