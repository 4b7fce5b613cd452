"""What is worth knowing about a results folder and is not a fault: versions, machines, attempts."""

from collections import Counter
from collections.abc import Iterable, Iterator

from workflow_scripts.provenance.attempts import all_attempts
from workflow_scripts.provenance.environment import LOCK_FILE, software
from workflow_scripts.provenance.ledger import Ledger
from workflow_scripts.provenance.record import InputFile

TIMES = ("started", "ended", "seconds")


def notes_on(ledger: Ledger) -> list[str]:
    """Versions, machines and attempts worth knowing."""
    here = software()
    records = [entry.record for entry in ledger.jobs.values()]
    notes = _versions("python", here["python"], (record.software.python for record in records))
    for package, version in here["packages"].items():
        if version is not None:
            notes += _versions(package, version, (record.software.packages.get(package) for record in records))
    if here["lock_sha256"] is not None:
        other = [record for record in records if record.software.lock_sha256 != here["lock_sha256"]]
        if other:
            notes.append(f"made with another {LOCK_FILE.name}: {len(other)} jobs")
    kinds = Counter(record.machine.processor for record in records)
    if len(kinds) > 1:
        notes.append("made on several kinds of processor: " + ", ".join(f"{name} ({n})" for name, n in kinds.items()))
    dirty = sum(bool(record.git.dirty) for record in records)
    if dirty:
        notes.append(f"made from a checkout with uncommitted changes: {dirty} jobs (the code digests show which)")
    again = {line for entry in ledger.jobs.values() for read in entry.record.inputs for line in _again(ledger, read)}
    if again:
        notes.append(f"made again since they were read, with the same bytes: {first_few(sorted(again))}")
    traces = list(all_attempts(ledger.folder))
    unreadable = [f"{attempts.job} ({attempts.fault})" for attempts in traces if attempts.fault is not None]
    if unreadable:
        notes.append(f"traces of attempts that cannot be read: {first_few(unreadable)}")
    broken = [f"{attempts.job} ({len(attempts.unfinished)})" for attempts in traces if attempts.unfinished]
    if broken:
        notes.append(f"attempts that were killed, or still run: {first_few(broken)}")
    return notes


def _versions(name: str, here: str, recorded: Iterable[str | None]) -> list[str]:
    others = Counter(version for version in recorded if version is not None and version != here)
    return [f"made with {name} {version}, at hand is {here}: {count} jobs" for version, count in others.items()]


def _again(ledger: Ledger, read: InputFile) -> Iterator[str]:
    """The job that made an input, where its record in force is not the one linked to, and what differs in the two."""
    maker, now = ledger.maker(read), ledger.makers.get(read.path)
    if maker is not None and now is not None and now is not maker:
        before, after = (entry.record.model_dump() for entry in (maker, now))
        compared = [name for name in before if name not in ("outputs", "digest", *TIMES)]
        changed = [name for name in compared if before[name] != after[name]]
        if ledger.first_difference(maker, now) is None:  # else it is a finding
            yield f"{now.record.job} ({', '.join(changed) or 'only the times differ'})"


def first_few(names: list[str], most: int = 3) -> str:
    """The first few names, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
