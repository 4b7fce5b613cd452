"""The runs of a study: what its grids ask to be searched, selected, trained; or of these, only what is there."""

from collections.abc import Container, Mapping
from itertools import product
from pathlib import Path
from typing import NamedTuple

from workflow_scripts.study.cell_grids import GenotypeKey, SearchKey, SelectionKey, genotypes, searches, selections
from workflow_scripts.study.depth_settings import DepthRun, ImageRun, expand
from workflow_scripts.study.method_modules import method_names, needs_weights, search_kinds
from workflow_scripts.study.places import ARCHITECTURE, DEPTH, SEARCH, SELECTION, TRAINING, Places
from workflow_scripts.study.study import Study
from workflow_scripts.tables.display_names import GENOTYPES, PUBLISHED_LOGS
from workflow_scripts.tables.same_training import first_places
from workflow_scripts.tables.search_run import FILES


class TrainingKey(NamedTuple):
    """The place of one training from scratch."""

    group: str
    method: str
    run: str
    seed: int
    epochs: int
    """its length"""

    @property
    def name(self) -> str:
        """Its name within its group."""
        return f"{self.method}/{self.run}/seed-{self.seed}"


class Runs:
    """Each kind of run by its group, in the order of the grids; `missing` names those left out."""

    def __init__(self, study: Study, places: Places, existing_only: bool = False) -> None:
        """Expand the grids of `study`; with `existing_only`, leave out every run whose result is not there."""
        self.existing_only = existing_only
        self.missing: list[str] = []
        self.searches: dict[str, list[SearchKey]] = {}
        self.computed: dict[str, list[tuple[SearchKey, str]]] = {}
        """searches, each with a method that computes with its supernet"""
        self.selections: dict[str, list[SelectionKey]] = {}
        self.genotypes: dict[str, list[GenotypeKey]] = {}
        self.trainings: dict[str, list[TrainingKey]] = {}
        self.depth: dict[str, dict[str, DepthRun]] = {}
        self._methods: dict[SearchKey, list[str]] = {}
        self._candidates: set[SearchKey] = set()
        if study.cells is not None:
            self._methods = searches(study.cells)
            for key in self._methods:
                folder = places.at(SEARCH, group=key.group, search=key.search, run=key.run)
                if self._takes_part("search", folder, *FILES):
                    self.searches.setdefault(key.group, []).append(key)
                    found = [(key, each) for each in self._methods[key] if self._is_computed(each, key, places)]
                    self.computed.setdefault(key.group, []).extend(found)
            for selection in selections(study.cells):
                self._candidates.update(selection.candidates(study.cells.selection))
                folder = places.at(SELECTION, group=selection.group, method=selection.method, run=selection.run)
                if self._takes_part("selection", folder, "architecture.yaml"):
                    self.selections.setdefault(selection.group, []).append(selection)
            for text in genotypes(study.cells):
                self.genotypes.setdefault(text.group, []).append(text)
            self._add_trainings(study, places)
        for group, runs in ({} if study.depth is None else expand(study.depth)).items():
            if self._takes_part("depth search", places.at(DEPTH, group=group)):
                self.depth[group] = runs

    def _add_trainings(self, study: Study, places: Places) -> None:
        assert study.cells is not None
        for group in self.groups:
            self.trainings[group] = []
            if study.cells.evaluation is None:
                continue
            evaluation = study.cells.evaluation_of(self.data_set(group))
            length = evaluation.epochs
            searched = self.searches.get(group, [])
            trained = [(method, key.run, length) for key in searched for method in self._methods[key]]
            trained += [(GENOTYPES, text.run, text.epochs or length) for text in self.genotypes.get(group, [])]
            trained += [(key.method, key.run, length) for key in self.selections.get(group, [])]
            for (method, run, epochs), seed in product(trained, evaluation.seeds):
                key = TrainingKey(group, method, run, seed, epochs)
                if self._takes_part("training", places.at(TRAINING, **key._asdict()), "outcome.json"):
                    self.trainings[group].append(key)

    def same_trainings(
        self, group: str, genotypes: Mapping[tuple[str, str], str | None], apart: Container[str] = ()
    ) -> dict[str, TrainingKey]:
        """For each training of a group, by its name, the first that is the same one, often itself.

        `genotypes` are the texts of architectures by method and run. A training stays by itself where its architecture
        has none, and where it is one of those named in `apart`.
        """
        keys = self.trainings[group]
        found_by = [(each.method, each.run) for each in keys]
        trained = [
            (text, each.seed, each.epochs) if text and each.name not in apart else None
            for text, each in zip(map(genotypes.get, found_by), keys, strict=True)
        ]
        return {key.name: keys[place] for key, place in zip(keys, first_places(found_by, trained), strict=True)}

    def _is_computed(self, method: str, key: SearchKey, places: Places) -> bool:
        """Whether a method computes with the supernet of a search, in a job that takes part."""
        file = places.at(ARCHITECTURE, group=key.group, method=method, run=key.run)
        return needs_weights(method) and self._takes_part("architecture", file)

    def _takes_part(self, kind: str, folder: str, *files: str) -> bool:
        """Whether a run takes part; one left out because its folder or a file is not there is noted in `missing`."""
        if self.existing_only and not all((Path(folder) / file).exists() for file in files or [""]):
            self.missing.append(f"{kind} {Path(folder)}")
            return False
        return True

    @property
    def groups(self) -> list[str]:
        """The groups of architectures: those of searches, then those that were given as text."""
        return [*self.searches, *self.genotypes]

    def data_set(self, group: str) -> str:
        """The data set of a group of architectures."""
        return (self.genotypes[group] if group in self.genotypes else self.searches[group])[0].data_set

    def depth_data_sets(self, group: str) -> list[str]:
        """The data set whose images a group of depth networks learns from; none for spirals."""
        data = next(iter(self.depth[group].values())).data
        return [data.images.data_set] if isinstance(data, ImageRun) else []

    def is_published(self, group: str) -> bool:
        """Whether a group's searches are read from published logs."""
        return group in self.searches and self.searches[group][0].search in PUBLISHED_LOGS

    def data_sets(self) -> list[str]:
        """The data sets that jobs read, without repetition."""
        searched = [group for group in self.searches if not self.is_published(group)]
        with_images = [group for group in self.groups if group in searched or self.trainings[group]]
        read = [self.data_set(group) for group in with_images]
        read += [data_set for group in self.depth for data_set in self.depth_data_sets(group)]
        return list(dict.fromkeys(read))

    def methods(self, key: SearchKey) -> list[str]:
        """The methods whose architecture is read off a search; the last epoch's always of a selection's candidate, and
        where there is no other."""
        methods = [method for method in self._methods[key] if not needs_weights(method)]
        return list(dict.fromkeys([*methods, *(["darts"] if key in self._candidates or not methods else [])]))

    @property
    def computing_methods(self) -> list[str]:
        """All methods that compute with a supernet, of this study or not."""
        return [method for method in method_names() if needs_weights(method)]

    @property
    def cell_search_kinds(self) -> list[str]:
        """All kinds of search that train alphas, of this study or not."""
        return [kind for kind in search_kinds() if kind != "random_ws"]

    def keeps_weights(self, key: SearchKey) -> bool:
        """Whether a search keeps its supernet's weights: where a method of the study computes with them."""
        return any(needs_weights(method) for method in self._methods[key])
