"""How a job finds the records of the jobs that made its inputs, so that its own record can name them by content.

A record is kept for as long as another links to it: one that is written anew, because its job ran again, moves to
`<root>/linked_records/<sha256>.json`, and so does a copy of a record from another folder, such as that of a data set.
So a results folder can be checked when it was copied away.

`<root>/.producers/` holds the name of the job behind every output. It only saves a search through all records, and is
written anew where it is missing or names a job that did not make the output.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from workflow_scripts.provenance.record import Record, RecordError, digest_of, parse_record, write_atomically
from workflow_scripts.runtime.durable import write_quickly

LINKED = "linked_records"


def link_inputs(
    facts: list[dict[str, Any]], arguments: Mapping[str, Iterable[Path]], root: Path
) -> list[dict[str, Any]]:
    """Add to every input's facts the sha256 of the record that tells of its making; None where none does.

    `arguments` are the inputs as the job was given them, files and folders. Records from other folders are copied into
    `root`, where they are linked to.
    """
    made: dict[
        str, tuple[str, dict[str, str]]
    ] = {}  # the output a job was given: its maker's record, and what that wrote
    for path in (path for paths in arguments.values() for path in paths):
        found = _record_of(path, root)
        if found is None:
            continue
        record, content, folder = found
        digest = digest_of(content)
        made[path.as_posix()] = digest, {each.path: each.sha256 for each in record.outputs}
        if folder != root:
            _keep(content, digest, root)
    return [{**fact, "record": _maker(fact, made)} for fact in facts]


def _maker(fact: Mapping[str, Any], made: Mapping[str, tuple[str, dict[str, str]]]) -> str | None:
    """The record whose outputs hold this very content at this path."""
    for place in (fact["path"], *(parent.as_posix() for parent in Path(fact["path"]).parents)):
        if place in made:
            record, outputs = made[place]
            return record if outputs.get(fact["path"]) == fact["sha256"] else None
    return None


def note_outputs(outputs: Mapping[str, Iterable[Path]], root: Path, job: str) -> None:
    """Remember which job made these outputs."""
    for path in (path for paths in outputs.values() for path in paths):
        write_quickly(_pointer(path, root), job.encode())


def keep_earlier(record: Path, root: Path) -> None:
    """Keep a job's record, where there is one, before its new one takes the place: others may link to it."""
    if record.is_file():
        content = record.read_bytes()
        _keep(content, digest_of(content), root)


def _keep(content: bytes, digest: str, root: Path) -> None:
    place = root / LINKED / f"{digest}.json"
    if not place.is_file():
        write_atomically(place, content)


def _record_of(path: Path, root: Path) -> tuple[Record, bytes, Path] | None:
    """The record of the job that made an output, its bytes and its results folder: `root`, or that of the data sets."""
    for folder in (root, *(parent for parent in path.parents if parent != Path("."))):
        if path.is_relative_to(folder) and (folder / "records").is_dir():
            found = _pointed_at(path, folder)
            if found is None:
                _note_all(folder)
                found = _pointed_at(path, folder)
            return None if found is None else (*found, folder)
    return None


def _pointed_at(path: Path, root: Path) -> tuple[Record, bytes] | None:
    """The record that the note on an output names; None where that is missing, damaged or wrong."""
    try:
        content = (root / "records" / f"{_pointer(path, root).read_text()}.json").read_bytes()
        record = parse_record(content)
    except (OSError, ValueError):  # also a record that was altered: it tells of nobody's making
        return None
    written = (place for places in record.arguments.outputs.values() for place in places)
    return (record, content) if path.as_posix() in written else None


def _note_all(root: Path) -> None:
    found = []
    for path in (root / "records").rglob("*.json"):
        with suppress(RecordError):  # the audit tells of it
            found.append(parse_record(path.read_bytes()))
    for record in sorted(found, key=lambda record: record.ended):
        note_outputs({key: map(Path, paths) for key, paths in record.arguments.outputs.items()}, root, record.job)


def _pointer(path: Path, root: Path) -> Path:
    name = digest_of(path.as_posix().encode())
    return root / ".producers" / name[:2] / name[2:]
