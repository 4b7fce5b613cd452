"""Comparing a fetched file with the checksums that its data set's module states (`data/data_set.py`)."""

import importlib
from pathlib import PurePosixPath

from workflow_scripts.data.data_set import DataSet, data_set_names, module_name
from workflow_scripts.provenance.differences import DIGITS
from workflow_scripts.provenance.record import InputFile, Record


def checksum_fault(record: Record, read: InputFile) -> str | None:
    """What speaks against a file that a job fetched itself, in a few words; None where its data set states it.

    None, too, where the module is not at hand or cannot be imported: then the record's code is not the code at hand,
    which is a finding of its own.
    """
    from workflow_scripts.data.fetch import CHECKOUT  # not above: it loads the library for downloads

    if record.step == "own_data":
        return None if read.sha256 == record.settings.get("sha256") else "it is not the list of files that was planned"
    modules = [name for name in (*record.chosen_modules, *record.modules) if name.startswith(module_name(""))]
    if not modules:
        return f"its step {record.step} fetches no file"
    entries = [entry for module in modules if (entry := _entry(module)) is not None]
    if not entries:
        return None
    name = PurePosixPath(read.path).name
    known = [(*file.forms, *([CHECKOUT] if file.folder else ())) for entry in entries for file in entry.files]
    forms = [form for each in known for form in each if form.name == name]
    if not forms:
        return f"the data set's module names no file {name}"
    if any(form.sha256 in (None, read.sha256) and form.bytes in (None, read.bytes) for form in forms):
        return None
    return f"its sha256 is {read.sha256[:DIGITS]} ({read.bytes} bytes), which the data set's module does not name"


def _entry(module: str) -> DataSet | None:
    """What a data set's module states; None where it cannot be imported."""
    if module.rpartition(".")[2] not in data_set_names():
        return None
    try:
        entry = importlib.import_module(module).DATA_SET
    except (Exception, SystemExit):  # a module of the user's own, which may raise anything
        return None
    return entry if isinstance(entry, DataSet) else None
