"""Bring pictures of one's own into the prepared form of all image sets: one npz, training and test part."""

from pathlib import Path
from typing import Any

from workflow_scripts.data.fetch import Access
from workflow_scripts.data.own.pictures import read_pictures
from workflow_scripts.data.own.source import Source
from workflow_scripts.runtime.durable import write_durably
from workflow_scripts.runtime.progress import Progress
from workflow_scripts.tables.files import write_arrays

LISTING = "pictures.sha256"


def run(
    settings: dict[str, Any], inputs: dict[str, list[Path]], outputs: dict[str, list[Path]], progress: Progress
) -> dict[str, list[Path]]:
    """`settings` holds the `data_set`, its facts, and `access` with where it lies; writes the output `data`.

    Returns the list of its files, with the sha256 of each, for the job's record. Raises ValueError where the files are
    no longer those of which the facts were stated.
    """
    facts = {key: value for key, value in settings.items() if key not in ("data_set", "access")}
    name, access = settings["data_set"], Access(**settings["access"])
    if name not in access.own:
        raise ValueError(f"{name}: it is not known where its pictures lie; start the workflow with its study")
    pictures = read_pictures(Source(**access.own[name]))
    for key, value in pictures.facts.items():
        if value != facts.get(key):
            changed = f"{key} is {value}, and was {facts.get(key)}"
            raise ValueError(f"{name}: its pictures changed after the workflow was started ({changed}); start it again")
    write_arrays(outputs["data"][0], pictures.arrays)
    listing = access.folder / name / LISTING
    write_durably(listing, pictures.listing.encode())
    progress.say(f"{facts['train_images']} training and {facts['test_images']} test images")
    return {"source": [listing]}
