"""The bytes of finished jobs, kept so that outputs removed from outside are put back instead of computed again.

A finished job's outputs are kept as `<root>/.kept/<job>/<sha256>`: hard links, which take no room while the outputs are
there, or copies where the file system refuses links. They are replaced when the job succeeds again. The names follow
from the record, so that the audit knows every kept file (docs/provenance.md).
"""

import errno
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from workflow_scripts.provenance.identity import Identity
from workflow_scripts.provenance.links import maker
from workflow_scripts.provenance.record import (
    SAME_TRAINING,
    Facts,
    NamedPaths,
    Record,
    RecordError,
    file_facts,
    lies_at,
    plain_paths,
    read_record,
)
from workflow_scripts.runtime.failures import JobError
from workflow_scripts.runtime.folders import KEPT, RECORDS
from workflow_scripts.runtime.writable_paths import link_on_the_way
from workflow_scripts.tables.files import sha256_of

LINK_REFUSED = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV, errno.EINVAL)
"""What a file system answers that knows no hard links, or allows no more of them."""


class Mismatch(Exception):
    """Why a recorded result is not the one that is wanted; its text is a few words."""


@dataclass(frozen=True)
class PutBack:
    """What came of looking for a job's result: the files that were put back, or why none were.

    Neither where the job has no record, or no output is missing: then there is nothing to put back.
    """

    files: list[Path] = field(default_factory=list)
    why_not: str | None = None

    def sentence(self, root: Path) -> str:
        """What happened and how to compute nevertheless."""
        count, first = len(self.files), self.files[0]
        which = f"its output {first} was" if count == 1 else f"{count} of its outputs were"
        return (
            f"{which} missing and put back from {root / KEPT}, from the same settings, code and inputs; nothing was "
            "computed; to compute anew, run Snakemake with --force or --forcerun"
        )


def kept_at(root: Path, job: str, sha256: str) -> Path:
    """Where a job's output of this content is kept. A job's name may begin another's, so only files are the job's."""
    return root / KEPT / job / sha256


def remove_outdated(root: Path, job: str, outputs: Facts) -> None:
    """Remove what is kept of a job and is none of `outputs`; before the job's new record is written.

    So a job that is killed at any moment leaves nothing that its record does not name.
    """
    folder = root / KEPT / job
    wanted = {fact["sha256"] for fact in outputs}
    for file in sorted(folder.iterdir()) if folder.is_dir() else ():
        if file.name not in wanted and (file.is_symlink() or not file.is_dir()):
            file.unlink()


def keep(root: Path, job: str, outputs: Facts) -> None:
    """Keep the bytes of a finished job's outputs, of which `outputs` are the facts. Raises OSError."""
    for fact in outputs:
        kept = kept_at(root, job, fact["sha256"])
        _link(Path(fact["path"]), kept, kept)


def put_back(identity: Identity, inputs: NamedPaths, read: Facts, outputs: NamedPaths, root: Path, job: str) -> PutBack:
    """Put back what is missing of a job's outputs, if its result was made from this identity and these inputs.

    `read` are the facts of the input files as they are now. All or nothing: what is there must be what was recorded,
    and what is kept of the rest, too. Raises OSError where a file cannot be written.
    """
    file = root / RECORDS / f"{job}.json"
    if not file.is_file():
        return PutBack()
    try:
        missing = _missing(same_job(identity, inputs, read, file), outputs, root, job)
    except Mismatch as why:
        return PutBack(why_not=f"no earlier result is put back, because {why}")
    for path, kept in missing.items():
        _link(kept, path, kept)
        os.utime(path)  # new, as if it had been computed: Snakemake makes again what is older than its input
    return PutBack(files=list(missing))


def same_job(identity: Identity, inputs: NamedPaths, read: Facts, file: Path) -> Record:
    """The record in `file`, if its result was made from this identity and these inputs, whose facts are `read`.

    A training may be computed or taken from another of the same architecture, to the same bytes; where it is now to be
    the other way, the record holds. Raises Mismatch, or OSError.
    """
    try:
        record = read_record(file)
    except RecordError as error:
        raise Mismatch(f"its record cannot be trusted: {error}") from None
    _require_same_identity(record, identity)
    recorded, asked = dict(record.arguments.inputs), plain_paths(inputs)
    taken, to_take = recorded.pop(SAME_TRAINING, []), asked.pop(SAME_TRAINING, [])
    if recorded != asked:
        raise Mismatch("the record names other inputs")
    without = {*taken, *to_take} if taken != to_take else set()
    given = {(each.path, each.sha256) for each in record.inputs if record.was_given(each.path)}
    changed = {path for path, _ in given ^ {(fact["path"], fact["sha256"]) for fact in read} if path not in without}
    if changed:
        raise Mismatch(f"its input {min(changed)} does not match the record")
    return record


def require_same_training(identity: Identity, inputs: NamedPaths, root: Path) -> None:
    """Raise JobError where the training whose outputs are to be taken is of other settings or code."""
    for path in inputs.get(SAME_TRAINING, []):
        try:
            record = maker(path, root)
            if record is None:
                raise Mismatch("it has no record")
            _require_same_identity(record, identity)
        except Mismatch as why:
            raise JobError(f"{path.parent} cannot be taken: {why}; `make status` says what to do") from None


def _require_same_identity(record: Record, identity: Identity) -> None:
    for what in ("step", "settings", "code"):
        if getattr(record, what) != getattr(identity, what):
            raise Mismatch(f"the record has other {what}")


def _missing(record: Record, outputs: NamedPaths, root: Path, job: str) -> dict[Path, Path]:
    """The kept file of every output that is missing, all of them sound. Raises Mismatch where anything is not."""
    asked = plain_paths(outputs)
    if (record.root, record.job, record.arguments.outputs) != (root.as_posix(), job, asked):
        raise Mismatch("the record names other outputs")
    recorded = {each.path: each.sha256 for each in record.outputs}
    for output in (output for group in asked.values() for output in group):
        if not any(lies_at(each, output) for each in recorded):
            raise Mismatch(f"the record names no file of {output}")
    there = {key: [path for path in paths if path.exists()] for key, paths in outputs.items()}
    found = {fact["path"]: fact["sha256"] for fact in file_facts(there)}
    altered = next((path for path, sha256 in found.items() if recorded.get(path) != sha256), None)
    if altered is not None:
        raise Mismatch(f"{altered} is there and is not what was recorded")
    return _checked_kept_files({path: sha256 for path, sha256 in recorded.items() if path not in found}, root, job)


def put_back_after(record: Record, root: Path) -> list[Path]:
    """Put back what was removed after the recorded job had ended, as old as it was. All or nothing.

    Returns the files put back. Raises Mismatch where what is kept is not what was recorded, and OSError.
    """
    gone = {each.path: each.sha256 for each in record.outputs if not Path(each.path).exists()}
    missing = _checked_kept_files(gone, root, record.job)
    for path, kept in missing.items():
        _link(kept, path, kept)
    return list(missing)


def _checked_kept_files(gone: Mapping[str, str], root: Path, job: str) -> dict[Path, Path]:
    """The kept file of every output in `gone`, which gives their sha256. Raises Mismatch where one is not sound."""
    missing = {Path(path): kept_at(root, job, sha256) for path, sha256 in gone.items()}
    for path, kept in missing.items():
        for place in (path, kept):
            link = link_on_the_way(root, place)
            if link is not None:
                raise Mismatch(f"{link} is a link")
        if not kept.is_file():
            raise Mismatch(f"the bytes of {path} are not in {kept.parent}")
        if sha256_of(kept) != gone[path.as_posix()]:
            raise Mismatch(f"the kept bytes of {path} were altered ({kept})")
    return missing


def _link(source: Path, target: Path, kept: Path) -> None:
    """Make `target` a hard link to `source`, or a copy of it, by one rename.

    One of the two is `kept`, next to which the temporary name is, so that a kill leaves none among the results.
    """
    for path in (target, kept):
        path.parent.mkdir(parents=True, exist_ok=True)
    temporary = kept.with_name(f".{kept.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    try:
        os.link(source, temporary, follow_symlinks=False)
    except OSError as error:
        if error.errno not in LINK_REFUSED:
            raise
        shutil.copy2(source, temporary)
    os.replace(temporary, target)
    temporary.unlink(missing_ok=True)  # where both are links to one file already, a rename does nothing
