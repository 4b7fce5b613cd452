"""The facts of data sets of one's own, noted so that their pictures are read again only after a file changed.

A file counts as changed when its size, its time of change (ctime, which no program can set) or its number on the disk
is another. Times are too coarse to tell two writes in one moment apart, so facts of files that changed less than
`SETTLED_SECONDS` before they were read are not relied on.
"""

import hashlib
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from workflow_scripts.data.own.pictures import read_pictures
from workflow_scripts.data.own.source import Source, all_files
from workflow_scripts.runtime.durable import write_quickly

FOLDER = Path("data/own")
"""One file for each data set: where its pictures lie, and their facts. No result: it is made anew where it is gone."""
SETTLED_SECONDS = 2.0


def facts_of(name: str, source: Source) -> dict[str, Any]:
    """The facts of a data set of one's own, as `read_pictures` states them; it is called where a file changed.

    Raises ValueError, in one sentence, where its pictures cannot be used.
    """
    file, started = FOLDER / f"{name}.json", time.time()
    source = absolute(source)
    newest, state = _state_of(source)
    noted = _noted(file)
    if not source.path.exists() and noted.get("source") == asdict(source) and isinstance(noted.get("facts"), dict):
        print(f"{name}: {source.path} is not there; what was noted of it is taken", file=sys.stderr, flush=True)
        return dict(noted["facts"])
    if noted.get("state") == state and noted.get("settled") is True and isinstance(noted.get("facts"), dict):
        return dict(noted["facts"])
    print(f"{name}: reading the pictures of {source.path}", file=sys.stderr, flush=True)
    facts = read_pictures(source).facts
    note = {"source": asdict(source), "state": state, "settled": newest < started - SETTLED_SECONDS, "facts": facts}
    try:
        write_quickly(file, (json.dumps(note, indent=1, sort_keys=True) + "\n").encode())
    except OSError as error:
        print(f"{name}: {file} cannot be written ({error.strerror}), so they are read each time", file=sys.stderr)
    return facts


def absolute(source: Source) -> Source:
    """The same source, seen from any folder."""
    folder, npz, split = (_absolute(place) for place in (source.folder, source.npz, source.split))
    return replace(source, folder=folder, npz=npz, split=split)


def noted_sources(folder: Path) -> dict[str, Any]:
    """By name, the sources that were noted in `folder`, as JSON has them."""
    found = {file.stem: _noted(file).get("source") for file in sorted(folder.glob("*.json"))}
    return {name: source for name, source in found.items() if isinstance(source, dict)}


def _absolute(place: str | None) -> str | None:
    return None if place is None else str(Path(place).expanduser().absolute())


def _state_of(source: Source) -> tuple[float, str]:
    """The latest change of a source's files, in seconds, and one digest over the states of all and how they are read.

    What reads them is part of it: the modules of this folder and the version of Pillow.
    """
    newest, lines = 0.0, []
    for path in all_files(source):
        try:
            found = path.stat()
        except OSError:  # a link to nowhere; what cannot be read is told by who reads it
            lines.append(f"{path} is not there")
            continue
        newest = max(newest, found.st_ctime)
        lines.append(f"{path} {found.st_size} {found.st_ctime_ns} {found.st_mtime_ns} {found.st_dev} {found.st_ino}")
    readers = [path.read_text() for path in sorted(Path(__file__).parent.glob("*.py"))]
    how = [json.dumps(asdict(source), sort_keys=True), *readers, version("pillow")]
    return newest, hashlib.sha256("\n".join([*how, *sorted(lines)]).encode()).hexdigest()


def _noted(file: Path) -> Mapping[str, Any]:
    try:
        value = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
