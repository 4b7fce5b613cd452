"""Remove what the jobs of a study have left behind and nobody needs any more.

    python -m workflow_scripts.tidy config/paper.yaml --dry-run

Of jobs that are finished, or no longer in the study: checkpoints, scratch folders and the scheduler's scripts and logs;
as well as locks that nobody holds, kept bytes that no record names, and temporary files that kills left. Results,
records, attempts, logs and waivers stay, and nothing is touched of a job that runs now. Where a link lies among them,
nothing is removed, because it may lead to files of somebody else.
"""

import argparse
import re
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from workflow_scripts.provenance.attempts import all_attempts
from workflow_scripts.provenance.record import Record, RecordError, read_record
from workflow_scripts.runtime.command_line import print_error, print_lines, study_parser
from workflow_scripts.runtime.folders import ATTEMPTS, CHECKPOINTS, KEPT, LOCKS, RECORDS, SCHEDULER, SCRATCH
from workflow_scripts.runtime.job_lock import lock_file
from workflow_scripts.runtime.locks import try_lock
from workflow_scripts.runtime.untrusted_files import LINK, found_below
from workflow_scripts.study.job_plan import planned_of
from workflow_scripts.study.open_study import named_study
from workflow_scripts.study.study import StudyError

FREE_OF_LINKS = (CHECKPOINTS, SCRATCH, LOCKS, KEPT, SCHEDULER, RECORDS, ATTEMPTS)
"""Folders that files are removed from, or that decide which."""
SNAKEMAKE_LOCKS = ".snakemake/locks"
TEMPORARY = re.compile(r"\..+\.\d+")
"""The name of a file that is being written: `.<name>.<process>`."""
OLD_SECONDS = 3600.0
"""Age from which such a file is one that a kill left: writing takes seconds."""


class TidyError(Exception):
    """A folder from which nothing is removed; its text is one sentence."""


@dataclass
class Removed:
    """Files and freed bytes by kind; with `dry_run` nothing is removed. `running` are jobs that were left alone.

    `workflow_runs` says that Snakemake holds its lock: jobs may wait at the scheduler, so that its folders are needed.
    """

    dry_run: bool
    workflow_runs: bool = False
    files: Counter[str] = field(default_factory=Counter)
    bytes: Counter[str] = field(default_factory=Counter)
    running: set[str] = field(default_factory=set)

    def remove(self, kind: str, path: Path) -> None:
        """Remove a file, or a folder with all in it."""
        files = [each.lstat() for each in _files(path)]
        self.files[kind] += len(files)
        self.bytes[kind] += sum(each.st_size for each in files if each.st_nlink == 1)  # else it is there still
        if self.dry_run:
            return
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def main(arguments: Sequence[str] | None = None) -> int:
    """Tidy the results of the study on the command line; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        study = named_study(options.file, options.set)
        root = Path(f"results/{study.study}")
        removed = tidy(root, {job.name for job in planned_of(study) if job.root == root.as_posix()}, options.dry_run)
    except (StudyError, TidyError) as error:
        print_error(error)
        return 2
    except RecursionError:
        print_error(f"a folder in {root} holds folders within folders too deep to be removed; remove it with rm -r")
        return 2
    except OSError as error:
        print_error(f"{error.filename or 'a file'} cannot be removed ({error.strerror})")
        return 2
    _print_removed(root, removed)
    return 0


def tidy(root: Path, planned: set[str], dry_run: bool = False) -> Removed:
    """Tidy a results folder; `planned` are the names of the study's jobs.

    Raises TidyError, before anything is removed, where a link lies in a folder that must have none; OSError where a
    file cannot go; RecursionError where folders lie too deep in one another for `shutil.rmtree`.
    """
    _refuse_links(root)
    removed = Removed(dry_run, any((root.parents[1] / SNAKEMAKE_LOCKS).glob("*.lock")))
    records = dict(_records(root / RECORDS))
    attempted = {attempts.job: attempts.failure for attempts in all_attempts(root)}
    checkpoints = {_name(file, root / CHECKPOINTS, ".pt") for file in _files(root / CHECKPOINTS, ".pt")}
    for job in sorted(planned | records.keys() | attempted.keys() | checkpoints):
        # A finished job that was begun anew and killed goes on from its checkpoint.
        if job not in planned or (job in records and attempted.get(job) is None):
            _tidy_job(root, job, removed)
    for file in _files(root / KEPT):
        job = _name(file.parent, root / KEPT)
        if not TEMPORARY.fullmatch(file.name) and not _is_named(file.name, job, records):
            with _held(root, job, removed) as held:
                if held:
                    removed.remove("kept bytes", file)
    _remove_locks(root, removed)
    _remove_temporary_files(root, removed)
    return removed


def _refuse_links(root: Path) -> None:
    for found in (found for name in FREE_OF_LINKS for found in found_below(root / name)):
        if found.fault == LINK:
            raise TidyError(
                f"{found.path} is a link, so nothing is removed, because it may lead to other files; remove the "
                "link, or put what it leads to in its place"
            )


def _tidy_job(root: Path, job: str, removed: Removed) -> None:
    """Remove a job's checkpoint, scratch folder and what the scheduler left, unless it runs."""
    numbered = [] if removed.workflow_runs else _below(root / SCHEDULER / job)
    found = {
        "checkpoints": [root / CHECKPOINTS / f"{job}.pt"],
        "scratch": [root / SCRATCH / job],
        "scheduler": [folder for folder in numbered if folder.name.isdecimal()],
    }
    if not any(path.exists() for paths in found.values() for path in paths):
        return
    with _held(root, job, removed) as held:
        for kind, path in ((kind, path) for kind, paths in found.items() for path in paths):
            if held and path.exists():
                removed.remove(kind, path)
        if held and not removed.dry_run:
            with suppress(OSError):  # it is not there, or holds something else
                (root / SCHEDULER / job).rmdir()


@contextmanager
def _held(root: Path, job: str, removed: Removed) -> Iterator[bool]:
    """Hold a job's lock, so that it cannot run; yields False where it runs now."""
    file = lock_file(root, job)
    was_there = file.exists()
    with _lock(file) as held:
        if not held:
            removed.running.add(job)
        yield held
        if held and not was_there:
            file.unlink()


@contextmanager
def _lock(file: Path) -> Iterator[bool]:
    """Hold a lock if nobody does; yields whether."""
    file.parent.mkdir(parents=True, exist_ok=True)
    lock = try_lock(file)
    if lock is None:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def _remove_locks(root: Path, removed: Removed) -> None:
    """Remove the locks that nobody holds, and their owners' names."""
    for file in _below(root / LOCKS):
        if file.suffix != ".lock":
            continue
        with _lock(file) as held:
            if held:
                for path in (file, file.with_suffix(".owner")):
                    if path.exists():
                        removed.remove("locks", path)
    for file in _below(root / LOCKS):
        if file.suffix == ".owner" and not file.with_suffix(".lock").exists():
            removed.remove("locks", file)


def _remove_temporary_files(root: Path, removed: Removed) -> None:
    """Remove what a kill left half written, anywhere but in scratch folders, which go as a whole."""
    before = time.time() - OLD_SECONDS
    for file in (file for part in _below(root) if part.name != SCRATCH for file in _files(part)):
        if TEMPORARY.fullmatch(file.name):
            with suppress(FileNotFoundError):  # it was being written, and is in place now
                if file.lstat().st_mtime < before:
                    removed.remove("temporary files", file)


def _records(folder: Path) -> Iterator[tuple[str, Record | None]]:
    """Every record by its job; None for one that cannot be trusted, whose job may need all that is there."""
    for file in _files(folder, ".json"):
        try:
            yield _name(file, folder, ".json"), read_record(file)
        except RecordError:
            yield _name(file, folder, ".json"), None


def _is_named(sha256: str, job: str, records: dict[str, Record | None]) -> bool:
    """Whether a record in force may name these bytes."""
    if job not in records:
        return False
    record = records[job]
    return record is None or any(output.sha256 == sha256 for output in record.outputs)


def _files(folder: Path, suffix: str = "") -> list[Path]:
    """The files below a folder whose names end so; a link counts as one and is not followed."""
    return [found.path for found in found_below(folder) if found.path.name.endswith(suffix)]


def _below(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _name(path: Path, folder: Path, suffix: str = "") -> str:
    return path.relative_to(folder).as_posix().removesuffix(suffix)


def _print_removed(root: Path, removed: Removed) -> None:
    verb = "would be removed" if removed.dry_run else "removed"
    for kind, count in removed.files.items():
        print(f"{kind:<16}{count:>8} files{removed.bytes[kind] / 1e6:>12.3f} MB {verb}")
    print(f"{root}: {sum(removed.files.values())} files, {sum(removed.bytes.values()) / 1e6:.3f} MB {verb}")
    if removed.workflow_runs:
        print(f"{root / SCHEDULER} is left alone, because a workflow runs here, or was killed: then start that first")
    if removed.running:
        print_lines("Left alone, because they run now:", *(f"  {job}" for job in sorted(removed.running)))


def _parser() -> argparse.ArgumentParser:
    parser = study_parser("tidy", __doc__)
    parser.add_argument("--dry-run", action="store_true", help="say what would be removed, and remove nothing")
    return parser


if __name__ == "__main__":
    sys.exit(main())
