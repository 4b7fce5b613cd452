"""DATA_TERMS.md: whose the data are, under which terms, and where they are."""

from collections.abc import Sequence

from workflow_scripts.data.data_set import DataSet
from workflow_scripts.publishing.result import OwnPictures

HEAD = """# Terms of the data

The licence of this folder is that of the results and of the software. The data have terms of their own, and are not in
this folder: the workflow fetches or makes them again, and compares them with the checksums below.
"""


def data_terms(data_sets: Sequence[DataSet], own_pictures: Sequence[OwnPictures]) -> str:
    """The document, in Markdown: licence, citation, addresses and checksums of each data set."""
    return "\n".join([HEAD, *map(_terms, data_sets), *map(_own_terms, own_pictures)])


def _terms(data_set: DataSet) -> str:
    lines = [
        f"## {data_set.name}",
        "",
        f"- What: {data_set.description}",
        f"- Licence: {data_set.licence}",
        f"- To be cited: {data_set.citation}",
    ]
    for file in data_set.files:
        lines += [f"- Address: <{address}>" for address in file.addresses]
        known = [form for form in file.forms if form.sha256 is not None]
        lines += [f"- File `{form.name}`: sha256 `{form.sha256}`" for form in known]
    return "\n".join([*lines, ""])


def _own_terms(pictures: OwnPictures) -> str:
    lines = [
        f"## {pictures.name}",
        "",
        f"- What: pictures of those who made these results, in files: {pictures.files}; no address is known",
        "- Licence: not known; ask those who made these results",
        f"- List of the files, each with its sha256: sha256 `{pictures.sha256}`",
    ]
    return "\n".join([*lines, ""])
