"""The rule of trainings asks which training of the same architecture there is, whose outputs a training can take.

A training that a waiver keeps is of other settings or code: it takes none, and none takes it.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from workflow_scripts.provenance.waivers import Waivers
from workflow_scripts.study.job import Job
from workflow_scripts.study.job_plan import Plan
from workflow_scripts.study.runs import TrainingKey
from workflow_scripts.tables.architectures import genotype_texts
from workflow_scripts.tables.display_names import GENOTYPES


def same_training(plan: Plan, checkpoints: Any) -> Callable[[Any], list[str]]:
    """The function for the rule's input: the outputs of the first training of the same architecture, seed and length.

    None where a training is the first itself. Of an architecture that is selected, or computed with a supernet, none is
    looked for. Raises ValueError, in one sentence, where the file of the group's architectures cannot be read.
    """
    waivers = Waivers(plan.places.results)

    def gathered(group: str) -> Path:
        return Path(plan.job("group_architectures", group=group).outputs["architectures"][0])

    def training(key: TrainingKey) -> Job:
        return plan.job("evaluate_genotype", **{name: str(value) for name, value in key._asdict().items()})

    @cache  # hundreds of trainings ask
    def first_trainings(group: str, changed: int) -> dict[str, TrainingKey]:
        """The first by the name of each training of a group, whose gathered architectures changed then."""
        if group in plan.runs.genotypes:
            keys = plan.runs.genotypes[group]
            genotypes: dict[tuple[str, str], str | None] = {(GENOTYPES, key.run): key.genotype.text() for key in keys}
        else:
            genotypes = _read(gathered(group))
        waived = {key.name for key in plan.runs.trainings[group] if waivers.kept(training(key)) is not None}
        return plan.runs.same_trainings(group, genotypes, waived)

    def paths(wildcards: Any) -> list[str]:
        job, changed = plan.job("evaluate_genotype", **dict(wildcards.items())), 0
        if wildcards.group not in plan.runs.genotypes:
            if not plan.are_read_off(wildcards.group, job.inputs["architecture"]):
                return []
            checkpoints.group_architectures.get(group=wildcards.group)
            changed = gathered(wildcards.group).stat().st_mtime_ns
        name = f"{wildcards.method}/{wildcards.run}/seed-{wildcards.seed}"
        first = training(first_trainings(wildcards.group, changed)[name])
        return [] if first.name == job.name else first.writes

    return paths


def _read(file: Path) -> dict[tuple[str, str], str | None]:
    try:
        return genotype_texts([file])
    except ValueError as error:
        raise ValueError(f"{error}; remove it, and start again") from None
