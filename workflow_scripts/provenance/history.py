"""Where a result came from, and what derives from something: walks along the links of a ledger."""

import textwrap
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from workflow_scripts.provenance.differences import DIGITS
from workflow_scripts.provenance.ledger import Entry, Ledger
from workflow_scripts.provenance.record import Record, lies_at

ALIKE = 2
"""Jobs of one step below one job that are shown in full; the others are counted."""
WIDTH, NARROWEST = 118, 40
"""Characters of a line, and at least of its text, however deep it is in the tree."""


def maker_of(ledger: Ledger, path: str) -> Entry | None:
    """The record in force of the job that wrote a recorded path; for a folder, of the only job that wrote into it."""
    if path in ledger.makers:
        return ledger.makers[path]
    inside = {id(entry): entry for output, entry in ledger.makers.items() if output.startswith(f"{path}/")}
    return next(iter(inside.values())) if len(inside) == 1 else None


def parents(ledger: Ledger, entry: Entry) -> list[Entry]:
    """The records of the jobs that made a job's inputs, in the order of the inputs."""
    makers = (ledger.maker(read) or ledger.makers.get(read.path) for read in entry.record.inputs)
    return list({maker.sha256: maker for maker in makers if maker is not None and maker is not entry}.values())


def ancestors(ledger: Ledger, entry: Entry) -> list[Entry]:
    """A job and all jobs that it derives from, each once, itself first."""
    found: dict[str, Entry] = {}
    waiting = [entry]
    for each in waiting:  # it grows meanwhile
        if each.sha256 not in found:
            found[each.sha256] = each
            waiting += parents(ledger, each)
    return list(found.values())


def descendants(ledger: Ledger, start: Iterable[Entry]) -> list[Entry]:
    """The jobs that derive from any of `start`, and `start` itself, in the order of the ledger."""
    readers: dict[str, list[Entry]] = defaultdict(list)
    for entry in ledger.entries():
        for path in {read.path for read in entry.record.inputs}:
            readers[path].append(entry)
    found: set[str] = set()
    waiting = list(start)
    for each in waiting:
        if each.sha256 not in found:
            found.add(each.sha256)
            waiting += (reader for output in each.record.outputs for reader in readers[output.path])
    return [entry for entry in ledger.entries() if entry.sha256 in found]


# why ------------------------------------------------------------------------------------------------------------------


def why(ledger: Ledger, path: str, everything: bool = False) -> Iterator[str]:
    """The whole ancestry of a recorded path as lines of a tree; alike jobs are counted unless `everything` is wanted.

    Raises KeyError where no record names the path.
    """
    entry = maker_of(ledger, path)
    if entry is None:
        raise KeyError(path)
    tree = _Tree(ledger, ancestors(ledger, entry), everything)
    yield from (path, *tree.lines(entry), "", *tree.legend())


class _Tree:
    """The lines of a tree, with short names for what many of its jobs share: versions, machines, and modules."""

    def __init__(self, ledger: Ledger, entries: list[Entry], everything: bool) -> None:
        self.ledger, self.everything = ledger, everything
        self.software = _numbered("v", (_versions(entry.record) for entry in entries))
        self.machines = _numbered("m", (_machine(entry.record) for entry in entries))
        self.modules = sorted({item for entry in entries for item in entry.record.modules.items()})
        self.shown: set[str] = set()

    def legend(self) -> Iterator[str]:
        yield from (f"[{label}] {text}" for text, label in (self.machines | self.software).items())
        yield f"code, {len(self.modules)} modules:"
        yield from (f"  {digest[:DIGITS]}  {name}" for name, digest in self.modules)

    def lines(self, entry: Entry, indent: str = "", last: bool = True) -> Iterator[str]:
        record = entry.record
        line = f"{indent}{'└─' if last else '├─'} {record.job}"
        if entry.sha256 in self.shown:
            yield f"{line}  (shown above)"
            return
        self.shown.add(entry.sha256)
        labels = f"[{self.machines[_machine(record)]}] [{self.software[_versions(record)]}]"
        yield f"{line}  {record.ended}, {record.seconds:g} s  {labels}"
        inner = f"{indent}{'   ' if last else '│  '}"
        made = parents(self.ledger, entry)
        bar = f"{inner}{'│' if made else ' '}  "
        yield from textwrap.wrap(
            f"settings: {', '.join(flat(record.settings)) or 'none'}",
            max(WIDTH, len(bar) + NARROWEST),
            initial_indent=bar,
            subsequent_indent=f"{bar}  ",
            expand_tabs=False,
            replace_whitespace=False,
            break_on_hyphens=False,
        )
        yield f"{bar}code: {record.code[:DIGITS]} ({len(record.modules)} modules)"
        written = record.outputs if self.everything else record.outputs[:ALIKE]
        yield from (f"{bar}wrote: {output.path}, sha256 {output.sha256}" for output in written)
        if len(written) < len(record.outputs):
            yield f"{bar}wrote: {len(record.outputs) - len(written)} more files"
        for read in record.inputs:
            if self.ledger.maker(read) is None and read.path not in self.ledger.makers:
                yield f"{bar}source: {read.path}, {read.bytes} bytes, sha256 {read.sha256}"
        shown: list[Entry] = []
        hidden: Counter[str] = Counter()
        for parent in made:
            if self.everything or sum(other.record.step == parent.record.step for other in shown) < ALIKE:
                shown.append(parent)
            else:
                hidden[parent.record.step] += 1
        for number, parent in enumerate(shown, start=1):
            yield from self.lines(parent, inner, last=number == len(shown) and not hidden)
        for number, (step, count) in enumerate(hidden.items(), start=1):
            yield f"{inner}{'└─' if number == len(hidden) else '├─'} and {count} more of {step} (--all shows each)"


def flat(settings: Mapping[str, Any], key: str = "") -> Iterator[str]:
    """Settings as `a.b=value`."""
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from flat(value, f"{key}{name}.")
        else:
            yield f"{key}{name}={value}"


def _numbered(letter: str, texts: Iterable[str]) -> dict[str, str]:
    return {text: f"{letter}{number}" for number, text in enumerate(dict.fromkeys(texts), start=1)}


def _versions(record: Record) -> str:
    packages = ", ".join(f"{name} {version}" for name, version in record.software.packages.items() if version)
    return f"Python {record.software.python}, {packages}"


def _machine(record: Record) -> str:
    device = record.device or {}
    name = f", {device.get('name', 'a device without a name')}" if device.get("kind") == "cuda" else ""
    return f"{record.machine.host}: {record.machine.processor}{name}, {record.machine.system}"


# affected -------------------------------------------------------------------------------------------------------------


def started_by(ledger: Ledger, what: str) -> list[Entry]:
    """The jobs that something enters first: a recorded file or folder, a source module, or a setting.

    A module is a path below the repository or a dotted name. A setting is a dotted key, as records hold it or the last
    parts of it, with or without `=value`.
    """
    module = ".".join(PurePosixPath(what.removesuffix(".py").removesuffix("/__init__")).parts)
    key, equals, value = what.partition("=")

    def is_meant(setting: str) -> bool:
        name, _, is_value = setting.partition("=")
        return (name == key or name.endswith(f".{key}")) and (not equals or is_value == value)

    ways: tuple[Callable[[Record], bool], ...] = (
        lambda record: any(lies_at(output.path, what) for output in record.outputs),
        lambda record: any(lies_at(read.path, what) for read in record.inputs),
        lambda record: module in record.modules,
        lambda record: any(map(is_meant, flat(record.settings))),
    )
    found = ([entry for entry in ledger.entries() if way(entry.record)] for way in ways)
    return next(filter(None, found), [])


def affected(ledger: Ledger, what: str, everything: bool = False) -> Iterator[str]:
    """All that derives from something, as lines: jobs by step, then tables, figures and pages; none if unknown."""
    start = started_by(ledger, what)
    if not start:
        return
    found = descendants(ledger, start)
    first = {entry.sha256 for entry in start}
    counts = Counter(entry.record.step for entry in found)
    direct = Counter(entry.record.step for entry in found if entry.sha256 in first)
    yield f"{what}: {len(found)} jobs"
    for step, count in counts.items():
        yield f"  {count:5} {step}" + (f" ({direct[step]} of them directly)" if direct[step] else "")
    for entry in found:
        if everything or entry.record.step in ("figure", "claims", "report", "join_tables", "depth_tables"):
            for output in entry.record.outputs:
                yield f"  {output.path}"
