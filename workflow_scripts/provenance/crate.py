"""A results folder as a Provenance Run Crate 0.5 (RO-Crate), so that other tools can read where results came from.

The crate holds the files at the paths that records state, so that `audit verify` works inside it too. Profiles:
https://w3id.org/ro/wfrun/provenance/0.5 and those it rests on.
"""

import warnings
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rocrate.model.contextentity import ContextEntity
from rocrate.rocrate import ROCrate

from workflow_scripts.provenance.code_digest import ROOT
from workflow_scripts.provenance.ledger import Entry, Ledger
from workflow_scripts.provenance.record import InputFile, OutputFile
from workflow_scripts.provenance.verify import VIEWS, verify

PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/ro/wfrun/provenance/0.5": "Provenance Run Crate",
}
TERMS = "https://w3id.org/ro/terms/workflow-run/context"
LICENCE = "https://spdx.org/licenses/Apache-2.0"
COMPLETED = "http://schema.org/CompletedActionStatus"


def export(ledger: Ledger, target: Path) -> None:
    """Write the crate of a results folder into a new folder `target`.

    Raises ValueError where that is not empty or lies in the results folder, and where a file is not what its record
    tells of, since a crate states checksums.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ValueError(f"{target}: it exists already; name a new folder for the crate")
    if target.resolve().is_relative_to(ledger.folder.resolve()):
        raise ValueError(f"{target}: it lies in the results folder; name a folder elsewhere")
    unsound = [finding for finding in verify(ledger, None).findings if finding.kind != "stale"]
    if unsound:
        raise ValueError(f"only sound results are exported, and there are {len(unsound)} findings; first, {unsound[0]}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library warns of every file that is described but was copied away
        _Builder(ledger).crate.write(target)


class _Builder:
    """The crate, entity by entity."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.crate = ROCrate(version="1.1")  # the version that the profiles rest on
        self.entries = list(ledger.entries())
        self._describe()
        described = {"@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"], "name": "Snakefile"}
        self.workflow = self.crate.add_workflow(
            ROOT / "Snakefile", "Snakefile", main=True, lang="snakemake", properties=described
        )
        self.files = {each.path: self._file(each) for each in self._all_files()}
        self._add_records()
        order = list(dict.fromkeys(entry.record.step for entry in self.entries))
        self.steps = {step: self._step(number, step) for number, step in enumerate(order, start=1)}
        self.workflow["step"] = list(self.steps.values())
        self.workflow["hasPart"] = [self._tool(step) for step in order]
        controls = [self._run(entry) for entry in self.entries]
        self._whole_run(controls)

    def _describe(self) -> None:
        reports = [entry.record.settings for entry in self.entries if entry.record.step == "report"]
        told = reports[0] if reports else {}
        self.crate.name = told.get("title", self.ledger.root)
        self.crate.description = told.get("description", f"Results of {self.ledger.root}, with their provenance")
        self.crate.license = LICENCE
        self.crate.datePublished = max(entry.record.ended for entry in self.entries)
        for address, name in PROFILES.items():
            properties = {"@type": "CreativeWork", "name": name, "version": address.rpartition("/")[2]}
            profile = self.crate.add(ContextEntity(self.crate, address, properties=properties))
            self.crate.root_dataset.append_to("conformsTo", profile)
        self.crate.metadata.extra_contexts.append(TERMS)

    def _all_files(self) -> Iterable[OutputFile]:
        found: dict[str, OutputFile] = {}
        for entry in self.entries:
            found.update((each.path, each) for each in (*entry.record.inputs, *entry.record.outputs))
        return found.values()

    def _file(self, each: OutputFile) -> Any:
        """A file with its checksum; one that is not at hand is described under a name made of its checksum."""
        properties = {"name": each.path, "contentSize": str(each.bytes), "sha256": each.sha256}
        place = self.ledger.at(each.path)
        if place is not None and place.is_file():
            return self.crate.add_file(place, each.path, properties=properties)
        identifier = f"#sha256-{each.sha256}"
        properties |= {"@type": "CreativeWork", "alternateName": each.path}
        return self.crate.add(ContextEntity(self.crate, identifier, properties=properties))

    def _add_records(self) -> None:
        """Records and views, so that the crate can be verified without us."""
        for name in ("records", "linked_records", "waivers", "attempts", "logs"):
            for place in sorted((self.ledger.folder / name).rglob("*")):
                if place.is_file() and not place.name.startswith("."):
                    inside = place.relative_to(self.ledger.folder).as_posix()
                    self.crate.add_file(place, f"{self.ledger.root}/{inside}")
        for entry in self.ledger.data.values():
            self.crate.add_file(entry.file, f"{entry.record.root}/records/{entry.record.job}.json")
        for view in VIEWS:
            path = f"{self.ledger.root}/{view}"
            if path not in self.files and (self.ledger.folder / view).is_file():
                self.crate.add_file(self.ledger.folder / view, path)

    @cache  # noqa: B019  the builder lives as long as one export
    def _tool(self, step: str) -> Any:
        properties = {"@type": "SoftwareApplication", "name": f"workflow_scripts.steps.{step}"}
        return self.crate.add(ContextEntity(self.crate, f"#tool-{step}", properties=properties))

    @cache  # noqa: B019
    def _parameter(self, step: str, direction: str, key: str) -> Any:
        identifier = f"#{direction}-{step}-{quote(key, safe='')}"
        parameter = self.crate.add_formal_parameter(key, "File", identifier)
        self._tool(step).append_to(direction, parameter)
        return parameter

    def _step(self, number: int, step: str) -> Any:
        properties = {"@type": "HowToStep", "name": step, "position": str(number)}
        entity = self.crate.add(ContextEntity(self.crate, f"#step-{step}", properties=properties))
        entity["workExample"] = self._tool(step)
        return entity

    def _run(self, entry: Entry) -> Any:
        """One job's action; returns the action of the workflow engine that started it."""
        record = entry.record
        name = quote(f"{record.root}/{record.job}", safe="")
        properties: dict[str, Any] = {
            "@type": "CreateAction",
            "name": record.job,
            "startTime": record.started,
            "endTime": record.ended,
            "actionStatus": COMPLETED,
        }
        action = self.crate.add_action(self._tool(record.step), f"#run-{name}", properties=properties)
        for key in ("input", "output"):
            files: Iterable[InputFile | OutputFile] = record.inputs if key == "input" else record.outputs
            entities = []
            for each in files:
                entity = self.files[each.path]
                parameter = self._parameter(record.step, key, each.name)
                if parameter not in _as_list(entity.get("exampleOfWork")):
                    entity.append_to("exampleOfWork", parameter)
                entities.append(entity)
            if entities:
                action["object" if key == "input" else "result"] = entities
        control = {"@type": "ControlAction", "name": f"orchestrate {record.job}"}
        entity = self.crate.add(ContextEntity(self.crate, f"#control-{name}", properties=control))
        entity["instrument"] = self.steps[record.step]
        entity["object"] = action
        return entity

    def _whole_run(self, controls: list[Any]) -> None:
        """The run of the workflow as a whole, and the engine's part in it."""
        records = [entry.record for entry in self.entries]
        times = {"startTime": min(each.started for each in records), "endTime": max(each.ended for each in records)}
        read = {each.path for record in records for each in record.inputs}
        made = {each.path for record in records for each in record.outputs}
        properties = {"@type": "CreateAction", "name": f"run of {self.ledger.root}", "actionStatus": COMPLETED, **times}
        run = self.crate.add_action(self.workflow, "#run", properties=properties)
        sources, results = sorted(read - made), sorted(made - read)
        if sources:
            run["object"] = [self.files[path] for path in sources]
        run["result"] = [self.files[path] for path in results]
        version = next((record.software.packages.get("snakemake") for record in records), None)
        engine = {"@type": "SoftwareApplication", "name": "Snakemake", "softwareVersion": version or "unknown"}
        organise = {"@type": "OrganizeAction", "name": f"Snakemake ran {self.ledger.root}", **times}
        entity = self.crate.add(ContextEntity(self.crate, "#organize", properties=organise))
        entity["instrument"] = self.crate.add(ContextEntity(self.crate, "#snakemake", properties=engine))
        entity["object"] = controls
        entity["result"] = run
        self.crate.root_dataset["mentions"] = run


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
