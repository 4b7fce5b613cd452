"""The jobs of a study: their settings and the files they read and write. Rules only spell this out for Snakemake.

Paths are relative to the working folder. A search is found at
`<results>/cells/searches/<group>/<search>/<run>/`, its architectures at
`<results>/cells/architectures/<group>/<method>/<run>.yaml`, what was chosen among several at
`<results>/cells/selections/<group>/<method>/<run>/`, a training at
`<results>/cells/evaluations/<group>/<method>/<run>/seed-<n>/`.
"""

from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

from workflow_scripts.data.entry import module_name
from workflow_scripts.study import methods
from workflow_scripts.study.cell_jobs import (
    EvaluationJob,
    SearchJob,
    SearchKey,
    SelectionJob,
    SelectionKey,
    evaluation_job,
    search_job,
    searches,
    selection_job,
    selections,
)
from workflow_scripts.study.departures import departures
from workflow_scripts.study.depth import ImageRun, expand, experiment_of
from workflow_scripts.study.figures import figure_tables, is_animated, report_mark
from workflow_scripts.study.model import canonical
from workflow_scripts.study.spaces import load_space
from workflow_scripts.study.study import Study
from workflow_scripts.tables.names import SELECTING
from workflow_scripts.tables.search_run import FILES

CELL_TABLES = ("search_spaces", "searches", "search_epochs", "curvature", "spectra", "evaluations", "comparison")
TRAINING_TABLES = ("evaluations", "comparison")  # only where architectures are trained from scratch
DEPTH_TABLES = ("depth_runs", "depth_posteriors", "depth_calibration")
DATA_ROOT = "data"
DEPTH_SPEED = "depth_speed"  # only where a figure draws it, because times are not the same when they are measured again


class Jobs:
    """Everything the rules ask about one study."""

    def __init__(self, study: Study, existing_only: bool = False) -> None:
        """Expand the grids of `study`; with `existing_only`, leave out every run whose result is not there."""
        self.study = study
        self.existing_only = existing_only
        self.results = f"results/{study.study}"
        self.missing: list[str] = []
        self.searches: dict[str, dict[str, SearchKey]] = {}  # by group and place
        self.selections: dict[str, list[SelectionKey]] = {}  # by group
        self._methods: dict[SearchKey, list[str]] = {}
        if study.cells is not None:
            self._methods = searches(study.cells)
            for key in self._methods:
                folder = self.search_folder(key)
                if self._wanted(f"search {folder}", [f"{folder}/{file}" for file in FILES]):
                    self.searches.setdefault(key.group, {})[key.place] = key
            for selection in selections(study.cells):
                folder = self.selection_folder(selection)
                if self._wanted(f"selection {folder}", [f"{folder}/architecture.yaml"]):
                    self.selections.setdefault(selection.group, []).append(selection)
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

    def make_up(self, data_set: str) -> dict[str, Any]:
        """Settings of the job that makes up a data set, in a rehearsal."""
        return {"module": module_name(data_set), "images": self.study.data.made_up}

    def data_file(self, data_set: str) -> str:
        """The prepared form of a data set: shared by all studies, but made up for a rehearsal alone."""
        folder = DATA_ROOT if self.study.data.made_up is None else f"{self.results}/data"
        return f"{folder}/{data_set}.npz"

    @property
    def published_groups(self) -> list[str]:
        """The groups whose searches are read from the published logs."""
        return [group for group, keys in self.searches.items() if next(iter(keys.values())).search == "published"]

    def published_import(self, group: str) -> dict[str, Any]:
        """Settings of the job that reads a group's published searches, in grid order."""
        keys = list(self.searches[group].values())
        runs = [key.model_dump(mode="json", include={"l2", "drop_path", "seed"}) for key in keys]
        return {"space": keys[0].space, "data_set": keys[0].data_set, "runs": runs}

    def access(self) -> str:
        """Where data files may come from, as JSON: an option of a job's command, because it decides no result."""
        return canonical(self.study.data.model_dump(mode="json", exclude={"made_up"}))

    # cell search -----------------------------------------------------------------------------------------------

    def search(self, wildcards: Any) -> SearchJob:
        """Settings of a search."""
        return self.search_of(self.searches[wildcards.group][f"{wildcards.search}/{wildcards.run}"])

    def search_of(self, key: SearchKey) -> SearchJob:
        """Settings of the search at a place of the grids."""
        assert self.study.cells is not None
        return search_job(self.study.cells, key)

    def search_folder(self, key: SearchKey) -> str:
        """Where a search is found."""
        return f"{self.results}/cells/searches/{key.group}/{key.search}/{key.run}"

    def search_files(self, group: str, file: str) -> list[str]:
        """One of the four files of every search of a group, in grid order."""
        return [f"{self.search_folder(key)}/{file}" for key in self.searches[group].values()]

    def derivation(self, group: str) -> dict[str, Any]:
        """Settings of the job that derives a group's architectures."""
        runs = [{"run": key.run, "methods": self._derived(key)} for key in self.searches[group].values()]
        return {**self.stop_rule(), "runs": runs}

    def method_modules(self, group: str) -> list[str]:
        """The modules that choose the epochs of a group's architectures; found by name, so digested by name."""
        names = {method for key in self.searches[group].values() for method in self._derived(key)}
        return [methods.module_name(name) for name in sorted(names)]

    def _derived(self, key: SearchKey) -> list[str]:
        """The methods whose architecture is read off a search; of a selection's candidate also its last epoch's."""
        return list(dict.fromkeys([*self._methods[key], *(["darts"] if key in self._candidates else [])]))

    @cached_property
    def _candidates(self) -> set[SearchKey]:
        """The searches that selections choose from."""
        cells = self.study.cells
        assert cells is not None
        return {key for selection in selections(cells) for key in selection.candidates(cells.selection)}

    def stop_rule(self) -> dict[str, Any]:
        """The early-stopping rule as settings of a job."""
        assert self.study.cells is not None
        return {"stop": self.study.cells.stop.model_dump(mode="json")}

    def architectures(self, group: str) -> list[str]:
        """Every architecture file of a group, run by run, method by method."""
        return [
            self.architecture_of(key, method) for key in self.searches[group].values() for method in self._derived(key)
        ]

    def architecture_of(self, key: SearchKey, method: str) -> str:
        """The architecture file of one search and method."""
        return f"{self.results}/cells/architectures/{key.group}/{method}/{key.run}.yaml"

    def architecture(self, wildcards: Any, checkpoints: Any) -> str:
        """The architecture file of one training, once the checkpoint over its group has passed."""
        if wildcards.method not in SELECTING:
            checkpoints.group_architectures.get(group=wildcards.group)
        return self.architecture_file_of(wildcards.group, wildcards.method, wildcards.run)

    def architecture_file_of(self, group: str, method: str, run: str) -> str:
        """The file of the architecture that a training trains: read off a search, or selected among several."""
        if method in SELECTING:
            return f"{self.results}/cells/selections/{group}/{method}/{run}/architecture.yaml"
        return f"{self.results}/cells/architectures/{group}/{method}/{run}.yaml"

    # selections ------------------------------------------------------------------------------------------------

    def selection(self, wildcards: Any) -> SelectionJob:
        """Settings of a selection."""
        return self.selection_of(self._selection(wildcards))

    def selection_of(self, key: SelectionKey) -> SelectionJob:
        """Settings of the selection at a place of the grids."""
        assert self.study.cells is not None
        return selection_job(self.study.cells, key)

    def candidates(self, wildcards: Any, checkpoints: Any) -> list[str]:
        """The architecture files a selection chooses from, once the checkpoint over their group has passed."""
        assert self.study.cells is not None
        checkpoints.group_architectures.get(group=wildcards.group)
        keys = self._selection(wildcards).candidates(self.study.cells.selection)
        return [self.architecture_of(key, "darts") for key in keys]

    def _selection(self, wildcards: Any) -> SelectionKey:
        return next(
            key
            for key in self.selections[wildcards.group]
            if (key.method, key.run) == (wildcards.method, wildcards.run)
        )

    def selection_folder(self, key: SelectionKey) -> str:
        """Where a selection is found."""
        return f"{self.results}/cells/selections/{key.group}/{key.method}/{key.run}"

    def selected(self, group: str | None = None) -> list[str]:
        """The architecture file of every selection of a group, or of the study."""
        groups = list(self.selections) if group is None else [group]
        return [
            f"{self.selection_folder(key)}/architecture.yaml"
            for group in groups
            for key in self.selections.get(group, [])
        ]

    # trainings from scratch --------------------------------------------------------------------------------------

    def evaluation(self, group: str, seed: str | int) -> EvaluationJob:
        """Settings of a training from scratch."""
        assert self.study.cells is not None
        return evaluation_job(self.study.cells, self.data_sets[group], int(seed))

    def evaluations(self, group: str) -> list[str]:
        """The outcome of every training of a group, in grid order."""
        return list(self.trainings[group])

    @cached_property
    def trainings(self) -> dict[str, dict[str, int]]:
        """Per group, the outcome files of its trainings with their seeds."""
        found: dict[str, dict[str, int]] = {group: {} for group in self.searches}
        if self.study.cells is None or self.study.cells.evaluation is None:
            return found
        for group, runs in self.searches.items():
            seeds = self.study.cells.evaluation_of(self.data_sets[group]).seeds
            wanted = [(method, key.run) for key in runs.values() for method in self._methods[key]]
            wanted += [(key.method, key.run) for key in self.selections.get(group, [])]
            for (method, run), seed in product(wanted, seeds):
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

    def depth_data(self, group: str, checkpoints: Any) -> list[str]:
        """The prepared images that a group of depth networks learns from; none for spirals."""
        data = next(iter(self.depth_groups[group].values())).data
        if not isinstance(data, ImageRun):
            return []
        return [checkpoints.fetch_data.get(data_set=data.images.data_set).output.data]

    def depth_folders(self) -> list[str]:
        """The folder of every group of depth networks."""
        return [self.depth_folder(group) for group in self.depth_groups]

    # tables, figures, report -----------------------------------------------------------------------------------

    @cached_property
    def tables(self) -> list[str]:
        """The names of the study's tables."""
        cells: tuple[str, ...] = () if self.study.cells is None else CELL_TABLES
        if self.study.cells is not None and self.study.cells.evaluation is None:
            cells = tuple(table for table in cells if table not in TRAINING_TABLES)
        drawn = {table for figure in self.study.figures for table in figure_tables(figure)}
        depth = [*DEPTH_TABLES, *([DEPTH_SPEED] if DEPTH_SPEED in drawn else [])]
        return [*cells, *(depth if self.study.depth is not None else [])]

    def spaces(self) -> dict[str, Any]:
        """Settings of the job that lists the study's search spaces."""
        names = {key.space for keys in self.searches.values() for key in keys.values()}
        return {"spaces": {name: load_space(name) for name in sorted(names)}}

    def figure_inputs(self, figure: str) -> list[str]:
        """The files a figure draws; each is named as its table."""
        return [
            f"{self.results}/architectures.yaml" if table == "architectures" else f"{self.results}/tables/{table}.csv"
            for table in figure_tables(figure)
        ]

    def figure_outputs(self, figure: str) -> dict[str, str]:
        """What drawing a figure writes: pdf, slide, png, description and caption, and gif where it is animated."""
        ends = {"pdf": "pdf", "slide": "slide.pdf", "png": "png", "description": "json", "caption": "rst"}
        ends |= {"gif": "gif"} if is_animated(figure) else {}
        return {key: f"{self.results}/figures/{figure}.{end}" for key, end in ends.items()}

    def reported_picture(self, figure: str) -> dict[str, Any]:
        """The picture of a figure, and how Snakemake's own report shows it."""
        files = self.figure_outputs(figure)
        return {"value": files["png"], **report_mark(figure, files["caption"])}

    def animations(self) -> list[str]:
        """The GIF of every animated figure."""
        return [self.figure_outputs(figure)["gif"] for figure in self.study.figures if is_animated(figure)]

    def figure_files(self, suffix: str) -> list[str]:
        """The file of every figure with one suffix, in the order of the study."""
        return [f"{self.results}/figures/{figure}.{suffix}" for figure in self.study.figures]

    def table_files(self) -> list[str]:
        """The file of every table."""
        return [f"{self.results}/tables/{table}.csv" for table in self.tables]

    def architecture_file(self) -> list[str]:
        """The gathered architectures, where the study searches cells."""
        return [f"{self.results}/architectures.yaml"] if self.study.cells is not None else []

    def resources(self, rule: str) -> dict[str, int]:
        """What a job of a rule asks a scheduler for; no device, and the profile's defaults, where it is not named."""
        needs = self.study.resources.get(rule)
        return {"gpu": 0} if needs is None else needs.model_dump()

    def report(self) -> dict[str, Any]:
        """Settings of the report."""
        study = self.study
        return {
            "study": study.study,
            "title": study.title,
            "description": study.description,
            "settings": study.model_dump(
                mode="json", exclude={"study", "title", "description", "figures", "data", "resources"}
            ),
            "figures": study.figures,
            "departures": [list(departure) for departure in departures(study)],
            "commands": self._commands(),
        }

    def _commands(self) -> dict[str, str]:
        """What a reader of the report can type; FIGURE stands for a figure's name.

        They hold where config/<study>.yaml is the study's file; settings of a command line are to be given again.
        """
        name, results = self.study.study, self.results
        drawing = f"--force {results}/figures/FIGURE.png --profile profiles/local --configfile config/{name}.yaml"
        return {
            "study": f"make run STUDY={name}",
            "figure": f".venv/bin/snakemake {drawing}",
            "verify": f".venv/bin/python -m workflow_scripts.audit verify {results}",
            "why": f".venv/bin/python -m workflow_scripts.audit why {results}/report.html",
        }
