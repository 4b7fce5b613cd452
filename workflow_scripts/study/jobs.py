"""The jobs of a study: their settings and the files they read and write. Rules only spell this out for Snakemake.

Paths are relative to the working folder. A search is found at
`<results>/cells/searches/<group>/<search>/<run>/`, its architectures at
`<results>/cells/architectures/<group>/<method>/<run>.yaml`, a training at
`<results>/cells/evaluations/<group>/<method>/<run>/seed-<n>/`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

from workflow_scripts.data.entry import module_name
from workflow_scripts.study.cells import (
    EvaluationJob,
    Method,
    SearchJob,
    SearchKey,
    evaluation_job,
    search_job,
    searches,
)
from workflow_scripts.study.depth import expand, experiment_of
from workflow_scripts.study.figures import figure_tables
from workflow_scripts.study.model import Model
from workflow_scripts.study.study import Study
from workflow_scripts.tables.search_run import FILES

CELL_TABLES = ("searches", "search_epochs", "curvature", "evaluations")
DEPTH_TABLES = ("depth_runs", "depth_posteriors")


@dataclass(frozen=True)
class Source:
    """A job whose result tables are made from."""

    step: str
    settings: Model | dict[str, Any]
    outputs: list[str]
    record: str


class Jobs:
    """Everything the rules ask about one study."""

    def __init__(self, study: Study, existing_only: bool = False) -> None:
        """Expand the grids of `study`; with `existing_only`, leave out every run whose result is not there."""
        self.study = study
        self.existing_only = existing_only
        self.results = f"results/{study.study}"
        self.missing: list[str] = []
        self.searches: dict[str, dict[str, SearchKey]] = {}
        self._methods: dict[SearchKey, list[Method]] = {}
        if study.cells is not None:
            self._methods = searches(study.cells)
            for key in self._methods:
                folder = self._folder(key)
                if self._wanted(f"search {folder}", [f"{folder}/{file}" for file in FILES]):
                    self.searches.setdefault(key.group, {})[key.run] = key
        self.depth_groups = {}
        if study.depth is not None:
            for group, runs in expand(study.depth).items():
                if self._wanted(f"depth search {self.depth_folder(group)}", [self.depth_folder(group)]):
                    self.depth_groups[group] = runs

    def _wanted(self, what: str, files: list[str]) -> bool:
        """Whether a run takes part; one left out because a file is not there is noted in `missing`."""
        if self.existing_only and not all(Path(file).exists() for file in files):
            self.missing.append(what)
            return False
        return True

    # data ------------------------------------------------------------------------------------------------------

    @cached_property
    def data_sets(self) -> dict[str, str]:
        """The data set of each group of searches."""
        return {group: next(iter(keys.values())).data_set for group, keys in self.searches.items()}

    def fetch(self, data_set: str) -> dict[str, str]:
        """Settings of the job that prepares a data set."""
        return {"module": module_name(data_set)}

    # cell search -----------------------------------------------------------------------------------------------

    def search(self, group: str, run: str) -> SearchJob:
        """Settings of a search."""
        assert self.study.cells is not None
        return search_job(self.study.cells, self.searches[group][run])

    def search_folder(self, group: str, run: str) -> str:
        """Where a search is found."""
        return self._folder(self.searches[group][run])

    def _folder(self, key: SearchKey) -> str:
        return f"{self.results}/cells/searches/{key.group}/{key.search}/{key.run}"

    def search_files(self, group: str, file: str) -> list[str]:
        """One of the four files of every search of a group, in grid order."""
        return [f"{self.search_folder(group, run)}/{file}" for run in self.searches[group]]

    def derivation(self, group: str) -> dict[str, Any]:
        """Settings of the job that derives a group's architectures."""
        runs = [{"run": run, "methods": self._methods[key]} for run, key in self.searches[group].items()]
        return {**self.stop_rule(), "runs": runs}

    def stop_rule(self) -> dict[str, Any]:
        """The early-stopping rule as settings of a job."""
        assert self.study.cells is not None
        return {"stop": self.study.cells.stop.model_dump(mode="json")}

    def architectures(self, group: str) -> list[str]:
        """Every architecture file of a group, run by run, method by method."""
        return [
            f"{self.results}/cells/architectures/{group}/{method}/{run}.yaml"
            for run, key in self.searches[group].items()
            for method in self._methods[key]
        ]

    def architecture(self, wildcards: Any, checkpoints: Any) -> str:
        """The architecture file of one training, once the checkpoint over its group has passed."""
        checkpoints.group_architectures.get(group=wildcards.group)
        return f"{self.results}/cells/architectures/{wildcards.group}/{wildcards.method}/{wildcards.run}.yaml"

    def evaluation(self, group: str, seed: str | int) -> EvaluationJob:
        """Settings of a training from scratch."""
        assert self.study.cells is not None
        return evaluation_job(self.study.cells, self.data_sets[group], int(seed))

    def evaluations(self, group: str) -> list[str]:
        """The outcome of every training of a group, in grid order."""
        return list(self._evaluations[group])

    @cached_property
    def _evaluations(self) -> dict[str, dict[str, int]]:
        """Per group, the outcome files of its trainings with their seeds."""
        found: dict[str, dict[str, int]] = {}
        for group, runs in self.searches.items():
            assert self.study.cells is not None
            seeds = self.study.cells.evaluation_of(self.data_sets[group]).seeds
            found[group] = {}
            for (run, key), seed in product(runs.items(), seeds):
                for method in self._methods[key]:
                    folder = f"{self.results}/cells/evaluations/{group}/{method}/{run}/seed-{seed}"
                    if self._wanted(f"training {folder}", [f"{folder}/outcome.json"]):
                        found[group][f"{folder}/outcome.json"] = seed
        return found

    # depth search ----------------------------------------------------------------------------------------------

    def depth_search(self, group: str) -> dict[str, Any]:
        """Settings of the job that trains a group of depth networks."""
        runs = {name: run.model_dump(mode="json") for name, run in self.depth_groups[group].items()}
        return {"experiment": experiment_of(group), "runs": runs}

    def depth_folder(self, group: str) -> str:
        """The folder of a group of depth networks."""
        return f"{self.results}/depth/{group}"

    def depth_folders(self) -> list[str]:
        """The folder of every group of depth networks."""
        return [self.depth_folder(group) for group in self.depth_groups]

    # all of them -----------------------------------------------------------------------------------------------

    def sources(self) -> Iterator[Source]:
        """Every run that tables are made from."""
        for group, runs in self.searches.items():
            for run, key in runs.items():
                outputs = [f"{self._folder(key)}/{file}" for file in FILES]
                record = f"{self.results}/records/cell_search/{group}/{key.search}/{run}.json"
                yield Source("cell_search", self.search(group, run), outputs, record)
            for outcome, seed in self._evaluations[group].items():
                name = outcome.removeprefix(f"{self.results}/cells/evaluations/").removesuffix("/outcome.json")
                record = f"{self.results}/records/evaluate_genotype/{name}.json"
                yield Source("evaluate_genotype", self.evaluation(group, seed), [outcome], record)
        for group in self.depth_groups:
            record = f"{self.results}/records/depth_search/{group}.json"
            yield Source("depth_search", self.depth_search(group), [self.depth_folder(group)], record)

    # tables, figures, report -----------------------------------------------------------------------------------

    @cached_property
    def tables(self) -> list[str]:
        """The names of the study's tables."""
        cells = CELL_TABLES if self.study.cells is not None else ()
        return [*cells, *(DEPTH_TABLES if self.study.depth is not None else ())]

    def figure_inputs(self, figure: str) -> list[str]:
        """The files a figure draws; each is named as its table."""
        return [
            f"{self.results}/architectures.yaml" if table == "architectures" else f"{self.results}/tables/{table}.csv"
            for table in figure_tables(figure)
        ]

    def figure_files(self, suffix: str) -> list[str]:
        """The file of every figure with one suffix, in the order of the study."""
        return [f"{self.results}/figures/{figure}.{suffix}" for figure in self.study.figures]

    def table_files(self) -> list[str]:
        """The file of every table."""
        return [f"{self.results}/tables/{table}.csv" for table in self.tables]

    def architecture_file(self) -> list[str]:
        """The gathered architectures, where the study searches cells."""
        return [f"{self.results}/architectures.yaml"] if self.study.cells is not None else []

    def report(self) -> dict[str, Any]:
        """Settings of the report."""
        study = self.study
        return {
            "study": study.study,
            "title": study.title,
            "description": study.description,
            "settings": study.model_dump(mode="json", exclude={"study", "title", "description", "figures"}),
            "figures": study.figures,
            "commands": {"figure": f"make figures STUDY={study.study}", "study": f"make run STUDY={study.study}"},
        }
