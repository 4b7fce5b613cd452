"""What the page's script reads: the records and the verdict as nodes, files, groups and findings."""

import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from workflow_scripts.provenance.findings import Finding, Verdict, shown
from workflow_scripts.provenance.ledger import Entry, Ledger
from workflow_scripts.provenance.page_columns import columns
from workflow_scripts.provenance.record import InputFile, OutputFile
from workflow_scripts.runtime.folders import RECORDS

KINDS = {
    "altered": "the file is not the one that was recorded",
    "record": "the record was altered or is damaged",
    "link": "the record it links to is not there",
    "missing": "the file or the record is not there",
    "unrecorded": "no record says where the file came from",
    "stale": "made with other settings, code or inputs than are at hand",
    "waived": "made with others too, but kept on purpose",
}
"""What findings about a file or job can be, the worst first."""
SMALL_GRAPH = 24
"""Up to so many nodes a graph is shown unfolded."""
FEW_JOBS = 8
"""Up to so many jobs of a step without named groups are shown one by one."""
MANY_JOBS = 16
"""Up to so many are shown unfolded."""
LARGEST_EXACT = 2**53
"""Beyond it JavaScript rounds whole numbers."""


def page_data(ledger: Ledger, verdict: Verdict) -> dict[str, Any]:
    """What the page's script reads: nodes, files, groups and findings, which name each other by number.

    Parts of records that repeat are kept once, in `shared` (see `Shared`).
    """
    graph = _Graph(ledger)
    findings = [graph.add_finding(each) for each in (*verdict.findings, *verdict.waived)]
    groups = graph.grouped()
    return {
        "kinds": list(KINDS),
        "nodes": graph.nodes,
        "groups": groups,
        "folders": list(graph.folders),
        "files": graph.files,
        "findings": findings,
        "shapes": list(graph.shared.shapes),
        "shared": graph.shared.items,
    }


class Shared:
    """Values of records, each kept once and named by its number.

    A mapping is kept as the number of its `shape`, which is its keys, followed by the numbers of its values; any other
    value as {"is": value}.
    """

    def __init__(self) -> None:
        self.items: list[Any] = []
        self.shapes: dict[tuple[str, ...], int] = {}
        self._numbers: dict[str, int] = {}

    def add(self, value: Any) -> int:
        """The number of a value, which is kept if it is new."""
        item: Any
        if isinstance(value, dict):
            item = [self.shapes.setdefault(tuple(value), len(self.shapes)), *map(self.add, value.values())]
        elif isinstance(value, int) and abs(value) > LARGEST_EXACT:
            item = {"is": str(value)}
        else:
            item = {"is": value}
        number = self._numbers.setdefault(json.dumps(item), len(self.items))
        if number == len(self.items):
            self.items.append(item)
        return number


class _Graph:
    """Jobs and files that no job made, as nodes; what they read and wrote, as numbered files."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.shared = Shared()
        self.nodes: list[dict[str, Any]] = []
        self.folders: dict[str, int] = {}
        self.files: list[tuple[int, str, str, int, int]] = []
        self._numbers: dict[tuple[str, str], int] = {}
        self._jobs: dict[str, int] = {}
        entries = [(self._add_job(entry), entry) for entry in ledger.entries()]
        at = {entry.file: number for number, entry in entries}
        made = ((path, at.get(entry.file)) for path, entry in ledger.makers.items())
        self._owners = {path: number for path, number in made if number is not None}
        for number, entry in entries:
            self.nodes[number]["outputs"] = self._named(entry.record.outputs, number)
        for number, entry in entries:
            self.nodes[number]["inputs"] = self._named(entry.record.inputs, None)

    def add_finding(self, finding: Finding) -> list[Any]:
        """A finding as the page reads it: kind, path, cause, job, and the node it is shown at."""
        number = None if finding.kind == "root" else self._node_of(finding)
        if number is not None:
            self._worsen(number, finding.kind)
        return [finding.kind, finding.path, self.shared.add(finding.cause), finding.job, number]

    def grouped(self) -> list[dict[str, Any]]:
        """The groups, in order of columns and names; every node gets the number of its own."""
        parents = [
            {self.files[file][4] for _, files in node["inputs"] for file in files} - {number}
            for number, node in enumerate(self.nodes)
        ]
        members: dict[tuple[int, str, str], list[int]] = defaultdict(list)
        for number, column in enumerate(columns([node["step"] for node in self.nodes], parents)):
            node = self.nodes[number]
            members[column, node["step"], node["group"]].append(number)
        groups: list[dict[str, Any]] = []
        for (column, step, name), numbers in sorted(members.items()):
            unnamed = step != "" and name == ""
            small = len(self.nodes) <= SMALL_GRAPH or (unnamed and len(numbers) <= MANY_JOBS)
            alone = unnamed and len(numbers) <= FEW_JOBS
            for together in [[number] for number in numbers] if alone else [numbers]:
                for number in together:
                    self.nodes[number]["group"] = len(groups)
                groups.append({"column": column, "step": step, "name": name, "folded": not small})
        return groups

    def _add_job(self, entry: Entry) -> int:
        record, records = entry.record, self.ledger.folder / RECORDS
        name = record.job
        if entry.file.is_relative_to(records):
            name = entry.file.relative_to(records).as_posix().removesuffix(".json")
        elif name in self.ledger.jobs:
            name = f"{record.root}/{name}"  # a data set named as a job of the study is
        fields = record.model_dump(exclude={"job", "step", "inputs", "outputs", "arguments"})
        fields |= {"record": shown(entry.file, self.ledger), "record_sha256": entry.sha256}
        number = self._add("job", name, record.step, _group_name(name))
        self.nodes[number]["record"] = self.shared.add(fields)
        self._jobs[name] = number
        return number

    def _add(self, kind: str, name: str, step: str, group: str) -> int:
        parts: dict[str, Any] = {"state": None, "inputs": [], "outputs": []}
        self.nodes.append({"kind": kind, "name": name, "step": step, "group": group, **parts})
        return len(self.nodes) - 1

    def _owner(self, path: str, writer: int | None = None) -> int:
        """The node a file belongs to: the job that made it, or one of its own."""
        if path not in self._owners:
            folder = PurePosixPath(path).parent.as_posix()
            self._owners[path] = self._add("file", path, "", folder) if writer is None else writer
        return self._owners[path]

    def _named(self, files: Sequence[OutputFile], writer: int | None) -> list[tuple[str, list[int]]]:
        """The numbers of files, under the names that their job knows them by."""
        named: dict[str, list[int]] = defaultdict(list)
        for file in files:
            owner = self._owner(file.path, writer)
            if isinstance(file, InputFile) and file.record is not None and self.nodes[owner]["kind"] == "file":
                self._worsen(owner, "link")
            number = self._numbers.setdefault((file.path, file.sha256), len(self.files))
            if number == len(self.files):
                folder, slash, name = file.path.rpartition("/")
                place = self.folders.setdefault(folder + slash, len(self.folders))
                self.files.append((place, name, file.sha256, file.bytes, owner))
            named[file.name].append(number)
        return list(named.items())

    def _node_of(self, finding: Finding) -> int:
        """Where a finding is shown: at the source it is about, else the job it names, else whatever has its path."""
        owner = self._owners.get(finding.path)
        if owner is not None and self.nodes[owner]["kind"] == "file":
            return owner
        named = finding.path.partition(f"/{RECORDS}/")[2].removesuffix(".json")
        job = finding.job or named
        if job in self._jobs:
            return self._jobs[job]
        if owner is not None or not job:
            return self._owner(finding.path)
        self._jobs[job] = self._add("job", job, job.split("/")[0], _group_name(job))  # its record cannot be read
        return self._jobs[job]

    def _worsen(self, number: int, kind: str) -> None:
        """Give a node a state, unless it has a worse one."""
        worst_first, state = list(KINDS), self.nodes[number]["state"]
        if state is None or worst_first.index(kind) < worst_first.index(state):
            self.nodes[number]["state"] = kind


def _group_name(job: str) -> str:
    """What a job's name shares with others of its step, such as `s1_cifar10`; empty where there is nothing."""
    parts = job.split("/")
    return parts[1] if len(parts) > 2 else ""
