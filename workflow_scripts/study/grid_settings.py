"""A grid of the cell search: its searches, published logs or given genotypes; part of the `cells` block."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from workflow_scripts.study.method_modules import method_names, needs_weights, search_of
from workflow_scripts.study.name_checks import Lacking, Mistake, image_sets, require_known, suggestion
from workflow_scripts.study.search_spaces import load_space, misfit, space_names
from workflow_scripts.study.settings_model import Count, Model, NonNegative, Probability
from workflow_scripts.tables.display_names import GENOTYPES, PUBLISHED_LOGS, SELECTING
from workflow_scripts.tables.genotype import Genotype
from workflow_scripts.tables.genotype_file import read_genotypes

Source = Literal["own", "published", "confopt", "confopt_lora", "genotypes"]


class Grid(Model):
    """A grid of searches, every combination of its lists; or of architectures that a file holds as text."""

    spaces: Annotated[list[str], Field(min_length=1)]
    """search spaces"""
    data_sets: Annotated[list[str], Field(min_length=1), AfterValidator(image_sets)]
    """image data sets"""
    source: Source = "own"
    """own: searches that are run; published: the search logs the authors published; confopt, confopt_lora: logs of
    DARTS and LoRA-DARTS by others, of 2024, which have no eigenvalues; genotypes: architectures of `file`,
    which are trained from scratch and have no methods, l2, drop_path and seeds"""
    methods: list[str] = Field(default_factory=list)
    """darts (last epoch of a search), darts_es (its stop epoch), darts_ada, r_darts_l2 and r_darts_dp (best of a seed's
    candidates, whatever the lists l2 and drop_path say), random_ws, darts_pt (computed with the supernet of a search);
    or another file of cells/methods. []: DARTS searches alone, of which nothing is trained from scratch"""
    l2: Annotated[list[NonNegative], Field(default_factory=list, min_length=1)]
    """L2 factors of the weights"""
    drop_path: Annotated[tuple[Probability, ...], Field(min_length=1)] = (0.0,)
    """largest drop-path probabilities; in the published runs 0 also switches cutout off, and so here"""
    seeds: Annotated[list[Count], Field(default_factory=list, min_length=1)]
    """seeds of the searches"""
    file: str | None = None
    """genotypes: the file of their texts, in the form of a published genotypes.py"""
    names: Annotated[list[str], Field(min_length=1)] | None = None
    """genotypes: which of the file's; absent: all"""
    epochs: Annotated[list[Count], Field(min_length=1)] | None = None
    """genotypes: lengths of their trainings, each with every seed; absent: that of `evaluation`"""

    @model_validator(mode="after")
    def _has_what_its_source_needs(self) -> Self:
        of_searches, of_texts = ("methods", "l2", "seeds"), ("file", "names", "epochs")
        needed, foreign = (("file",), of_searches) if self.source == GENOTYPES else (of_searches, of_texts)
        for name in foreign:
            if getattr(self, name):
                raise Mistake(name, f"a grid with source {self.source} has no such key")
        for name in needed:
            given_empty = name == "methods" and name in self.model_fields_set
            if not getattr(self, name) and not given_empty:
                raise Lacking(name, "is missing")
        if self.source == GENOTYPES:
            self.genotypes()
        return self

    def genotypes(self) -> Mapping[str, Genotype]:
        """The architectures of a grid with source genotypes, by name. Raises Mistake where one cannot be had."""
        assert self.file is not None
        if len(self.spaces) > 1:
            reason = "the genotypes of a grid are of one search space; give each space a grid of its own"
            raise Mistake("spaces", reason)
        try:
            found = read_genotypes(Path(self.file))
        except ValueError as error:
            raise Mistake("file", str(error)) from None
        for number, name in enumerate(self.names or []):
            if name not in found:
                raise Mistake("names", f"{name} is not a genotype of {self.file}{suggestion(name, found)}")
            if name in (self.names or [])[:number]:
                raise Mistake("names", f"{name} is named twice, once is enough")
        wanted = {name: found[name] for name in self.names or found}
        for name, genotype in wanted.items():
            if (why := misfit(genotype, self.spaces[0])) is not None:
                raise Mistake("file", f"{self.file}: {name}: {why}")
        return wanted

    @model_validator(mode="after")
    def _logs_are_of_darts(self) -> Self:
        unpublished = [method for method in self.methods if method in SELECTING or search_of(method) != "darts"]
        if self.source in PUBLISHED_LOGS and unpublished:
            raise Mistake("methods", f"the published logs are of DARTS searches and hold no {unpublished[0]}")
        computing = [method for method in self.methods if needs_weights(method)]
        if self.source in PUBLISHED_LOGS and computing:
            raise Mistake("methods", f"{computing[0]} computes with a supernet, and published logs hold no weights")
        return self

    @field_validator("methods")
    @classmethod
    def _methods_exist(cls, names: list[str]) -> list[str]:
        require_known(names, method_names(), "method")
        for name in names:
            if name not in SELECTING:
                search_of(name)
                needs_weights(name)
        return names

    @field_validator("spaces")
    @classmethod
    def _spaces_exist(cls, names: list[str]) -> list[str]:
        require_known(names, space_names(), "search space")
        for name in names:
            load_space(name)
        return names


def group_of(space: str, data_set: str, source: str = "own") -> str:
    """Folder name shared by what is of one space and data set; our own searches and other sources have one each."""
    return f"{space}_{data_set}" if source == "own" else f"{space}_{data_set}_{source}"
