"""Data sets of one's own: pictures in a folder or an npz file, which a study names under `data.own`."""

import re
from typing import Annotated, Any, Self

from pydantic import AfterValidator, PrivateAttr, model_validator

from workflow_scripts.data.data_set import NAME, NAME_IN_WORDS, ImageSet, Normalisation, data_set_names
from workflow_scripts.data.own.facts import absolute, facts_of
from workflow_scripts.data.own.source import Source
from workflow_scripts.study.image_sets import add_own
from workflow_scripts.study.name_checks import Lacking, Mistake
from workflow_scripts.study.settings_model import Count, Model, Share, Side


class OwnData(Model):
    """One data set of one's own."""

    folder: str | None = None
    """a folder with one folder of pictures for each class, or with such folders in train and in test (or val)"""
    npz: str | None = None
    """a file with the arrays train_images, train_labels, test_images and test_labels, or images and labels"""
    side: Side | None = None
    """side in pixels of the images that are made of the pictures; of an npz file, absent: as they are"""
    grey: bool = False
    """one channel, of the brightness; otherwise three, or as many as an npz file has"""
    flip: bool = True
    """whether training may mirror pictures left to right; false where that changes their class, as of digits"""
    split: str | None = None
    """a file that names the test pictures, a line each; absent: the seed chooses them, where there are no parts"""
    seed: Count = 1
    """of that choice, and of the order of pictures"""
    test_fraction: Share = 0.2
    """share of each class that is for testing, where the seed chooses"""

    _facts: dict[str, Any] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _is_one_of_the_two(self) -> Self:
        if (self.folder is None) == (self.npz is None):
            raise ValueError("a data set of your own needs the key folder or the key npz, and not both")
        if self.folder is not None and self.side is None:
            raise Lacking("side", "is missing")
        return self

    def source(self) -> Source:
        """Where it lies and how it is read, for a job that may run in any folder."""
        return absolute(Source(**self.model_dump(exclude={"flip"})))


def _known(own: dict[str, OwnData]) -> dict[str, OwnData]:
    """Let each data set be known as an image set. Raises ValueError for one that cannot be used."""
    for name, settings in own.items():
        if not re.fullmatch(NAME, name):
            raise ValueError(f"{name} cannot be used: a data set is named with {NAME_IN_WORDS}")
        if name in data_set_names():
            raise Mistake(name, "a data set of this name comes with the project; choose another")
        try:
            facts = facts_of(name, settings.source())
        except (ValueError, OSError) as error:
            raise Mistake(name, str(error)) from None
        settings._facts.update(facts)
        add_own(
            ImageSet(
                name=name,
                description=f"pictures of one's own, {facts['files']} files",
                citation="none",
                licence="that of the pictures",
                channels=facts["channels"],
                side=facts["side"],
                classes=len(facts["classes"]),
                train_images=facts["train_images"],
                test_images=facts["test_images"],
                normalisation=Normalisation(tuple(facts["mean"]), tuple(facts["deviation"])),
                flip=settings.flip,
            )
        )
    return own


OwnSets = Annotated[dict[str, OwnData], AfterValidator(_known)]


def data_settings(name: str, settings: OwnData) -> dict[str, Any]:
    """What decides the job that prepares a data set: its facts, the digest of its files among them, not its place."""
    return {"data_set": name, **settings._facts}
