"""The facts of a result that is handed on, all from its records: the same results give the same facts."""

from collections.abc import Iterable
from dataclasses import dataclass

from workflow_scripts.data.data_set import DataSet, load_entry, module_name
from workflow_scripts.provenance.crate import stated_title
from workflow_scripts.provenance.ledger import Ledger

VERSION_DIGITS = 12


@dataclass(frozen=True)
class OwnPictures:
    """A data set of one's own: its name, how many files it has, and the sha256 of their list."""

    name: str
    files: int
    sha256: str


@dataclass(frozen=True)
class Result:
    """What is cited: title and description of its report, root digest, day of its last job, authors, data sets, code.

    `commits` are the git commits its jobs were run from, sorted; "uncommitted" stands for changes on top of one, and
    "unknown" for jobs outside a checkout.
    """

    root: str
    title: str
    description: str
    root_digest: str
    day: str
    authors: tuple[str, ...]
    data_sets: tuple[DataSet, ...]
    own_pictures: tuple[OwnPictures, ...]
    commits: tuple[str, ...]

    @property
    def name(self) -> str:
        """The study, which is the last part of `root`."""
        return self.root.rpartition("/")[2]

    @property
    def version(self) -> str:
        """The first digits of the root digest: another version is another result."""
        return self.root_digest[:VERSION_DIGITS]


def result_of(ledger: Ledger, authors: Iterable[str]) -> Result:
    """The facts of a results folder. Raises ValueError where a data set that it names is not at hand."""
    title, description = stated_title(ledger)
    records = [entry.record for entry in ledger.entries()]
    states = {(record.git.commit or "unknown", bool(record.git.dirty)) for record in records}
    return Result(
        root=ledger.root,
        title=title,
        description=description,
        root_digest=ledger.root_digest,
        day=max(record.ended for record in records)[:10],
        authors=tuple(authors),
        data_sets=tuple(_data_sets(ledger)),
        own_pictures=tuple(_own_pictures(ledger)),
        commits=tuple(sorted(f"{commit}, uncommitted changes" if dirty else commit for commit, dirty in states)),
    )


def _data_sets(ledger: Ledger) -> Iterable[DataSet]:
    """The data sets whose module a job runs or is told to read, sorted by name."""
    start = module_name("")
    named = set()
    for entry in ledger.entries():
        record = entry.record
        told = [value for value in record.settings.values() if isinstance(value, str)]
        named |= {name for name in (*record.modules, *record.chosen_modules, *told) if name.startswith(start)}
    for name in sorted(name.removeprefix(start) for name in named):
        try:
            yield load_entry(name)
        except ValueError as error:
            raise ValueError(f"the terms of data set {name} are not known, so nothing is published: {error}") from None


def _own_pictures(ledger: Ledger) -> Iterable[OwnPictures]:
    """The data sets of one's own that a job read, sorted by name."""
    read = {each.path for entry in ledger.jobs.values() for each in entry.record.inputs}
    for _, entry in sorted(ledger.data_sets.items()):
        settings = entry.record.settings
        if entry.record.step == "own_data" and entry.outputs.keys() & read:
            yield OwnPictures(settings["data_set"], settings["files"], settings["sha256"])
