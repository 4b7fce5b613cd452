"""Links from what a job read to the record of its making, followed one by one."""

from collections.abc import Iterator
from pathlib import Path

from workflow_scripts.provenance.check_files import Files
from workflow_scripts.provenance.differences import DIGITS
from workflow_scripts.provenance.findings import Finding, shown
from workflow_scripts.provenance.ledger import Entry, Ledger
from workflow_scripts.provenance.record import InputFile
from workflow_scripts.provenance.source_checksums import checksum_fault
from workflow_scripts.runtime.folders import INPUT_RECORDS, RECORDS
from workflow_scripts.study.places import DATA_ROOT


def check_links(ledger: Ledger, files: Files) -> Iterator[Finding]:
    """Inputs whose making is not recorded as their reader says."""
    reported = set()
    for entry in ledger.entries():
        for read in entry.record.inputs:
            finding = _link(ledger, entry, read, files)
            # Of a record that many jobs read, one reader is named.
            key = None if finding is None else (finding.path, finding.cause if finding.kind == "stale" else "")
            if finding is not None and key not in reported:
                reported.add(key)
                yield finding


def _link(ledger: Ledger, entry: Entry, read: InputFile, files: Files) -> Finding | None:
    reader = entry.record.job
    if read.record is None:
        return _source(ledger, entry, read, files)
    maker, now = ledger.maker(read), ledger.makers.get(read.path)
    if maker is None:
        if now is None:
            file = f"the record of the job that wrote {read.path}"
            if any(_could_be_linked(path, read, ledger) for path in ledger.unreadable):
                return None  # reported already, by the record's name
            return Finding("link", file, f"{reader} links to it, and it is not there", reader)
        file = shown(now.file, ledger)
        other = f"another record of it (sha256 {read.record[:DIGITS]})"
        cause = f"{reader} links to {other}: it was altered, or the earlier one deleted"
        return Finding("record", file, cause, now.record.job)
    if maker.record.root not in (ledger.root, DATA_ROOT):
        cause = f"{reader} links to it, and it is of a job in {maker.record.root}, whose files are not looked at"
        return Finding("record", shown(maker.file, ledger), cause, reader)
    if maker.record.root != ledger.root and read.record not in ledger.input_records:
        cause = f"{reader} links to it, and the results folder's copy of it is not there"
        return Finding("missing", f"{ledger.root}/{INPUT_RECORDS}/{read.record}.json", cause, reader)
    written = maker.outputs.get(read.path)
    if written is None or (written.sha256, written.bytes) != (read.sha256, read.bytes):
        cause = f"it does not name {read.path} (sha256 {read.sha256[:DIGITS]}), although {reader} says so"
        return Finding("record", shown(maker.file, ledger), cause, maker.record.job)
    if now is None:
        return Finding("missing", read.path, f"{reader} read it, and no record in force states it any more", reader)
    if now is maker:
        return None
    if now.outputs[read.path].sha256 != read.sha256:
        cause = f"{read.path} was made anew by {now.record.job} ({now.record.ended}) after {reader} read it"
        return Finding("stale", reader, cause, reader)
    # A forger may exchange an output that nobody read, with the record, and leave the true record where it was linked.
    # A job that was made again from something else may well write this output as before, and another one not.
    exchanged = ledger.first_difference(maker, now) if _making(maker) == _making(now) else None
    if exchanged is not None:
        cause = (
            f"it names another {exchanged} than the record that {reader} links to: the file was "
            f"exchanged, or the job made again and {reader} not"
        )
        return Finding("record", shown(now.file, ledger), cause, now.record.job)
    return None


def _making(entry: Entry) -> tuple[object, ...]:
    """What decides a job's outputs: its step, settings and code, and the content of its inputs."""
    record = entry.record
    return record.step, record.settings, record.code, {(read.path, read.sha256) for read in record.inputs}


def _could_be_linked(file: Path, read: InputFile, ledger: Ledger) -> bool:
    """Whether an unreadable record may be the one that an input's reader links to."""
    return file.stem == read.record or file.is_relative_to(ledger.folder / RECORDS) or ledger.base is not None


def _source(ledger: Ledger, entry: Entry, read: InputFile, files: Files) -> Finding | None:
    """A file that no job made: fetched from outside, or one of the repository."""
    reader = entry.record.job
    if read.path in ledger.makers:
        cause = f"{reader} read it in a state that no recorded job wrote"
        return Finding("altered", read.path, cause, reader)
    fetched = not entry.record.was_given(read.path)
    if fetched and (fault := checksum_fault(entry.record, read)) is not None:
        return Finding("altered", read.path, f"{reader} was made from it, and {fault}", reader)
    seen = files.get(read.path)
    if seen is None and read.path in files:
        if fetched:
            return None  # its checksum is recorded; the file itself may be thrown away
        return Finding("missing", read.path, f"{reader} read it, and it is not there", reader)
    if seen is not None and not seen.matches(read):
        cause = f"{reader} read it with sha256 {read.sha256[:DIGITS]} ({read.bytes} bytes), found {seen}"
        return Finding("altered", read.path, cause, reader)
    if not fetched and read.path.split("/")[0] in (DATA_ROOT, ledger.root.split("/")[0]):
        return Finding("unrecorded", read.path, f"{reader} read it, and no record says where it came from", reader)
    return None
