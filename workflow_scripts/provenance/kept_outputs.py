"""The bytes of finished jobs, kept so that outputs removed from outside are put back instead of computed again.

They are kept as `<root>/.kept/<job>/<sha256>`, hard links or copies, until the job succeeds again; names follow from
the record, so that the audit knows every kept file. They are put back when their job is started again, and at the end
of a run, which looks for existence and size only (docs/provenance.md).
"""

import errno
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from workflow_scripts.provenance.attempts import append, begin, read
from workflow_scripts.provenance.environment import machine
from workflow_scripts.provenance.identity import Identity
from workflow_scripts.provenance.links import maker
from workflow_scripts.provenance.record import (
    SAME_TRAINING,
    Facts,
    Mismatch,
    NamedPaths,
    Record,
    RecordError,
    file_facts,
    lies_at,
    now,
    plain_paths,
    read_record,
)
from workflow_scripts.runtime.folders import ATTEMPTS, KEPT, RECORDS
from workflow_scripts.runtime.untrusted_files import found_below
from workflow_scripts.runtime.writable_paths import link_on_the_way
from workflow_scripts.tables.files import sha256_of

LINK_REFUSED = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV, errno.EINVAL)
"""What a file system answers that knows no hard links, or allows no more of them."""
MOST = 10
"""Jobs that are named one by one at the end of a run."""


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


# when a job is started again ------------------------------------------------------------------------------------------


def put_back(
    identity: Identity, inputs: NamedPaths, read: Facts, outputs: NamedPaths, root: Path, job: str
) -> list[Path]:
    """Put back what is missing of a job's outputs, if its result was made from this identity and these inputs.

    `read` are the facts of the input files as they are now. All or nothing: what is there must be what was recorded,
    and what is kept of the rest, too. Returns the files put back: none where the job has no record, or no output is
    missing. Raises Mismatch where the result is another, and OSError where a file cannot be written.
    """
    file = root / RECORDS / f"{job}.json"
    if not file.is_file():
        return []
    record, asked = same_job(identity, inputs, read, file), plain_paths(outputs)
    if (record.root, record.job, record.arguments.outputs) != (root.as_posix(), job, asked):
        raise Mismatch("the record names other outputs")
    recorded = {each.path: each.sha256 for each in record.outputs}
    for output in record.asked:
        if not any(lies_at(each, output) for each in recorded):
            raise Mismatch(f"the record names no file of {output}")
    there = {key: [path for path in paths if path.exists()] for key, paths in outputs.items()}
    found = {fact["path"]: fact["sha256"] for fact in file_facts(there)}
    altered = next((path for path, sha256 in found.items() if recorded.get(path) != sha256), None)
    if altered is not None:
        raise Mismatch(f"{altered} is there and is not what was recorded")
    files = _put_back({path: sha256 for path, sha256 in recorded.items() if path not in found}, root, job)
    for path in files:
        os.utime(path)  # new, as if it had been computed: Snakemake makes again what is older than its input
    return files


def put_back_sentence(files: Sequence[Path], root: Path) -> str:
    """What happened where files were put back, and how to compute nevertheless."""
    which = f"its output {files[0]} was" if len(files) == 1 else f"{len(files)} of its outputs were"
    return (
        f"{which} missing and put back from {root / KEPT}, from the same settings, code and inputs; nothing was "
        "computed; to compute anew, run Snakemake with --force or --forcerun"
    )


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
    """Raise Mismatch where the training whose outputs are to be taken is of other settings or code."""
    for path in inputs.get(SAME_TRAINING, []):
        try:
            record = maker(path, root)
            if record is None:
                raise Mismatch("it has no record")
            _require_same_identity(record, identity)
        except Mismatch as why:
            raise Mismatch(f"{path.parent} cannot be taken: {why}; `make status` says what to do") from None


def _require_same_identity(record: Record, identity: Identity) -> None:
    for what in ("step", "settings", "code"):
        if getattr(record, what) != getattr(identity, what):
            raise Mismatch(f"the record has other {what}")


# at the end of a run --------------------------------------------------------------------------------------------------


Snapshot = Mapping[Path, int]
"""By file, what changes when a job ends."""


def snapshot(roots: Iterable[Path]) -> Snapshot:
    """How long traces of attempts are and how old records: before a run, to see what ends in it by no other clock."""
    traces = {file: file.stat().st_size for root in roots for file in _files(root / ATTEMPTS, ".jsonl")}
    return traces | {file: file.stat().st_mtime_ns for root in roots for file in _files(root / RECORDS, ".json")}


def _files(folder: Path, suffix: str) -> Iterator[Path]:
    return (each.path for each in found_below(folder) if each.fault is None and each.path.suffix == suffix)


def put_back_missing(before: Snapshot, roots: Iterable[Path]) -> list[str]:
    """A line for each job that ended well since `before` and lost outputs, which are put back; of many, the first."""
    finished = set()  # by their trace or record
    for file in (file for file, mark in snapshot(roots).items() if before.get(file) != mark):
        root = next(root for root in roots if file.is_relative_to(root))
        folder = root / (ATTEMPTS if file.suffix == ".jsonl" else RECORDS)
        job = file.relative_to(folder).as_posix().removesuffix(file.suffix)
        if file.suffix == ".json" or read(file, job, before.get(file, 0)).ended_well:
            finished.add((root, job))
    lines = [line for each in sorted(finished) for line in _put_back_job(*each)]
    if not lines:
        return []
    more = [f"  and {len(lines) - MOST} more jobs"] if len(lines) > MOST else []
    return ["Outputs of finished jobs were removed or changed from outside:", *lines[:MOST], *more]


def _put_back_job(root: Path, job: str) -> Iterator[str]:
    file = root / RECORDS / f"{job}.json"
    try:
        record = read_record(file)
    except (OSError, RecordError) as error:
        why = "it is not there" if isinstance(error, FileNotFoundError) else error
        yield f"  {job}: its record {file} cannot be read: {why}; run it again, with --forcerun and one of its outputs"
        return
    wrong = [each.path for each in record.outputs if _size(each.path) != each.bytes]
    if not wrong:
        return
    also = f" and {len(wrong) - 1} more of its outputs" if len(wrong) > 1 else ""
    lost = f"  {job}: {wrong[0]}{also}"
    output = next(path for path in record.asked if lies_at(wrong[0], path))
    again = f"run `snakemake {output}` with the same options after it"
    if any(_size(path) is not None for path in wrong):
        yield f"{lost} changed in size or went after the job had ended; remove {output}, then {again}"
        return
    trace = root / ATTEMPTS / f"{job}.jsonl"
    if any("started" in entry for entry in read(trace, job).entries[-1:]):
        yield f"{lost} went when the job was started again, and that attempt did not end; {again}"
        return
    try:
        count = len(put_back_after(record, root))
        append(trace, {"attempt": begin(trace, machine()), "ended": now(), "failed": None, "put_back": count})
    except (Mismatch, OSError) as why:
        yield f"{lost} went after the job had ended, and cannot be put back, because {why}; {again}"
    else:
        which = "it was" if count == 1 else "all were"
        yield f"{lost} went after the job had ended; {which} put back from {root / KEPT}; start the same command again"


def _size(path: str) -> int | None:
    """The size of a file in bytes; None where it is not there."""
    with suppress(OSError):
        return os.stat(path).st_size
    return None


def put_back_after(record: Record, root: Path) -> list[Path]:
    """Put back what was removed after the recorded job had ended, as `_put_back` does."""
    return _put_back(
        {each.path: each.sha256 for each in record.outputs if not os.path.exists(each.path)}, root, record.job
    )


# both -----------------------------------------------------------------------------------------------------------------


def _put_back(gone: Mapping[str, str], root: Path, job: str) -> list[Path]:
    """Put back all outputs in `gone`, as old as they were, or none, by their sha256. Raises Mismatch, OSError."""
    missing = {Path(path): kept_at(root, job, sha256) for path, sha256 in gone.items()}
    for path, kept in missing.items():
        link = link_on_the_way(root, path) or link_on_the_way(root, kept)
        if link is not None:
            raise Mismatch(f"{link} is a link")
        if not kept.is_file():
            raise Mismatch(f"the bytes of {path} are not in {kept.parent}")
        if sha256_of(kept) != gone[path.as_posix()]:
            raise Mismatch(f"the kept bytes of {path} were altered ({kept})")
    for path, kept in missing.items():
        _link(kept, path, kept)
    return list(missing)


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
