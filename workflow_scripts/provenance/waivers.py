"""Waivers: results that someone keeps although the code or the settings behind them changed (docs/provenance.md)."""

import json
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import StringConstraints

from workflow_scripts.provenance.identity import planned_identity, text_of
from workflow_scripts.provenance.record import JobName, Record, RecordError, Sha256, Time, digest_of, read_with_bytes
from workflow_scripts.runtime.durable import write_durably
from workflow_scripts.runtime.folders import RECORDS, WAIVERS
from workflow_scripts.runtime.job_command import named_files
from workflow_scripts.runtime.printable import visible
from workflow_scripts.runtime.untrusted_files import found_below, read_regular
from workflow_scripts.runtime.writable_paths import link_on_the_way
from workflow_scripts.study.job import Job
from workflow_scripts.study.job_plan import Plan
from workflow_scripts.study.settings_model import Model


class Waiver(Model):
    """The decision to keep one job's result."""

    version: Literal[1] = 1  # of this schema
    job: JobName
    reason: Annotated[str, StringConstraints(max_length=2000)]  # in the words of who keeps the result
    made: Time
    record: Sha256  # sha256 of the record that is kept
    identity: Sha256  # sha256 of the job's identity text when the waiver was made
    changes: list[str]  # what had changed since the record was written


class Waivers:
    """The waivers of one results folder: `all` that are sound, by job; in `faults` a sentence for any other file."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        self.all: dict[str, Waiver] = {}
        self.faults: list[str] = []
        for path in (each.path for each in found_below(self.root / WAIVERS) if each.path.suffix == ".json"):
            try:
                waiver = Waiver.model_validate(json.loads(read_regular(path)))
                if path != self._file(waiver.job):
                    raise ValueError("it is another job's")
                self.all[waiver.job] = waiver
            except (OSError, ValueError, RecursionError):
                self.faults.append(f"{path}: this is not a waiver; delete it, or make it again with the audit")

    def require_sound(self) -> None:
        """Raise ValueError, in one sentence, for the first file that is not a waiver."""
        if self.faults:
            raise ValueError(self.faults[0])

    def identity(self, job: Job) -> str:
        """A job's identity as Snakemake should take it: as it is now, or, under a waiver, as it was made with."""
        kept = self.kept(job)
        return planned_identity(job) if kept is None else text_of(kept.identity)

    def kept(self, job: Job) -> Record | None:
        """The record that a waiver keeps for a job of the study as it is now; None where none holds."""
        waiver = self.all.get(job.name)
        if waiver is None or waiver.identity != digest_of(planned_identity(job).encode()):
            return None
        with suppress(FileNotFoundError, RecordError):
            record, content = read_with_bytes(self.root / RECORDS / f"{job.name}.json")
            outputs = (self.root / Path(path).relative_to(record.root) for path in record.asked)
            if digest_of(content) == waiver.record and all(path.exists() for path in outputs):
                return record
        return None

    def _file(self, job: str) -> Path:
        return self.root / WAIVERS / f"{job}.json"

    def write(self, waiver: Waiver) -> Path:
        """Put a waiver into force; returns its file. Raises ValueError where a link is on the way to it."""
        file = self._file(waiver.job)
        link = link_on_the_way(self.root, file)
        if link is not None:
            raise ValueError(f"{link}: a link inside a results folder, so no waiver is written there")
        write_durably(file, (json.dumps(waiver.model_dump(), sort_keys=True, indent=1) + "\n").encode())
        return file


def rule_params(plan: Plan) -> Callable[..., dict[str, Any]]:
    """A function from a kind of job and its fixed wildcards to a rule's params: what decides its jobs, and their files.

    Ends the program, in one sentence, for a file that is not a waiver.
    """
    waivers = Waivers(plan.places.results)
    if waivers.faults:
        sys.exit(visible(waivers.faults[0]))

    def params(kind: str, **fixed: str) -> dict[str, Any]:
        def identity(wildcards: Any) -> str:
            return waivers.identity(plan.job(kind, **fixed, **dict(wildcards.items())))

        return {"job": identity, "files": named_files}

    return params
