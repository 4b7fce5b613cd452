"""A results folder as a Provenance Run Crate 0.5 (RO-Crate), so that other tools can read where results came from.

What it holds: docs/provenance.md, Export. Records come from strangers, so what they say goes into the crate's metadata
as plain text. Profiles: https://w3id.org/ro/wfrun/provenance/0.5 and those it rests on.
"""

import errno
import os
import shutil
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO
from urllib.parse import quote

from rocrate.model.contextentity import ContextEntity
from rocrate.rocrate import ROCrate

from workflow_scripts.provenance.ledger import Ledger, read_ledger
from workflow_scripts.provenance.record import OutputFile, Record, lies_at
from workflow_scripts.provenance.signature import signatures_in
from workflow_scripts.provenance.verify import require_sound
from workflow_scripts.runtime.folders import INPUT_RECORDS, RECORDS, WAIVERS
from workflow_scripts.runtime.module_code import ROOT
from workflow_scripts.runtime.untrusted_files import found_below
from workflow_scripts.study.places import DATA_ROOT
from workflow_scripts.tables.files import sha256_of

PROFILES = {
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/ro/wfrun/provenance/0.5": "Provenance Run Crate",
}
TERMS = "https://w3id.org/ro/terms/workflow-run/context"
LICENCE = "https://spdx.org/licenses/Apache-2.0"
PLAIN = str.maketrans("<>", "\u2039\u203a")
"""Angle brackets, and the single angle quotation marks that are written for them."""
COMPLETED = "http://schema.org/CompletedActionStatus"
LEADS_ELSEWHERE = (errno.ELOOP, errno.ENOTDIR, errno.ENXIO)
"""What opening a link, or a folder that is one, fails with; and a socket."""


def export(
    ledger: Ledger, target: Path, authors: Sequence[str] = (), documents: Mapping[str, str] | None = None
) -> None:
    """Write the crate of a results folder into a new folder `target`, which is there whole or not at all.

    A crate with `documents`, text by file name, is one that is handed on: it has them in its root, and no data sets,
    whose terms may forbid that. Raises ValueError where `target` is not empty or lies in the results folder, where a
    file does not match its record, since a crate states checksums, where it is not a regular file, and where a
    report's title is not text.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ValueError(f"{target}: it exists already; name a new folder for the crate")
    if Path(os.path.realpath(target)).is_relative_to(ledger.folder.resolve()):
        raise ValueError(f"{target}: it lies in the results folder; name a folder elsewhere")
    require_sound(ledger, "exported")
    place = Path(os.path.realpath(target))
    aside = place.with_name(f".{place.name}.{os.getpid()}")
    try:
        aside.mkdir(parents=True)
        _Builder(ledger, aside, authors, documents).crate.metadata.write(aside)
        if read_ledger(aside / ledger.root).root_digest != ledger.root_digest:
            raise ValueError(f"{ledger.folder}: its records changed while they were copied; export it again")
        os.replace(aside, place)
    except OSError as error:
        if str(error.filename).startswith(str(aside)):
            raise OSError(error.errno, error.strerror, str(target)) from None
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


class _Builder:
    """The crate, entity by entity, and its files, which are copied into `folder`."""

    def __init__(
        self, ledger: Ledger, folder: Path, authors: Sequence[str], documents: Mapping[str, str] | None
    ) -> None:
        self.ledger, self.folder, self.with_data = ledger, folder, documents is None
        self.crate = ROCrate(version="1.1")  # the version that the profiles rest on
        self.records = [entry.record for entry in ledger.entries()]
        self._describe()
        about = {"@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"], "name": "Snakefile"}
        (folder / self.crate.metadata.id).touch()  # its place is taken, by no file of a record
        copy_regular(ROOT, "Snakefile", folder / "Snakefile")
        self._add_documents(authors, documents or {})
        self.workflow = self.crate.add_workflow(dest_path="Snakefile", main=True, lang="snakemake", properties=about)
        # Every content that a record names: a stale job read another than there is now.
        named = {_key(each): each for record in self.records for each in (*record.inputs, *record.outputs)}
        self.files = {key: self._file(each) for key, each in named.items()}
        self._add_records()
        order = list(dict.fromkeys(record.step for record in self.records))
        self.steps = {step: self._step(number, step) for number, step in enumerate(order, start=1)}
        self.workflow["step"] = list(self.steps.values())
        self.workflow["hasPart"] = [self._tool(step) for step in order]
        self._whole_run([self._run(record) for record in self.records])

    def _describe(self) -> None:
        self.crate.name, self.crate.description = stated_title(self.ledger)
        self.crate.license = LICENCE
        self.crate.datePublished = max(record.ended for record in self.records)
        for address, name in PROFILES.items():
            profile = self._add(address, "CreativeWork", name, version=address.rpartition("/")[2])
            self.crate.root_dataset.append_to("conformsTo", profile)
        self.crate.metadata.extra_contexts.append(TERMS)

    def _add_documents(self, authors: Sequence[str], documents: Mapping[str, str]) -> None:
        """Texts in the root of the crate, before all that is copied to it; and who made the results."""
        for name, content in documents.items():
            (self.folder / name).write_text(content, encoding="utf-8")
            form = "text/markdown" if name.endswith(".md") else "text/plain"
            added = self.crate.add_file(dest_path=name, properties={"name": name, "encodingFormat": form})
            if name == "README.md":
                added["about"] = self.crate.root_dataset
        if authors:
            people = enumerate(authors, start=1)
            self.crate.root_dataset["author"] = [self._add(f"#author-{n}", "Person", _text(name)) for n, name in people]

    def _add(self, identifier: str, kind: str, name: str, **more: Any) -> Any:
        properties = {"@type": kind, "name": name, **more}
        return self.crate.add(ContextEntity(self.crate, identifier, properties=properties))

    def _file(self, each: OutputFile) -> Any:
        """A file with its checksum; one that is not at hand is described under a name made of its checksum."""
        properties = {"name": _text(each.path), "contentSize": str(each.bytes), "sha256": each.sha256}
        place, maker = self.ledger.location(each.path), self.ledger.makers.get(each.path)
        is_now = maker is None or maker.outputs[each.path].sha256 == each.sha256
        handed_on = self.with_data or not lies_at(each.path, DATA_ROOT)
        # A source may be thrown away; what a job wrote is there, or was when it was verified.
        if handed_on and is_now and place is not None and (maker is not None or os.path.lexists(place)):
            properties["contentSize"] = str(self._copy(place, each.path, each.sha256))
            return self.crate.add_file(dest_path=each.path, properties=properties)
        identifier = f"#sha256-{each.sha256}"
        properties |= {"@type": "CreativeWork", "alternateName": _text(each.path)}
        return self.crate.add(ContextEntity(self.crate, identifier, properties=properties))

    def _copy(self, place: Path, path: str, sha256: str | None = None) -> int:
        """Copy a file to its path in the crate, past no link in the results folder; returns its size in bytes."""
        start = self.ledger.folder
        if not place.is_relative_to(start):
            place = place.resolve()  # data may be kept elsewhere, behind a link; its content is the recorded one
            start = place.parent
        return copy_regular(start, place.relative_to(start).as_posix(), self.folder / path, sha256)

    def _add_records(self) -> None:
        """Records, waivers and signatures, so that the crate can be verified without us."""
        here = self.ledger.folder
        found = [each.path for name in (RECORDS, INPUT_RECORDS, WAIVERS) for each in found_below(here / name)]
        files = [file for file in found if file.suffix == ".json"]
        files += [each.file for each in signatures_in(here)]
        added = {f"{self.ledger.root}/{file.relative_to(here).as_posix()}": file for file in files}
        for entry in self.ledger.data.values() if self.with_data else ():
            added[f"{DATA_ROOT}/{RECORDS}/{entry.record.job}.json"] = entry.file
        digests = {entry.file: entry.sha256 for entry in self.ledger.by_sha256.values()}
        for path, file in added.items():
            self._copy(file, path, digests.get(file))
            self.crate.add_file(dest_path=path)

    @cache  # noqa: B019  the builder lives as long as one export
    def _tool(self, step: str) -> Any:
        return self._add(f"#tool-{step}", "SoftwareApplication", f"workflow_scripts.steps.{step}")

    @cache  # noqa: B019
    def _parameter(self, step: str, direction: str, key: str) -> Any:
        identifier = f"#{direction}-{step}-{quote(key, safe='')}"
        parameter = self.crate.add_formal_parameter(key, "File", identifier)
        self._tool(step).append_to(direction, parameter)
        return parameter

    def _step(self, number: int, step: str) -> Any:
        entity = self._add(f"#step-{step}", "HowToStep", step, position=str(number))
        entity["workExample"] = self._tool(step)
        return entity

    def _run(self, record: Record) -> Any:
        """One job's action; returns the action of the workflow engine that started it."""
        name = quote(f"{record.root}/{record.job}", safe="")
        times = {"startTime": record.started, "endTime": record.ended}
        properties = {"@type": "CreateAction", "name": _text(record.job), **times, "actionStatus": COMPLETED}
        action = self.crate.add_action(self._tool(record.step), f"#run-{name}", properties=properties)
        directions: dict[str, tuple[str, Sequence[OutputFile]]]
        directions = {"object": ("input", record.inputs), "result": ("output", record.outputs)}
        for role, (direction, files) in directions.items():
            for each in files:
                parameter = self._parameter(record.step, direction, each.name)
                if parameter not in self.files[_key(each)].get("exampleOfWork", []):
                    self.files[_key(each)].append_to("exampleOfWork", parameter)
            if files:
                action[role] = [self.files[_key(each)] for each in files]
        entity = self._add(f"#control-{name}", "ControlAction", f"orchestrate {_text(record.job)}")
        entity["instrument"] = self.steps[record.step]
        entity["object"] = action
        return entity

    def _whole_run(self, controls: list[Any]) -> None:
        """The run of the workflow as a whole, and the engine's part in it."""
        started, ended = (record.started for record in self.records), (record.ended for record in self.records)
        times = {"startTime": min(started), "endTime": max(ended)}
        read = {_key(each) for record in self.records for each in record.inputs}
        made = {_key(each) for record in self.records for each in record.outputs}
        properties = {"@type": "CreateAction", "name": f"run of {self.ledger.root}", "actionStatus": COMPLETED, **times}
        run = self.crate.add_action(self.workflow, "#run", properties=properties)
        sources, results = sorted(read - made), sorted(made - read)
        if sources:
            run["object"] = [self.files[key] for key in sources]
        run["result"] = [self.files[key] for key in results]
        version = next((record.software.packages.get("snakemake") for record in self.records), None)
        software = {"softwareVersion": _text(version or "unknown")}
        entity = self._add("#organize", "OrganizeAction", f"Snakemake ran {self.ledger.root}", **times)
        entity["instrument"] = self._add("#snakemake", "SoftwareApplication", "Snakemake", **software)
        entity["object"] = controls
        entity["result"] = run
        self.crate.root_dataset["mentions"] = run


def stated_title(ledger: Ledger) -> tuple[str, str]:
    """Title and description of the report, if any, as plain text. Raises ValueError where a record states no text."""
    stated = {"title": ledger.root, "description": f"Results of {ledger.root}, with their provenance"}
    for report in [entry.record for entry in ledger.entries() if entry.record.step == "report"][:1]:
        for key in stated.keys() & report.settings.keys():
            if not isinstance(text := report.settings[key], str):
                raise ValueError(f"{report.job}: its record's {key} is not text, so no crate is made of it")
            stated[key] = text
    return _text(stated["title"]), _text(stated["description"])


def _key(each: OutputFile) -> tuple[str, str]:
    return each.path, each.sha256


def _text(text: str) -> str:
    """Plain text: no control characters, and no angle brackets, which a reader that draws pages may take for markup."""
    shown = "".join(each if each.isprintable() or each == "\n" else "\N{REPLACEMENT CHARACTER}" for each in text)
    return shown.translate(PLAIN)


# copying out of a folder that strangers may have made -----------------------------------------------------------------


class CopyError(ValueError):
    """A file that is not copied; its text is one sentence."""


def copy_regular(folder: Path, inside: str, target: Path, sha256: str | None = None) -> int:
    """Copy the regular file at `inside`, a path below `folder`, to the new file `target`; returns its size in bytes.

    `folder` itself may lie behind links; nothing below it may. Raises CopyError where it is not a file, is behind a
    link, has not this sha256, or where `target` is there; and OSError.
    """
    with _opened(folder, inside) as source:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            copy = target.open("xb")
        except FileExistsError:
            raise CopyError(f"{folder / inside}: another file is copied to the same place") from None
        with copy:
            shutil.copyfileobj(source, copy)
            size = copy.tell()
    if sha256 is not None and sha256_of(target) != sha256:
        raise CopyError(f"{folder / inside}: it was changed after it had been verified")
    return size


@contextmanager
def _opened(folder: Path, inside: str) -> Iterator[BinaryIO]:
    """Open step by step, so that no folder on the way can be exchanged for a link meanwhile."""
    *parents, name = PurePosixPath(inside).parts
    here = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for parent in parents:
            inner = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=here)
            os.close(here)
            here = inner
        if not stat.S_ISREG(os.stat(name, dir_fd=here, follow_symlinks=False).st_mode):
            raise CopyError(f"{folder / inside}: it is not a regular file, and only those are copied")
        number = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=here)
    except OSError as error:
        if error.errno in LEADS_ELSEWHERE:
            raise CopyError(f"{folder / inside}: a link is on the way to it, and none is followed") from None
        if isinstance(error, FileNotFoundError):
            raise CopyError(f"{folder / inside}: it is not there any more") from None
        raise
    finally:
        os.close(here)
    with os.fdopen(number, "rb") as file:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            raise CopyError(f"{folder / inside}: it is not a regular file, and only those are copied")
        yield file
