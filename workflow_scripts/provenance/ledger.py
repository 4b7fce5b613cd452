"""All records of a results folder, read without trusting them: the ledger that the audit's questions go to.

The folder may be where the workflow made it, next to the data sets and below the code, or may have been copied away.
What vouches for a result or a data set lies in the folder itself: the records of its jobs, and the copies of the data
sets' records that they link to. The records in `data/records` only show whether a data set was made again since.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path, PurePosixPath

from workflow_scripts.provenance.record import InputFile, OutputFile, Record, RecordError, digest_of, read_with_bytes
from workflow_scripts.runtime.folders import INPUT_RECORDS, RECORDS, WAIVERS
from workflow_scripts.runtime.module_code import ROOT
from workflow_scripts.runtime.untrusted_files import UnreadableError, found_below, read_regular
from workflow_scripts.study.name_checks import suggestion
from workflow_scripts.study.places import DATA_ROOT


class LedgerError(Exception):
    """A folder whose records cannot be read at all; its text is one sentence."""


@dataclass(frozen=True, eq=False)
class Entry:
    """One record: where it lies, the sha256 of its bytes, and its content."""

    file: Path
    sha256: str
    record: Record

    @cached_property
    def outputs(self) -> dict[str, OutputFile]:
        """The outputs by path."""
        return {each.path: each for each in self.record.outputs}


@dataclass(eq=False)
class Ledger:
    """The records of one results folder.

    `root` is the folder's path as records state it; `base` is the folder the workflow ran in, None where the results
    were copied away from it. `jobs` are the records in force, by job; `data` those of the data sets; `input_records`
    those that others still link to; `unreadable` the files that cannot be read as records, with the reason.
    """

    folder: Path
    root: str = ""
    base: Path | None = None
    jobs: dict[str, Entry] = field(default_factory=dict)
    data: dict[str, Entry] = field(default_factory=dict)
    input_records: dict[str, Entry] = field(default_factory=dict)
    unreadable: dict[Path, str] = field(default_factory=dict)

    @cached_property
    def by_sha256(self) -> dict[str, Entry]:
        """Every record by the sha256 of its bytes, those in force last."""
        return {each.sha256: each for each in (*self.input_records.values(), *self.data.values(), *self.jobs.values())}

    @cached_property
    def makers(self) -> dict[str, Entry]:
        """The record in force for every output path; where a data set's is not at hand, the linked one."""
        entries = (*self._data_set_input_records, *self.data.values(), *self.jobs.values())
        return {output.path: entry for entry in entries for output in entry.record.outputs}

    @cached_property
    def in_force(self) -> list[tuple[OutputFile, Record]]:
        """Every output with the record that vouches for it."""
        entries = {id(entry): entry for entry in self.makers.values()}.values()
        outputs = ((output, entry) for entry in entries for output in entry.record.outputs)
        return [(output, entry.record) for output, entry in outputs if self.makers[output.path] is entry]

    def entries(self) -> Iterator[Entry]:
        """The records in force: those of the data sets, linked ones where others are not at hand, and of all jobs."""
        return iter((*self.data_sets.values(), *self.jobs.values()))

    @cached_property
    def data_sets(self) -> dict[str, Entry]:
        """The records of the data sets by job; where one is not at hand, the linked copy."""
        return {entry.record.job: entry for entry in self._data_set_input_records} | self.data

    @cache  # noqa: B019  a ledger lives as long as one question
    def first_difference(self, before: Entry, after: Entry) -> str | None:
        """The first output that two records of a job do not state alike; None where they state the same ones."""
        first, second = before.outputs, after.outputs
        return min((path for path in first.keys() | second.keys() if first.get(path) != second.get(path)), default=None)

    @cached_property
    def _data_set_input_records(self) -> list[Entry]:
        """Linked records of the data sets, to which a job here links indeed."""
        named = {read.record for entry in self.jobs.values() for read in entry.record.inputs}
        return [each for each in self.input_records.values() if each.record.root == DATA_ROOT and each.sha256 in named]

    def maker(self, read: InputFile) -> Entry | None:
        """The record of the job that made what was read; None for a source, and where the record is not there."""
        return self.by_sha256.get(read.record) if read.record is not None else None

    def location(self, path: str) -> Path | None:
        """Where a recorded path lies now; None where that is not known.

        A file of the repository that was not copied with results and data is the one of the repository at hand.
        """
        pure = PurePosixPath(path)
        if pure.is_relative_to(self.root):
            return self.folder / pure.relative_to(self.root)
        if self.base is None:
            return None
        copied = self.base / pure
        is_own = path.split("/")[0] not in (DATA_ROOT, self.root.split("/")[0])
        return ROOT / pure if is_own and not copied.exists() else copied

    def recorded_path(self, path: Path) -> str:
        """A path as records state it, from a path a person typed: from here, from `base`, or in the folder."""
        start = self.folder.resolve()
        for candidate in (path.resolve(), start / path):
            if candidate.is_relative_to(start) and candidate.exists():
                return (PurePosixPath(self.root) / candidate.relative_to(start).as_posix()).as_posix()
        if self.base is not None and _absolute(path).is_relative_to(self.base):
            return _absolute(path).relative_to(self.base).as_posix()
        return path.as_posix().removesuffix("/")

    @cached_property
    def root_digest(self) -> str:
        """One digest over all records and waivers: the one thing that must be kept elsewhere (docs/provenance.md)."""
        files = [*self.unreadable, *(entry.file for entry in (*self.jobs.values(), *self.input_records.values()))]
        files += [found.path for found in found_below(self.folder / WAIVERS) if found.path.suffix == ".json"]
        lines = sorted(
            f"{file.relative_to(self.folder).as_posix()} {_digest_at(file)}\n"
            for file in files
            if file.is_relative_to(self.folder)
        )
        return digest_of("".join(lines).encode(errors="surrogateescape"))


def _digest_at(file: Path) -> str:
    """The sha256 of a file's bytes; of one that is not read, which is a finding, a word."""
    try:
        return digest_of(read_regular(file))
    except (FileNotFoundError, UnreadableError):
        return "unreadable"


def read_ledger(folder: Path) -> Ledger:
    """Read every record of a results folder. Raises LedgerError when there is none to read."""
    if not folder.is_dir():
        others = sorted(path.parent.name for path in folder.parent.glob(f"*/{RECORDS}"))
        raise LedgerError(f"{folder}: there is no such folder{suggestion(folder.name, others) if others else ''}")
    if not (folder / RECORDS).is_dir():
        raise LedgerError(f"{folder}: this is not a results folder: it has no folder {RECORDS}/")
    ledger = Ledger(folder)
    ledger.jobs = {_name(entry.file, folder / RECORDS): entry for entry in _read(folder / RECORDS, ledger.unreadable)}
    for entry in _read(folder / INPUT_RECORDS, ledger.unreadable):
        if entry.file.stem == entry.sha256:
            ledger.input_records[entry.sha256] = entry
        else:
            ledger.unreadable[entry.file] = "its content is not what its name says"
    if not ledger.jobs:
        why = next((f": {reason}" for reason in ledger.unreadable.values()), "")
        raise LedgerError(f"{folder}: no file in {RECORDS}/ can be read as a record{why}")
    roots = [entry.record.root for entry in ledger.jobs.values()]
    ledger.root = max(sorted(set(roots)), key=roots.count)
    ledger.base = _base_of(folder, ledger.root)
    if ledger.base is not None:
        _read_data(ledger, ledger.base / DATA_ROOT / RECORDS)
    return ledger


def _base_of(folder: Path, root: str) -> Path | None:
    """The folder the workflow ran in, where `folder` lies as it should below one that looks like it."""
    parts = PurePosixPath(root).parts
    for place in (_absolute(folder), folder.resolve()):
        if place.parts[-len(parts) :] == parts:
            base = place.parents[len(parts) - 1]
            if (base / DATA_ROOT).is_dir() or (base / "workflow_scripts").is_dir():
                return base
    return None


def _absolute(path: Path) -> Path:
    """A path from the root, with `..` taken out and links left in: results often lie behind one."""
    return Path(os.path.abspath(path))


def _read_data(ledger: Ledger, folder: Path) -> None:
    """The records of those data sets that the study read; a record in another's place is not counted."""
    read = {each.path for entry in ledger.jobs.values() for each in entry.record.inputs}
    unreadable: dict[Path, str] = {}
    for entry in _read(folder, unreadable):
        if (entry.record.root, entry.record.job) != (DATA_ROOT, _name(entry.file, folder)):
            ledger.unreadable[entry.file] = f"it is that of {entry.record.root}/{RECORDS}/{entry.record.job}.json"
        elif not read.isdisjoint(entry.outputs):
            ledger.data[entry.record.job] = entry
    ledger.unreadable |= {file: why for file, why in unreadable.items() if f"{DATA_ROOT}/{file.stem}.npz" in read}


def _name(file: Path, folder: Path) -> str:
    return file.relative_to(folder).as_posix().removesuffix(".json")


def _read(folder: Path, unreadable: dict[Path, str]) -> list[Entry]:
    """The records of a folder; files that cannot be read as records are added to `unreadable`, with the reason."""
    entries = []
    for path in (found.path for found in found_below(folder) if found.path.suffix == ".json" or found.fault):
        try:
            record, content = read_with_bytes(path)
            entries.append(Entry(path, digest_of(content), record))
        except FileNotFoundError:
            continue  # it was moved meanwhile
        except RecordError as error:
            unreadable[path] = str(error)
    return entries
