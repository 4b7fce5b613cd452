"""What the page's script reads: the records and the verdict as nodes, files, groups and findings."""

import json
from collections import defaultdict
from collections.abc import Sequence
from operator import itemgetter
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
    return {
        "kinds": list(KINDS),
        "groups": graph.grouped(),
        "nodes": graph.nodes,
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
        item: Any = {"is": value}
        if isinstance(value, dict):
            item = [self.shapes.setdefault(tuple(value), len(self.shapes)), *map(self.add, value.values())]
        elif isinstance(value, int) and abs(value) > LARGEST_EXACT:
            item = {"is": str(value)}
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
        at = {entry.file: (self._add_job(entry), entry.record) for entry in ledger.entries()}
        self._owners = {path: at[entry.file][0] for path, entry in ledger.makers.items() if entry.file in at}
        for number, record in at.values():
            self.nodes[number]["outputs"] = self._named(record.outputs, number)
        for number, record in at.values():
            self.nodes[number]["inputs"] = self._named(record.inputs, None)

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
        members: dict[tuple[int, str, str], list[dict[str, Any]]] = defaultdict(list)
        for node, column in zip(self.nodes, columns([node["step"] for node in self.nodes], parents), strict=True):
            members[column, node["step"], node["group"]].append(node)
        groups: list[dict[str, Any]] = []
        for (column, step, name), nodes in sorted(members.items(), key=itemgetter(0)):
            unnamed = step != "" and name == ""
            small = len(self.nodes) <= SMALL_GRAPH or (unnamed and len(nodes) <= MANY_JOBS)
            alone = unnamed and len(nodes) <= FEW_JOBS
            for place, node in enumerate(nodes):
                if alone or place == 0:
                    groups.append({"column": column, "step": step, "name": name, "folded": not small})
                node["group"] = len(groups) - 1
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
        self._jobs[name] = self._add("job", name, record.step, record=self.shared.add(fields))
        return self._jobs[name]

    def _add(self, kind: str, name: str, step: str = "", **more: int) -> int:
        """The number of a new node, a job or a file."""
        group = _group_name(name) if kind == "job" else PurePosixPath(name).parent.as_posix()
        parts: dict[str, Any] = {"state": None, "inputs": [], "outputs": []}
        self.nodes.append({"kind": kind, "name": name, "step": step, "group": group, **parts, **more})
        return len(self.nodes) - 1

    def _owner(self, path: str, writer: int | None = None) -> int:
        """The node a file belongs to: the job that made it, or one of its own."""
        if path not in self._owners:
            self._owners[path] = self._add("file", path) if writer is None else writer
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
        self._jobs[job] = self._add("job", job, job.split("/")[0])  # its record cannot be read
        return self._jobs[job]

    def _worsen(self, number: int, kind: str) -> None:
        """Give a node a state, unless it has a worse one."""
        states = (kind, self.nodes[number]["state"] or kind)
        self.nodes[number]["state"] = min(states, key=list(KINDS).index)


def _group_name(job: str) -> str:
    """What a job's name shares with others of its step, such as `s1_cifar10`; empty where there is nothing."""
    parts = job.split("/")
    return parts[1] if len(parts) > 2 else ""
