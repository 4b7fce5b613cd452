"""Two results folders of one study: which figures and tables differ, and what first made them differ."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from workflow_scripts.provenance.differences import differences, module_changes
from workflow_scripts.provenance.hashing import sha256_of_recorded
from workflow_scripts.provenance.ledger import Entry, Ledger
from workflow_scripts.provenance.record import lies_at
from workflow_scripts.study.settings_model import Model

COMPARED = ("figures", "tables", "architectures.yaml")
"""What a study is made for: the folders of its figures and tables, and the file of its architectures."""


def differing_files(first: Ledger, second: Ledger) -> Iterator[tuple[str, list[str]]]:
    """Every file of a figure, table or architecture that differs between two folders, with the first causes upstream.

    Causes are sentences. A file that only one folder has is listed too, and one that does not match its record.
    """
    files = [compared_files(ledger) for ledger in (first, second)]
    found = [_digests(ledger, each) for ledger, each in zip((first, second), files, strict=True)]
    comparison = _Comparison(first, second)
    for name in sorted(files[0].keys() | files[1].keys()):
        if not all(name in each for each in files):
            holder = first if name in files[0] else second
            yield name, [f"only {holder.folder} has it"]
        elif None in (found[0][name], found[1][name]) or found[0][name] != found[1][name]:
            altered = [
                f"in {ledger.folder} it does not match its record; see verify"
                for ledger, entries, digests in zip((first, second), files, found, strict=True)
                if digests[name] != entries[name].record.sha256_of(f"{ledger.root}/{name}")
            ]
            yield name, altered or comparison.causes(files[0][name].record.job)


def compared_files(ledger: Ledger) -> dict[str, Entry]:
    """The record of every file that is compared, by its path in the results folder."""
    made = {_inside(path, ledger): entry for path, entry in ledger.makers.items()}
    return {name: entry for name, entry in made.items() if any(lies_at(name, part) for part in COMPARED)}


def _digests(ledger: Ledger, names: dict[str, Entry]) -> dict[str, str | None]:
    sizes = {
        ledger.folder / name: output.bytes
        for entry in {id(entry): entry for entry in names.values()}.values()
        for output in entry.record.outputs
        if names.get(name := _inside(output.path, ledger)) is entry
    }
    found = sha256_of_recorded(sizes, ledger.folder)
    return {name: found[ledger.folder / name] for name in names}


def _inside(path: str, ledger: Ledger) -> str:
    pure = PurePosixPath(path)
    return pure.relative_to(ledger.root).as_posix() if pure.is_relative_to(ledger.root) else path


class _Comparison:
    """The causes of a difference, found once for every job."""

    def __init__(self, first: Ledger, second: Ledger) -> None:
        self.ledgers = first, second
        self.known: dict[str, list[str]] = {}

    def causes(self, job: str) -> list[str]:
        """Why a job's outputs differ: the causes of its inputs' differences, or else what differs in itself."""
        if job not in self.known:
            self.known[job] = []  # ends a circle, which only a forged ledger has
            self.known[job] = self._causes(job)
        return self.known[job]

    def _causes(self, job: str) -> list[str]:
        entries = [self._entry(ledger, job) for ledger in self.ledgers]
        if entries[0] is None or entries[1] is None:
            holder = self.ledgers[0] if entries[1] is None else self.ledgers[1]
            return [f"{job}: only {holder.folder} has a record of it"]
        first, second = entries[0].record, entries[1].record
        before, after = (
            {_inside(read.path, ledger): read for read in entry.record.inputs}
            for ledger, entry in zip(self.ledgers, entries, strict=True)
            if entry is not None
        )
        upstream: list[str] = []
        for path in sorted(before.keys() | after.keys()):
            if path not in before or path not in after:
                holder = self.ledgers[0] if path in before else self.ledgers[1]
                upstream.append(f"{job}: it reads {path} only in {holder.folder}")
            elif before[path].sha256 != after[path].sha256:
                maker = self.ledgers[0].maker(before[path])
                if maker is None:
                    change = f"{before[path].sha256} -> {after[path].sha256}"
                    upstream.append(f"{job}: its source {path} differs, sha256 {change}")
                else:
                    upstream += self.causes(maker.record.job)
        if upstream:
            return list(dict.fromkeys(upstream))
        own = [f"setting {line}" for line in differences(first.settings, second.settings)]
        own += module_changes(first.modules, second.modules)
        if not own:
            own = [f"made with other versions: {line}" for line in _fields(first.software, second.software)]
            own += [f"made on another machine: {line}" for line in _fields(first.machine, second.machine)]
        nothing = "nothing recorded differs but its outputs, so it does not repeat its bytes"
        return [f"{job}: {line}" for line in own or [nothing]]

    def _entry(self, ledger: Ledger, job: str) -> Entry | None:
        return ledger.jobs.get(job) or next((entry for entry in ledger.entries() if entry.record.job == job), None)


def _fields(first: Model, second: Model) -> list[str]:
    one, other = (each.model_dump(exclude={"scheduler_job"}) for each in (first, second))
    return differences(one, other)
