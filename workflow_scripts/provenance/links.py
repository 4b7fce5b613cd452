"""How a job finds the records of the jobs that made its inputs, so that its own record can name them by content.

A record that others link to and whose place is elsewhere or taken is kept as `<root>/linked_records/<sha256>.json`.
`<root>/.producers/` holds the name of the job behind every output. It only saves a search through all records, and is
written anew where it is missing or names a job that did not make the output.
"""

from contextlib import suppress
from pathlib import Path

from workflow_scripts.provenance.record import Facts, Mismatch, NamedPaths, Record, digest_of, read_with_bytes
from workflow_scripts.runtime.durable import write_durably, write_quickly
from workflow_scripts.runtime.folders import INPUT_RECORDS, PRODUCERS, RECORDS
from workflow_scripts.runtime.untrusted_files import found_below, read_regular

Made = dict[str, tuple[Record, bytes]]
"""The record of the job that made an output, and its bytes, by the output's path as the job was called with it."""


def link_inputs(facts: Facts, arguments: NamedPaths, root: Path) -> Facts:
    """Add to every input's facts the sha256 of the record of the job that made it; None where none does.

    `arguments` are the inputs as the job was given them, files and folders. Records from other folders are copied into
    `root`, where they are linked to. Raises Mismatch for an input that is not what its job wrote: nothing that is made
    of it could be traced.
    """
    made: dict[str, tuple[str, dict[str, str]]] = {}  # by input: the record of its job, and what that job wrote
    searched: dict[Path, Made] = {}
    for path in (path for paths in arguments.values() for path in paths):
        found = _record_of(path, root, searched)
        if found is not None:
            record, content, folder = found
            made[path.as_posix()] = digest_of(content), {each.path: each.sha256 for each in record.outputs}
            if folder != root:
                _keep(content, root)
    linked = []
    for fact in facts:
        path = Path(fact["path"])
        places = (place for each in (path, *path.parents) if (place := each.as_posix()) in made)
        digest, outputs = made.get(next(places, ""), (None, {}))
        wrote = outputs.get(fact["path"])
        if wrote not in (None, fact["sha256"]):
            raise Mismatch(f"its input {path} is not what its job wrote; remove it, and start again")
        linked.append({**fact, "record": None if wrote is None else digest})
    return linked


def maker(path: Path, root: Path) -> Record | None:
    """The record of the job that made an output below `root`; None where none does."""
    found = _record_of(path, root, {})
    return None if found is None else found[0]


def note_outputs(outputs: NamedPaths, root: Path, job: str) -> None:
    """Remember which job made these outputs."""
    for path in (path for paths in outputs.values() for path in paths):
        write_quickly(_pointer(path, root), job.encode())


def keep_earlier(record: Path, root: Path) -> None:
    """Keep a job's record, where there is one, before its new one takes the place: others may link to it."""
    if record.is_file():
        _keep(record.read_bytes(), root)


def _keep(content: bytes, root: Path) -> None:
    place = root / INPUT_RECORDS / f"{digest_of(content)}.json"
    if not place.is_file():
        write_durably(place, content)


def _record_of(path: Path, root: Path, searched: dict[Path, Made]) -> tuple[Record, bytes, Path] | None:
    """The record of the job that made an output, its bytes and its results folder: `root`, or that of the data sets.

    `searched` holds what all records of a folder name, once they had to be read. Only below `root` the notes that
    are missing are written: a job that is run again by the audit writes nothing into the results it is compared with.
    """
    for folder in (root, *(parent for parent in path.parents if parent != Path("."))):
        if path.is_relative_to(folder) and (folder / RECORDS).is_dir():
            found = _pointed_at(path, folder)
            if found is None:
                if folder not in searched:
                    searched[folder] = _all_made(folder)
                    for place, (record, _) in searched[folder].items() if folder == root else ():
                        write_quickly(_pointer(Path(place), root), record.job.encode())
                found = searched[folder].get(path.as_posix())
            return None if found is None else (*found, folder)
    return None


def _pointed_at(path: Path, folder: Path) -> tuple[Record, bytes] | None:
    """The record that the note on an output names; None where that is missing, damaged or wrong."""
    with suppress(FileNotFoundError, ValueError):  # also a record that was altered: it counts for nothing
        job = read_regular(_pointer(path, folder)).decode()
        record, content = read_with_bytes(folder / RECORDS / f"{job}.json")
        if path.as_posix() in record.asked:
            return record, content
    return None


def _all_made(folder: Path) -> Made:
    found = []
    for file in (each.path for each in found_below(folder / RECORDS) if each.path.suffix == ".json"):
        with suppress(FileNotFoundError, ValueError):  # the audit reports it
            found.append(read_with_bytes(file))
    found.sort(key=lambda each: each[0].ended)
    return {path: each for each in found for path in each[0].asked}


def _pointer(path: Path, root: Path) -> Path:
    name = digest_of(path.as_posix().encode())
    return root / PRODUCERS / name[:2] / name[2:]
