"""The plan of a study: every job with its settings and files. The rules, the audit, `status` and `plan` use it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePath
from typing import Any

from workflow_scripts.data.data_set import module_name
from workflow_scripts.study import claim_modules, method_modules, places
from workflow_scripts.study.cell_job_settings import evaluation_job, search_job, selection_job
from workflow_scripts.study.depth_settings import experiment_of
from workflow_scripts.study.figure_modules import figure_tables, is_animated
from workflow_scripts.study.paper_differences import differences_by_paper
from workflow_scripts.study.places import DATA_ROOT, JOB_NAMES, PUBLISHED_VALUES, Places
from workflow_scripts.study.report_settings import report_settings
from workflow_scripts.study.runs import Runs
from workflow_scripts.study.search_spaces import load_space
from workflow_scripts.study.settings_model import Model, canonical
from workflow_scripts.study.study import Study
from workflow_scripts.tables.display_names import GENOTYPES, SELECTING
from workflow_scripts.tables.search_run import FILES

SEARCH_TABLES = ("searches", "search_epochs", "curvature", "spectra")
PUBLISHED_EVALUATIONS = "published_evaluations"
DEPTH_TABLES = ("depth_runs", "depth_posteriors", "depth_calibration")
DEPTH_SPEED = "depth_speed"  # only where a figure draws it, because times are not the same when they are measured again
SEARCH_FILES = {"cell_search": (*FILES, "alphas.npz", "discarded.csv"), "random_search": (*FILES, "samples.csv")}
"""What each kind of search writes; as everywhere here, an output is named as its file without the ending."""
SELECTION_FILES = ("architecture.yaml", "candidates.csv")
TRAINING_FILES = ("history.csv", "weights.pt", "outcome.json")
FIGURE_FILES = {"pdf": "pdf", "slide": "slide.pdf", "png": "png", "description": "json", "caption": "rst"}
IMPORT_STEPS = ("import_published_logs", "import_confopt_logs")
SOURCE_STEPS = (*IMPORT_STEPS, *SEARCH_FILES, "select_architecture", "evaluate_genotype", "depth_search")
"""The steps of the runs that tables are made from."""

Files = dict[str, list[str]]


@dataclass(frozen=True)
class Job:
    """One job: its name below <root>/records and <root>/logs, what decides it, and its files by the rule's names."""

    name: str
    step: str
    settings: Model | dict[str, Any]
    inputs: Files
    outputs: Files
    root: str
    modules: tuple[str, ...] = ()
    on_request: bool = False
    """whether it runs only where a person asks for its result"""

    @property
    def reads(self) -> list[str]:
        """The paths of all inputs."""
        return [path for paths in self.inputs.values() for path in paths]

    @property
    def writes(self) -> list[str]:
        """The paths of all outputs."""
        return [path for paths in self.outputs.values() for path in paths]

    @property
    def record(self) -> str:
        """The file of its record."""
        return places.record(self.root, self.name)

    @property
    def log(self) -> str:
        """The file of its log, by which Snakemake names it too."""
        return places.log(self.root, self.name)


class Plan:
    """The jobs of one study. A list of inputs is in the settings too, by short names: its order decides bytes."""

    def __init__(self, study: Study, existing_only: bool = False) -> None:
        """Expand the grids of `study`; with `existing_only`, for the runs that are there, and nothing is fetched."""
        self.study = study
        results = f"results/{study.study}"
        self.places = Places(results, DATA_ROOT if study.data.made_up is None else f"{results}/data")
        self.runs = Runs(study, self.places, existing_only)

    @cached_property
    def jobs(self) -> tuple[Job, ...]:
        """Every job that the report needs, in the order in which data flows."""
        return tuple(self._jobs())

    @cached_property
    def on_request(self) -> tuple[Job, ...]:
        """The other jobs, which run only where a person asks for their result."""
        return tuple(self._run_picture(group, run) for group, runs in self.runs.depth.items() for run in runs)

    @property
    def source_jobs(self) -> list[Job]:
        """Every run that tables are made from."""
        return [job for job in self.jobs if job.step in SOURCE_STEPS]

    def job(self, kind: str, **wildcards: str) -> Job:
        """The job of a kind (`places.JOB_NAMES`) at a place. Raises LookupError, in one sentence, where there is none.

        A person may ask for any data set, and for a picture of any network that a group turns out to have.
        """
        if kind in ("fetch_data", "made_up_data"):
            return self.data_job(**wildcards)
        if kind == "depth_run_picture":
            return self._run_picture(**wildcards)
        name = JOB_NAMES[kind].format(**wildcards)
        if name not in self._by_name:
            raise LookupError(f"the study {self.study.study} has no job {name}")
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> dict[str, Job]:
        return {job.name: job for job in self.jobs if job.root == self.places.results}

    def inputs_of(self, kind: str, name: str) -> Callable[[Any], list[str]]:
        """The function for a rule's input `name`: what the plan says of the job at the wildcards."""
        return lambda wildcards: self.job(kind, **dict(wildcards.items())).inputs[name]

    def inputs_after_architectures(self, kind: str, name: str, checkpoints: Any) -> Callable[[Any], list[str]]:
        """The same for architectures that are read off searches: known once the checkpoint over their group passed."""

        def paths(wildcards: Any) -> list[str]:
            found = self.inputs_of(kind, name)(wildcards)
            if wildcards.group in self.runs.genotypes:
                return found
            read_off = self.job("derive_architectures", group=wildcards.group).outputs["architecture"]
            if not set(read_off).isdisjoint(found):
                checkpoints.group_architectures.get(group=wildcards.group)
            return found

        return paths

    def _jobs(self) -> Iterator[Job]:
        if not self.runs.existing_only:
            yield from map(self.data_job, self.runs.data_sets())
        for group in self.runs.searches:
            yield from self._searches(group)
            yield from self._architectures(group)
            yield from self._selections(group)
            yield from self._trainings(group)
        for group in self.runs.genotypes:
            yield from self._given_architectures(group)
            yield from self._trainings(group)
        yield from self._depth_searches()
        if self.study.cells is not None:
            yield from self._cell_tables()
        if self.study.depth is not None:
            yield from self._depth_tables()
        drawn = [self._figure(figure) for figure in self.study.figures]
        yield from drawn
        yield self._claims()
        yield self._report(drawn)

    def _make_job(
        self, kind: str, place: dict[str, str], settings: Any, inputs: Files, outputs: Files, **more: Any
    ) -> Job:
        given = {"step": kind, "root": self.places.results} | more
        return Job(JOB_NAMES[kind].format(**place), settings=settings, inputs=inputs, outputs=outputs, **given)

    # data --------------------------------------------------------------------------------------------------------

    def data_job(self, data_set: str) -> Job:
        """The job that prepares a data set, or makes it up for a rehearsal."""
        module, made_up = module_name(data_set), self.study.data.made_up
        outputs, place = {"data": [self.places.data(data_set)]}, {"data_set": data_set}
        if made_up is None:
            settings: dict[str, Any] = {"module": module}
            return self._make_job("fetch_data", place, settings, {}, outputs, root=DATA_ROOT, modules=(module,))
        settings = {"module": module, "images": made_up}
        return self._make_job("made_up_data", place, settings, {}, outputs, modules=(module,))

    def access(self) -> str:
        """Where data files may come from, as JSON: an option of a job's command, because it decides no result."""
        return canonical(self.study.data.model_dump(mode="json", exclude={"made_up"}))

    # cell search -------------------------------------------------------------------------------------------------

    def _searches(self, group: str) -> Iterator[Job]:
        assert self.study.cells is not None
        keys = self.runs.searches[group]
        if self.runs.is_published(group):
            runs = [key.model_dump(mode="json", include={"l2", "drop_path", "seed"}) for key in keys]
            search = keys[0].search
            settings: dict[str, Any] = {"space": keys[0].space, "data_set": keys[0].data_set, "runs": runs}
            outputs = self.search_files(group) | {"report": [self.places.published_import(group, search)]}
            if search != "published":
                settings |= {"search": search, "candidates": load_space(keys[0].space)}
                outputs["alphas"] = [self.places.search("alphas.npz", group, search, key.run) for key in keys]
            yield self._make_job(self.import_kind(group), {"group": group}, settings, {}, outputs)
            return
        for key in keys:
            kind = "random_search" if key.search == "random_ws" else "cell_search"
            place = {"group": group, "search": key.search, "run": key.run}
            outputs = _by_stem([self.places.search(file, **place) for file in SEARCH_FILES[kind]])
            yield self._make_job(kind, place, search_job(self.study.cells, key), self._data(group), outputs)

    def import_kind(self, group: str) -> str:
        """The kind of the job that reads a group's published logs."""
        return IMPORT_STEPS[self.runs.searches[group][0].search != "published"]

    def search_files(self, group: str) -> Files:
        """The four files of every search of a group, in the order of the grids."""
        keys = self.runs.searches[group]
        folders = [self.places.search("", group, key.search, key.run) for key in keys]
        return {PurePath(file).stem: [folder + file for folder in folders] for file in FILES}

    def _data(self, group: str) -> Files:
        return {"data": [self.places.data(self.runs.data_set(group))]}

    def _architectures(self, group: str) -> Iterator[Job]:
        read_off = [(key, method) for key in self.runs.searches[group] for method in self.runs.methods(key)]
        files = [self.places.architecture(group, method, key.run) for key, method in read_off]
        runs = [{"run": key.run, "methods": self.runs.methods(key)} for key in self.runs.searches[group]]
        place, settings = {"group": group}, {**self._stop_rule(), "runs": runs}
        inputs, outputs = self.search_files(group), {"architecture": files}
        modules = tuple(method_modules.module_name(method) for method in sorted({method for _, method in read_off}))
        yield self._make_job("derive_architectures", place, settings, inputs, outputs, modules=modules)
        yield self._group_architectures(group, [f"{method}/{key.run}" for key, method in read_off], files)

    def _given_architectures(self, group: str) -> Iterator[Job]:
        files = []
        for key in self.runs.genotypes[group]:
            settings = {"space": key.space, "data_set": key.data_set, "name": key.run, "genotype": key.genotype.text()}
            file = self.places.given_architecture(group, key.run)
            place, outputs = {"group": group, "run": key.run}, {"architecture": [file]}
            yield self._make_job("given_architecture", place, settings, {}, outputs)
            files.append(file)
        yield self._group_architectures(group, [f"{GENOTYPES}/{key.run}" for key in self.runs.genotypes[group]], files)

    def _group_architectures(self, group: str, names: list[str], files: list[str]) -> Job:
        gathered, step = {"architectures": [self.places.architectures(group)]}, "gather_architectures"
        return self._make_job(
            "group_architectures", {"group": group}, {"parts": names}, {"part": files}, gathered, step=step
        )

    def _stop_rule(self) -> dict[str, Any]:
        assert self.study.cells is not None
        return {"stop": self.study.cells.stop.model_dump(mode="json")}

    def _selections(self, group: str) -> Iterator[Job]:
        cells = self.study.cells
        assert cells is not None
        for key in self.runs.selections.get(group, []):
            place = {"group": group, "method": key.method, "run": key.run}
            candidates = [self._architecture_file(group, "darts", each.run) for each in key.candidates(cells.selection)]
            inputs = self._data(group) | {"candidate": candidates}
            outputs = _by_stem([self.places.selection(file, **place) for file in SELECTION_FILES])
            yield self._make_job("select_architecture", place, selection_job(cells, key), inputs, outputs)

    def _architecture_file(self, group: str, method: str, run: str) -> str:
        """The architecture that a training trains: read off a search, selected among several, or given as text."""
        if method in SELECTING:
            return self.places.selection("architecture.yaml", group, method, run)
        return self.places.architecture(group, method, run)

    def selected_architectures(self, group: str) -> list[str]:
        """The architecture of every selection of a group."""
        return [self._architecture_file(group, key.method, key.run) for key in self.runs.selections.get(group, [])]

    def _trainings(self, group: str) -> Iterator[Job]:
        assert self.study.cells is not None
        for key in self.runs.trainings[group]:
            place = {"group": group, "method": key.method, "run": key.run, "seed": str(key.seed)}
            settings = evaluation_job(self.study.cells, self.runs.data_set(group), key.seed)
            inputs = self._data(group) | {"architecture": [self._architecture_file(group, key.method, key.run)]}
            outputs = _by_stem([self.places.training(file, **place) for file in TRAINING_FILES])
            yield self._make_job("evaluate_genotype", place, settings, inputs, outputs)

    # depth search ------------------------------------------------------------------------------------------------

    def _depth_searches(self) -> Iterator[Job]:
        for group, runs in self.runs.depth.items():
            inputs = {"data": [self.places.data(data_set) for data_set in self.runs.depth_data_sets(group)]}
            by_name = {name: run.model_dump(mode="json") for name, run in runs.items()}
            settings = {"experiment": experiment_of(group), "runs": by_name}
            outputs = {"folder": [self.places.depth(group)]}
            yield self._make_job("depth_search", {"group": group}, settings, inputs, outputs)

    def _run_picture(self, group: str, run: str) -> Job:
        place, modules = {"group": group, "run": run}, ("figures.depth_run",)
        inputs = {"folder": [self.places.depth(group)]}
        outputs = {end: [self.places.run_picture(end, **place)] for end in ("pdf", "png")}
        return self._make_job(
            "depth_run_picture", place, {"run": run}, inputs, outputs, modules=modules, on_request=True
        )

    # tables ------------------------------------------------------------------------------------------------------

    @cached_property
    def tables(self) -> list[str]:
        """The names of the study's tables."""
        cells: list[str] = []
        if self.study.cells is not None:
            trained = self.study.cells.evaluation is not None
            cells = ["search_spaces", *SEARCH_TABLES, *(["evaluations", "comparison"] if trained else [])]
            cells += [PUBLISHED_EVALUATIONS] if self._has_published_evaluations else []
        drawn = {table for figure in self.study.figures for table in figure_tables(figure)}
        depth = [*DEPTH_TABLES, *([DEPTH_SPEED] if DEPTH_SPEED in drawn else [])]
        return [*cells, *(depth if self.study.depth is not None else [])]

    @property
    def _has_published_evaluations(self) -> bool:
        """Whether the table goes with published searches; where nothing is fetched, only one that is there."""
        there = not self.runs.existing_only or Path(self.places.table(PUBLISHED_EVALUATIONS)).exists()
        return there and any(keys[0].search == "published" for keys in self.runs.searches.values())

    def _cell_tables(self) -> Iterator[Job]:
        for group in self.runs.searches:
            settings = {**self._stop_rule(), "runs": [key.place for key in self.runs.searches[group]]}
            outputs = _by_stem([self.places.group_table(table, group) for table in SEARCH_TABLES])
            yield self._make_job("search_tables", {"group": group}, settings, self.search_files(group), outputs)
        joined = {table: list(self.runs.searches) for table in SEARCH_TABLES}
        if "evaluations" in self.tables:
            joined["evaluations"] = self.runs.groups
            yield from map(self._evaluation_table, self.runs.groups)
        for table, groups in joined.items():
            parts = {"part": [self.places.group_table(table, group) for group in groups]}
            outputs = {"table": [self.places.table(table)]}
            yield self._make_job("join_tables", {"table": table}, {"table": table, "groups": groups}, parts, outputs)
        searched = {key.space for keys in self.runs.searches.values() for key in keys}
        spaces = sorted(searched | {key.space for keys in self.runs.genotypes.values() for key in keys})
        listed = {"spaces": {name: load_space(name) for name in spaces}}
        yield self._make_job("space_table", {}, listed, {}, _by_stem([self.places.table("search_spaces")]))
        yield self._all_architectures(self.runs.groups)
        if self._has_published_evaluations:
            outputs = _by_stem([self.places.table(PUBLISHED_EVALUATIONS)])
            yield self._make_job(PUBLISHED_EVALUATIONS, {}, {}, {}, outputs)
        if "comparison" in self.tables:
            inputs = {"evaluations": [self.places.table("evaluations")], "published": [PUBLISHED_VALUES]}
            yield self._make_job("comparison_table", {}, {}, inputs, _by_stem([self.places.table("comparison")]))

    def _all_architectures(self, groups: list[str]) -> Job:
        chosen = [key for group in groups for key in self.runs.selections.get(group, [])]
        names = [*groups, *(f"{key.group}/{key.method}/{key.run}" for key in chosen)]
        parts = [self.places.architectures(group) for group in groups]
        parts += [path for group in groups for path in self.selected_architectures(group)]
        outputs = {"architectures": [self.places.all_architectures()]}
        return self._make_job("gather_architectures", {}, {"parts": names}, {"part": parts}, outputs)

    def _evaluation_table(self, group: str) -> Job:
        keys = self.runs.trainings[group]
        outcomes = [self.places.training("outcome.json", group, key.method, key.run, str(key.seed)) for key in keys]
        inputs = {
            "outcome": outcomes,
            "architectures": [self.places.architectures(group), *self.selected_architectures(group)],
        }
        outputs = _by_stem([self.places.group_table("evaluations", group)])
        settings = {"trainings": [key.name for key in keys]}
        return self._make_job("evaluation_table", {"group": group}, settings, inputs, outputs)

    def _depth_tables(self) -> Iterator[Job]:
        groups = list(self.runs.depth)
        inputs, settings = {"folder": [self.places.depth(group) for group in groups]}, {"groups": groups}
        outputs = _by_stem([self.places.table(table) for table in DEPTH_TABLES])
        yield self._make_job("depth_tables", {}, settings, inputs, outputs)
        if DEPTH_SPEED in self.tables:
            yield self._make_job(DEPTH_SPEED, {}, settings, inputs, _by_stem([self.places.table(DEPTH_SPEED)]))

    # figures, report ---------------------------------------------------------------------------------------------

    def _figure(self, figure: str) -> Job:
        elsewhere = {"architectures": self.places.all_architectures()}
        tables = [elsewhere.get(table, self.places.table(table)) for table in figure_tables(figure)]
        ends = FIGURE_FILES | ({"gif": "gif"} if is_animated(figure) else {})
        outputs = {name: [self.places.figure(end, figure)] for name, end in ends.items()}
        settings, modules = {"figure": figure}, (f"figures.{figure}",)
        return self._make_job("figure", {"figure": figure}, settings, {"tables": tables}, outputs, modules=modules)

    def _claims(self) -> Job:
        """The verdicts on the claims of the papers that the study is about."""
        departures = {
            paper: [list(difference) for difference in found]
            for paper, found in differences_by_paper(self.study).items()
        }
        names = [name for paper in departures for name in claim_modules.claim_names(paper)]
        read = {table for name in names for table in claim_modules.stated(name, "TABLES")}
        inputs = {"tables": [self.places.table(table) for table in self.tables if table in read]}
        settings = {"study": self.study.study, "departures": departures, "claims": names}
        modules = tuple(claim_modules.module_name(name) for name in sorted(names))
        return self._make_job("claims", {}, settings, inputs, {"claims": [self.places.claims()]}, modules=modules)

    def _report(self, drawn: list[Job]) -> Job:
        names = (*FIGURE_FILES, "gif")
        inputs = {name: [path for job in drawn for path in job.outputs.get(name, [])] for name in names}
        inputs["tables"] = [self.places.table(table) for table in self.tables]
        inputs["claims"] = [self.places.claims()]
        inputs["architectures"] = [] if self.study.cells is None else [self.places.all_architectures()]
        return self._make_job("report", {}, report_settings(self.study), inputs, {"report": [self.places.report()]})

    def resources(self, rule: str) -> dict[str, int]:
        """What a job of a rule asks a scheduler for; no device, and the profile's defaults, where it is not named."""
        needs = self.study.resources.get(rule)
        return {"gpu": 0} if needs is None else needs.model_dump()


def _by_stem(files: list[str]) -> Files:
    return {PurePath(file).stem: [file] for file in files}
