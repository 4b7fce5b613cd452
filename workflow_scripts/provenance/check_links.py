"""Links from what a job read to the record of its making, or to the checksums of its data set, followed one by one."""

import importlib
from collections.abc import Iterator
from pathlib import PurePosixPath

from workflow_scripts.data.data_set import DataSet, data_set_names, module_name
from workflow_scripts.provenance.check_files import Files
from workflow_scripts.provenance.differences import DIGITS
from workflow_scripts.provenance.findings import Finding, shown
from workflow_scripts.provenance.ledger import Entry, Ledger
from workflow_scripts.provenance.record import InputFile, Record
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
            # An unreadable record that may be the one linked to is reported already, by its name.
            own = ledger.folder / RECORDS
            if any(ledger.base or file.stem == read.record or file.is_relative_to(own) for file in ledger.unreadable):
                return None
            place = f"the record of the job that wrote {read.path}"
            return Finding("link", place, f"{reader} links to it, and it is not there", reader)
        other = f"another record of it (sha256 {read.record[:DIGITS]})"
        cause = f"{reader} links to {other}: it was altered, or the earlier one deleted"
        return Finding("record", shown(now.file, ledger), cause, now.record.job)
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
    exchanged = ledger.first_difference(maker, now) if _making(maker.record) == _making(now.record) else None
    if exchanged is None:
        return None
    cause = (
        f"it names another {exchanged} than the record that {reader} links to: the file was "
        f"exchanged, or the job made again and {reader} not"
    )
    return Finding("record", shown(now.file, ledger), cause, now.record.job)


def _making(record: Record) -> tuple[object, ...]:
    """What decides a job's outputs: its step, settings and code, and the content of its inputs."""
    return record.step, record.settings, record.code, {(read.path, read.sha256) for read in record.inputs}


def _source(ledger: Ledger, entry: Entry, read: InputFile, files: Files) -> Finding | None:
    """A file that no job made: fetched from outside, or one of the repository."""
    reader = entry.record.job

    def found(kind: str, cause: str) -> Finding:
        return Finding(kind, read.path, cause, reader)

    if read.path in ledger.makers:
        return found("altered", f"{reader} read it in a state that no recorded job wrote")
    fetched = not entry.record.was_given(read.path)
    if fetched and (fault := checksum_fault(entry.record, read)) is not None:
        return found("altered", f"{reader} was made from it, and {fault}")
    seen = files.get(read.path)
    if seen is None and read.path in files:  # a fetched file may be thrown away: its checksum is recorded
        return None if fetched else found("missing", f"{reader} read it, and it is not there")
    if seen is not None and not seen.matches(read):
        recorded = f"sha256 {read.sha256[:DIGITS]} ({read.bytes} bytes)"
        return found("altered", f"{reader} read it with {recorded}, found {seen}")
    if not fetched and read.path.split("/")[0] in (DATA_ROOT, ledger.root.split("/")[0]):
        return found("unrecorded", f"{reader} read it, and no record says where it came from")
    return None


def checksum_fault(record: Record, read: InputFile) -> str | None:
    """What speaks against a file that a job fetched itself, in a few words; None where its data set states it.

    None, too, where the data set's module is not at hand or cannot be imported: then the record's code is not the code
    at hand, which is a finding of its own.
    """
    from workflow_scripts.data.fetch import CHECKOUT  # not above: it loads the library for downloads

    if record.step == "own_data":
        return None if read.sha256 == record.settings.get("sha256") else "it is not the list of files that was planned"
    modules = [name for name in (*record.chosen_modules, *record.modules) if name.startswith(module_name(""))]
    if not modules:
        return f"its step {record.step} fetches no file"
    data_sets = [data_set for module in modules if (data_set := _data_set(module)) is not None]
    if not data_sets:
        return None
    name = PurePosixPath(read.path).name
    files = [file for data_set in data_sets for file in data_set.files]
    known = [form for file in files for form in (*file.forms, *([CHECKOUT] if file.folder else ()))]
    forms = [form for form in known if form.name == name]
    if not forms:
        return f"the data set's module names no file {name}"
    if any(form.sha256 in (None, read.sha256) and form.bytes in (None, read.bytes) for form in forms):
        return None
    return f"its sha256 is {read.sha256[:DIGITS]} ({read.bytes} bytes), which the data set's module does not name"


def _data_set(module: str) -> DataSet | None:
    """What a data set's module states; None where it cannot be imported."""
    if module.rpartition(".")[2] not in data_set_names():
        return None
    try:
        stated = importlib.import_module(module).DATA_SET
    except (Exception, SystemExit):  # a module of the user's own, which may raise anything
        return None
    return stated if isinstance(stated, DataSet) else None
