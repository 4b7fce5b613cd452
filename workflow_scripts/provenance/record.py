"""The record of a job: what it read, what it wrote, and everything that decided it (docs/provenance.md).

A record is one file of canonical JSON, sealed by a digest of its own content. Records link by content: an input's
sha256 is an output's sha256 in another record, whose own sha256 is given with it. The fields are a fixed list; no part
of the environment is copied wholesale.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, ValidationError, model_validator

from workflow_scripts.provenance.identity import Identity, combined
from workflow_scripts.runtime.folders import RESERVED
from workflow_scripts.runtime.module_code import FIRST_PARTY
from workflow_scripts.runtime.untrusted_files import UnreadableError, files_below, read_regular
from workflow_scripts.study.settings_model import Model
from workflow_scripts.tables.files import sha256_of

VERSION = 2
SAME_TRAINING = "same_training"
"""The input of a training that takes it as its own: the outputs of the first training of the same architecture."""
MARK = ".snakemake_timestamp"
"""What Snakemake puts into a folder that is an output: an empty file."""

NamedPaths = Mapping[str, Iterable[Path]]
Facts = list[dict[str, Any]]
"""Of files, as `file_facts` states them."""

LONGEST_PATH, LONGEST_NAME = 4000, 255
"""Bytes that a file system takes."""


def _relative(path: str) -> str:
    """A path that stays below where it starts, in its plain form; records come from strangers."""
    parts = path.split("/")
    if any(part in ("", ".", "..") or len(part.encode(errors="surrogateescape")) > LONGEST_NAME for part in parts):
        raise ValueError("a path goes from folder to folder, and nowhere else")
    if not path.isprintable() or path.startswith("-") or len(path.encode(errors="surrogateescape")) > LONGEST_PATH:
        raise ValueError("a path is printable text")
    return path


def _printable(text: str) -> str:
    """Text that a terminal shows as it is."""
    if not text.isprintable():
        raise ValueError("a fact is printable text")
    return text


def _time(text: str) -> str:
    datetime.fromisoformat(text)
    return text


RelativePath = Annotated[str, AfterValidator(_relative)]
JobName = Annotated[RelativePath, StringConstraints(pattern=r"^[^./][^/]*(/[^./][^/]*)*$")]
"""No part of it begins with a dot: such names are those of the wrapper's own work."""
Text = Annotated[str, StringConstraints(max_length=1000), AfterValidator(_printable)]
Time = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$"), AfterValidator(_time)]
Version = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,60}$")]
Seconds = Annotated[float, Field(ge=0, lt=1e10)]
Size = Annotated[int, Field(strict=True, ge=0, lt=2**63)]
"""In bytes."""
Number = Annotated[int, Field(strict=True, ge=1, lt=2**31)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_]*$", max_length=100)]
Module = Annotated[
    str, StringConstraints(pattern=rf"^({'|'.join(FIRST_PARTY)})(\.[A-Za-z_][A-Za-z0-9_]*)*$", max_length=200)
]


class OutputFile(Model):
    """A file a job wrote."""

    name: Identifier  # the key of the output it belongs to
    path: RelativePath  # from the folder the workflow runs in
    sha256: Sha256  # of its bytes
    bytes: Size


class InputFile(OutputFile):
    """A file a job read."""

    record: Sha256 | None  # its writer's record; None for a source: a fetched file, or one of the repository


class Arguments(Model):
    """The paths a job was called with, by key; a folder means the files inside."""

    inputs: dict[Identifier, list[RelativePath]]
    outputs: dict[Identifier, list[RelativePath]]


class Software(Model):
    """What could touch a number: versions, and the digest of the lock file."""

    python: Version
    packages: dict[Text, Version | None]
    lock_sha256: Sha256 | None


class Machine(Model):
    """Where a job ran."""

    host: Text
    system: Text
    processor: Text
    gpu_driver: Text | None
    scheduler_job: Text | None


class Git(Model):
    """The commit checked out, and whether tracked files differed from it; both None outside a checkout."""

    commit: Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{40}|[0-9a-f]{64})$")] | None
    dirty: bool | None


class Record(Model):
    """Everything known of one finished job."""

    version: Literal[2]  # of this schema
    root: RelativePath  # the results folder, from the folder the workflow runs in
    job: JobName  # its name: the record's place below <root>/records
    step: Identifier  # module of workflow_scripts.steps
    settings: dict[str, Any]  # what decided the result, besides code and inputs
    chosen_modules: list[Module]  # modules chosen by name at run time
    code: Sha256  # one digest over `modules`
    modules: dict[Module, Sha256]  # digest of every first-party module the step runs
    arguments: Arguments
    inputs: list[InputFile]
    outputs: list[OutputFile]
    software: Software
    machine: Machine
    device: dict[Identifier, Text | bool | None] | None  # with determinism flags, where torch is used
    threads: Number
    seed: Annotated[int, Field(strict=True, ge=0, lt=2**64)] | None
    git: Git
    attempt: Number  # number of the attempt that succeeded, from 1
    started: Time
    ended: Time
    seconds: Seconds  # wall time
    digest: Sha256  # sha256 of the canonical form of all other fields

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.code != combined(self.modules):
            raise ValueError("the digest over the modules is not theirs")
        below, asked, written = f"{self.root}/", set(self.asked), [output.path for output in self.outputs]
        if any(not path.startswith(below) for path in (*asked, *written)):
            raise ValueError("an output lies outside the results folder")
        if any(path.removeprefix(below).split("/")[0] in RESERVED for path in (*asked, *written)):
            raise ValueError("an output lies in a folder of the audit or of the wrapper")
        for called_with, files in ((self.given, self.inputs), (self.asked, self.outputs)):
            if not {place for each in files for place in _at_or_above(each.path)}.issuperset(called_with):
                raise ValueError("a file that the job was called with is not stated")
        if any(asked.isdisjoint(_at_or_above(path)) for path in written):
            raise ValueError("an output is not one that the job was called with")
        if len(set(written)) < len(written):
            raise ValueError("an output is there twice")
        if self.seed != self.settings.get("seed"):
            raise ValueError("the seed is not that of the settings")
        return self

    @property
    def identity(self) -> Identity:
        """What the job was made with."""
        return Identity(self.step, self.settings, tuple(self.chosen_modules), self.code)

    @property
    def given(self) -> list[str]:
        """The inputs that the job was called with: files, and folders, which mean the files inside."""
        return [path for paths in self.arguments.inputs.values() for path in paths]

    @property
    def asked(self) -> list[str]:
        """The outputs that the job was called with: files and folders."""
        return [path for paths in self.arguments.outputs.values() for path in paths]

    @property
    def is_copy(self) -> bool:
        """Whether the job took the outputs of the first training of the same architecture, in seconds."""
        return SAME_TRAINING in self.arguments.inputs

    def was_given(self, path: str) -> bool:
        """Whether the job was called with an input, or with a folder it lies in; what it fetched itself it was not."""
        return any(lies_at(path, given) for given in self.given)


class Mismatch(Exception):
    """Why a recorded result is not the one that is wanted; its text is a few words."""


class RecordError(ValueError):
    """A file that is not a record as a job writes it; its text says why, in a few words."""


def _at_or_above(path: str) -> list[str]:
    """A path, and the folders that it lies in."""
    parts = path.split("/")
    return ["/".join(parts[:depth]) for depth in range(1, len(parts) + 1)]


def lies_at(path: str, place: str) -> bool:
    """Whether a recorded path is `place` or lies below it."""
    return path == place or path.startswith(f"{place}/")


def digest_of(content: bytes) -> str:
    """The sha256 of bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def canonical_bytes(value: Mapping[str, Any]) -> bytes:
    """A record's bytes: keys sorted, one space of indentation, a final newline."""
    return (json.dumps(value, sort_keys=True, indent=1, allow_nan=False) + "\n").encode()


def sealed(fields: Mapping[str, Any]) -> dict[str, Any]:
    """A record's fields with the digest over them."""
    return {**fields, "digest": digest_of(canonical_bytes(fields))}


def new_record(
    identity: Identity,
    modules: Mapping[str, str],
    root: str,
    job: str,
    *,
    inputs: NamedPaths,
    outputs: NamedPaths,
    read: Facts,
    written: Facts,
    **circumstances: Any,
) -> bytes:
    """The bytes of a job's record.

    `modules` are the digests of what ran. `inputs` and `outputs` are the paths the job was called with, `read` and
    `written` the facts of their files, those read with the record of their making. `circumstances` are the fields
    software, machine, device, threads, git, attempt, started, ended and seconds.
    """
    fields = {
        "version": VERSION,
        "root": root,
        "job": job,
        "step": identity.step,
        "settings": identity.settings,
        "chosen_modules": list(identity.modules),
        "code": identity.code,
        "modules": modules,
        "arguments": {"inputs": plain_paths(inputs), "outputs": plain_paths(outputs)},
        "inputs": read,
        "outputs": written,
        "seed": identity.settings.get("seed"),
        **circumstances,
    }
    return canonical_bytes(sealed(fields))


def parse_record(content: bytes) -> Record:
    """A record from its file's bytes. Raises RecordError when it was altered, or is of another version."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        raise RecordError("it is not JSON") from None
    version = value.get("version") if isinstance(value, dict) else None
    if version != VERSION:
        other = "as another version of the workflow may have written it"
        raise RecordError(f"its version is {repr(version)[:20]}, not {VERSION}, {other}")
    digest = value.get("digest")
    try:
        canonical = canonical_bytes(value) == content
        without = content.replace(f'\n "digest": "{digest}",'.encode(), b"", 1)  # to write it anew takes as long again
    except (ValueError, RecursionError):
        raise RecordError("it holds what no record does") from None
    if not canonical or digest_of(without) != digest:
        raise RecordError("its content does not agree with its digest")
    try:
        return Record.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        place = next((f"its field {part}" for part in first["loc"] if part in Record.model_fields), "it")
        raise RecordError(f"{place} is not as a job writes it") from None


def read_record(file: Path) -> Record:
    """The record in a file. Raises FileNotFoundError, and RecordError where it is not a record."""
    return read_with_bytes(file)[0]


def read_with_bytes(file: Path) -> tuple[Record, bytes]:
    """The record in a file, and the file's bytes. Raises as `read_record`."""
    try:
        content = read_regular(file)
    except UnreadableError as error:
        raise RecordError(str(error)) from None
    return parse_record(content), content


def plain_paths(named: NamedPaths) -> dict[str, list[str]]:
    """Paths by their names, as a record states them."""
    return {name: [path.as_posix() for path in paths] for name, paths in named.items()}


def file_facts(paths: NamedPaths) -> Facts:
    """Name, path, sha256 and size in bytes of every file; a folder means the files inside, sorted."""
    facts = []
    for name, group in paths.items():
        for path in group:
            for file in files_below(path) if path.is_dir() else [path]:
                if file.name != MARK:
                    size = file.stat().st_size
                    facts.append({"name": name, "path": file.as_posix(), "sha256": sha256_of(file), "bytes": size})
    return facts


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
