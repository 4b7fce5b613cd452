"""The record beside a file that was written for use elsewhere: what it was made from, for whoever checks it later."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from workflow_scripts.runtime.durable import write_durably
from workflow_scripts.tables.files import sha256_of


def write_with_record(file: Path, content: bytes, made_from: Iterable[Path], facts: Mapping[str, Any]) -> None:
    """Write a file, and beside it as <file>.json the sha256 of it and of what it was made from, with further facts."""
    write_durably(file, content)
    sources = {path.as_posix(): sha256_of(path) for path in made_from}
    record = {"file": file.name, "sha256": sha256_of(file), "made_from": sources, **facts}
    write_durably(file.with_name(f"{file.name}.json"), (json.dumps(record, indent=2) + "\n").encode())
