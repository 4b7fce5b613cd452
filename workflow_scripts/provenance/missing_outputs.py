"""The check at the end of a run: every job that the run finished has its outputs, or a message says which not.

Snakemake can end with "100 % done" and exit status 0 although outputs are gone, and started again it does not miss
those that no job to run reads. So they are put back here. The check is cheap: existence and size, no hashes.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from workflow_scripts.provenance.attempts import append, begin, read
from workflow_scripts.provenance.environment import machine
from workflow_scripts.provenance.kept_outputs import Mismatch, put_back_after
from workflow_scripts.provenance.record import OutputFile, RecordError, lies_at, now, read_record
from workflow_scripts.runtime.folders import ATTEMPTS, KEPT, RECORDS
from workflow_scripts.runtime.untrusted_files import found_below

MOST = 10
"""Jobs that are named one by one."""

Snapshot = Mapping[Path, int]
"""By file, what changes when a job ends."""


def snapshot(roots: Iterable[Path]) -> Snapshot:
    """How long the traces of attempts are and how old the records: before a run, to see what ends in it.

    No time is compared with another machine's.
    """
    traces = {file: file.stat().st_size for root in roots for file in _files(root / ATTEMPTS, ".jsonl")}
    return traces | {file: file.stat().st_mtime_ns for root in roots for file in _files(root / RECORDS, ".json")}


def _files(folder: Path, suffix: str) -> Iterator[Path]:
    return (each.path for each in found_below(folder) if each.fault is None and each.path.suffix == suffix)


def finished_since(before: Snapshot, roots: Iterable[Path]) -> list[tuple[Path, str]]:
    """Root and name of the jobs that ended well since the snapshot `before`, by their trace or record, sorted."""
    found = set()
    for file, mark in snapshot(roots).items():
        if before.get(file) == mark:
            continue
        root = next(root for root in roots if file.is_relative_to(root))
        folder = root / (ATTEMPTS if file.suffix == ".jsonl" else RECORDS)
        job = file.relative_to(folder).as_posix().removesuffix(file.suffix)
        if file.suffix == ".json" or read(file, job, before.get(file, 0)).ended_well:
            found.add((root, job))
    return sorted(found)


def put_back_missing(before: Snapshot, roots: Iterable[Path]) -> list[str]:
    """Put back what was removed of the outputs of jobs that ended well since `before`, and say so.

    One line for a job, up to ten, then their number; none where all is there.
    """
    lines = [line for each in finished_since(before, roots) for line in _put_back_job(*each)]
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
    wrong = [each for each in record.outputs if _size(each) != each.bytes]
    if not wrong:
        return
    first = wrong[0]
    also = f" and {len(wrong) - 1} more of its outputs" if len(wrong) > 1 else ""
    lost = f"  {job}: {first.path}{also}"
    output = next(path for paths in record.arguments.outputs.values() for path in paths if lies_at(first.path, path))
    again = f"run `snakemake {output}` with the same options after it"
    if any(_size(each) is not None for each in wrong):
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


def _size(output: OutputFile) -> int | None:
    """The size of an output in bytes; None where it is not there."""
    try:
        return Path(output.path).stat().st_size
    except OSError:
        return None
