"""The plan of a study: every job with its settings and files. The rules, the audit, `status` and `plan` use it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from workflow_scripts.data.data_set import module_name
from workflow_scripts.study import claim_modules, method_modules, places
from workflow_scripts.study.cell_grids import SearchKey
from workflow_scripts.study.cell_job_settings import evaluation_job, search_job, selection_job, supernet_job
from workflow_scripts.study.cell_settings import Cells
from workflow_scripts.study.depth_settings import experiment_of
from workflow_scripts.study.figure_modules import figure_tables, is_animated
from workflow_scripts.study.image_sets import load_image_set
from workflow_scripts.study.job import Files, Job
from workflow_scripts.study.own_data import data_settings
from workflow_scripts.study.paper_differences import differences_by_paper, paper_differences
from workflow_scripts.study.places import DEPTH_TABLES, PUBLISHED_VALUES, SEARCH_TABLES, Places
from workflow_scripts.study.runs import Runs
from workflow_scripts.study.search_spaces import load_space
from workflow_scripts.study.settings_model import canonical
from workflow_scripts.study.study import Study
from workflow_scripts.tables.display_names import GENOTYPES, SELECTING
from workflow_scripts.tables.search_run import FILES

PUBLISHED_EVALUATIONS = "published_evaluations"
DEPTH_SPEED = "depth_speed"  # only where a figure draws it, because times are not the same when they are measured again
IMPORT_STEPS = ("import_published_logs", "import_confopt_logs")
SOURCE_STEPS = (
    *(*IMPORT_STEPS, "cell_search", "random_search"),
    *("supernet_architecture", "select_architecture", "evaluate_genotype", "depth_search"),
)
"""The steps of the runs that tables are made from."""

WITHOUT_ALPHAS = ("random_ws", "published")
"""Searches that keep none."""
SHOWN_ELSEWHERE = {"study", "title", "description", "figures", "data", "resources"}
"""Keys of a study that the report has a place for, or that decide no result."""


class Plan:
    """The jobs of one study. A list of inputs is in the settings too, by short names: its order decides bytes."""

    def __init__(self, study: Study, existing_only: bool = False) -> None:
        """Expand the grids of `study`; with `existing_only`, of the runs that are there, without data sets."""
        self.study = study
        self.places = Places(f"results/{study.study}", made_up=study.data.made_up is not None)
        self._drawn = {table for figure in study.figures for table in figure_tables(figure)}
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
        """The job of a kind, its rule's name, at a place. Raises LookupError, in one sentence, where there is none.

        A person may ask for any data set, and for a picture of any network that a group turns out to have.
        """
        if kind in ("fetch_data", "made_up_data"):
            return self.data_job(**wildcards)
        if kind == "depth_run_picture":
            return self._run_picture(**wildcards)
        name = places.job_name(kind).format(**wildcards)
        if name not in self._by_name:
            raise LookupError(f"the study {self.study.study} has no job {name}")
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> dict[str, Job]:
        return {job.name: job for job in self.jobs if job.root == self.places.results}

    def inputs(self, kind: str, name: str) -> Callable[[Any], list[str]]:
        """The function for a rule's input `name`: what the plan says of the job at the wildcards."""
        return lambda wildcards: self.job(kind, **dict(wildcards.items())).inputs[name]

    def inputs_after_architectures(self, kind: str, name: str, checkpoints: Any) -> Callable[[Any], list[str]]:
        """One of them, architectures that are read off searches: known once the checkpoint over their group passed."""

        def paths(wildcards: Any) -> list[str]:
            found = self.inputs(kind, name)(wildcards)
            if self.are_read_off(wildcards.group, found):
                checkpoints.group_architectures.get(group=wildcards.group)
            return found

        return paths

    def are_read_off(self, group: str, architectures: list[str]) -> bool:
        """Whether architectures are read off the group's searches: not given, selected or computed with a supernet."""
        if group in self.runs.genotypes:
            return False
        return not set(self.job("derive_architectures", group=group).outputs["architecture"]).isdisjoint(architectures)

    def _jobs(self) -> Iterator[Job]:
        if not self.runs.existing_only:
            yield from map(self.data_job, self.runs.data_sets())
        for group in self.runs.searches:
            yield from self._searches(group)
            yield from self._architectures(group)
            yield from self._supernet_architectures(group)
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

    def _make_job(self, kind: str, place: dict[str, Any], settings: Any, inputs: Files, **more: Any) -> Job:
        outputs = {name: [path.format(**place)] for name, path in self.places.outputs(kind).items()}
        given = {"step": kind, "root": self.places.root(kind), "outputs": outputs} | more
        return Job(places.job_name(kind).format(**place), settings=settings, inputs=inputs, **given)

    # data --------------------------------------------------------------------------------------------------------

    def data_job(self, data_set: str) -> Job:
        """The job that prepares a data set, or makes it up for a rehearsal."""
        own, made_up, place = self.study.data.own.get(data_set), self.study.data.made_up, {"data_set": data_set}
        if own is not None and made_up is None:
            return self._make_job("fetch_data", place, data_settings(data_set, own), {}, step="own_data")
        if own is not None:
            entry = load_image_set(data_set)
            facts = {name: getattr(entry, name) for name in ("name", "channels", "side", "classes")}
            return self._make_job("made_up_data", place, {"own": facts, "images": made_up}, {})
        module = module_name(data_set)
        kind, images = ("fetch_data", {}) if made_up is None else ("made_up_data", {"images": made_up})
        return self._make_job(kind, place, {"module": module, **images}, {}, modules=(module,))

    def access(self) -> str:
        """Where data files may come from, as JSON: an option of a job's command, because it decides no result."""
        given = self.study.data.model_dump(mode="json", exclude={"made_up", "own"})
        own = {name: asdict(settings.source()) for name, settings in self.study.data.own.items()}
        return canonical(given | ({"own": own} if own else {}))

    # cell search -------------------------------------------------------------------------------------------------

    @property
    def _cells(self) -> Cells:
        assert self.study.cells is not None, "only a study with a cell search has groups"
        return self.study.cells

    def _searches(self, group: str) -> Iterator[Job]:
        keys = self.runs.searches[group]
        if self.runs.is_published(group):
            runs = [key.model_dump(mode="json", include={"l2", "drop_path", "seed"}) for key in keys]
            source = keys[0].search
            settings: dict[str, Any] = {"space": keys[0].space, "data_set": keys[0].data_set, "runs": runs}
            report = self.places.at(places.IMPORT_REPORT, group=group, search=source)
            outputs = self.search_files(group) | {"report": [report]}
            if source != "published":
                settings |= {"search": source, "candidates": load_space(keys[0].space)}
                outputs |= self._of_searches(keys, "alphas.npz")
            yield self._make_job(self.import_kind(group), {"group": group}, settings, {}, outputs=outputs)
            return
        for key in keys:
            kind = "random_search" if key.search == "random_ws" else "cell_search"
            place = {"group": group, "search": key.search, "run": key.run}
            search = search_job(self._cells, key, self.runs.keeps_weights(key))
            own = (method_modules.mixing_module(search.mixing),) if search.mixing else ()
            yield self._make_job(kind, place, search, self._data(group), modules=own)

    def import_kind(self, group: str) -> str:
        """The kind of the job that reads a group's published logs."""
        return IMPORT_STEPS[self.runs.searches[group][0].search != "published"]

    def search_files(self, group: str) -> Files:
        """The four files of every search of a group, in the order of the grids."""
        return self._of_searches(self.runs.searches[group], *FILES)

    def _of_searches(self, keys: Iterable[SearchKey], *files: str) -> Files:
        """Files of searches, each under its name without its ending."""
        folders = [self.places.at(places.SEARCH, group=key.group, search=key.search, run=key.run) for key in keys]
        return {Path(file).stem: [f"{folder}/{file}" for folder in folders] for file in files}

    def _data(self, group: str) -> Files:
        return {"data": [self.places.data(self.runs.data_set(group))]}

    def _architectures(self, group: str) -> Iterator[Job]:
        keys = self.runs.searches[group]
        settings = {**self._stop_rule(), "runs": [{"run": key.run, "methods": self.runs.methods(key)} for key in keys]}
        read_off = [(method, key.run) for key in keys for method in self.runs.methods(key)]
        parts = {f"{method}/{run}": self._architecture(group, method, run) for method, run in read_off}
        modules = tuple(method_modules.module_name(method) for method in sorted({method for method, _ in read_off}))
        inputs = self._of_searches(keys, *FILES)
        inputs |= self._of_searches([key for key in keys if key.search not in WITHOUT_ALPHAS], "alphas.npz")
        more: dict[str, Any] = {"outputs": {"architecture": list(parts.values())}, "modules": modules}
        yield self._make_job("derive_architectures", {"group": group}, settings, inputs, **more)
        yield self._gathered("group_architectures", parts, group=group)

    def _gathered(self, kind: str, parts: dict[str, str], **place: str) -> Job:
        """The job that gathers architectures, whose files have names, in one file."""
        settings, inputs = {"parts": list(parts)}, {"part": list(parts.values())}
        return self._make_job(kind, place, settings, inputs, step="gather_architectures")

    def _supernet_architectures(self, group: str) -> Iterator[Job]:
        for key, method in self.runs.computed[group]:
            settings = supernet_job(self._cells, key, method)
            place, own = {"group": group, "method": method, "run": key.run}, (method_modules.module_name(method),)
            inputs = self._data(group) | self._of_searches([key], *FILES, "alphas.npz")
            yield self._make_job("supernet_architecture", place, settings, inputs, modules=own)

    def _given_architectures(self, group: str) -> Iterator[Job]:
        keys = self.runs.genotypes[group]
        for key in keys:
            settings = {"space": key.space, "data_set": key.data_set, "name": key.run, "genotype": key.genotype.text()}
            yield self._make_job("given_architecture", {"group": group, "run": key.run}, settings, {})
        parts = {f"{GENOTYPES}/{key.run}": self._architecture(group, GENOTYPES, key.run) for key in keys}
        yield self._gathered("group_architectures", parts, group=group)

    def _stop_rule(self) -> dict[str, Any]:
        return {"stop": self._cells.stop.model_dump(mode="json")}

    def _selections(self, group: str) -> Iterator[Job]:
        for key in self.runs.selections.get(group, []):
            place = {"group": group, "method": key.method, "run": key.run}
            candidates = [each.run for each in key.candidates(self._cells.selection)]
            inputs = self._data(group) | {"candidate": [self._architecture(group, "darts", run) for run in candidates]}
            yield self._make_job("select_architecture", place, selection_job(self._cells, key), inputs)

    def _architecture(self, group: str, method: str, run: str) -> str:
        """The file of an architecture: read off a search, selected among several, or given as text."""
        pattern = f"{places.SELECTION}/architecture.yaml" if method in SELECTING else places.ARCHITECTURE
        return self.places.at(pattern, group=group, method=method, run=run)

    def _own_architectures(self, group: str) -> dict[str, str]:
        """The architectures of a group that have a job each: computed with a supernet, or selected; by their names."""
        found = [(method, key.run) for key, method in self.runs.computed.get(group, [])]
        found += [(key.method, key.run) for key in self.runs.selections.get(group, [])]
        return {f"{group}/{method}/{run}": self._architecture(group, method, run) for method, run in found}

    def _trainings(self, group: str) -> Iterator[Job]:
        for key in self.runs.trainings[group]:
            settings = evaluation_job(self._cells, self.runs.data_set(group), key.seed, key.epochs)
            inputs = self._data(group) | {"architecture": [self._architecture(group, key.method, key.run)]}
            yield self._make_job("evaluate_genotype", key._asdict(), settings, inputs)

    # depth search ------------------------------------------------------------------------------------------------

    def _depth_searches(self) -> Iterator[Job]:
        for group, runs in self.runs.depth.items():
            inputs = {"data": [self.places.data(data_set) for data_set in self.runs.depth_data_sets(group)]}
            by_name = {name: run.model_dump(mode="json") for name, run in runs.items()}
            settings = {"experiment": experiment_of(group), "runs": by_name}
            yield self._make_job("depth_search", {"group": group}, settings, inputs)

    def _run_picture(self, group: str, run: str) -> Job:
        place, inputs, own = {"group": group, "run": run}, self._depth_folders([group]), ("figures.depth_run",)
        return self._make_job("depth_run_picture", place, {"run": run}, inputs, modules=own, on_request=True)

    def _depth_folders(self, groups: list[str]) -> Files:
        return {"folder": [self.places.at(places.DEPTH, group=group) for group in groups]}

    # tables ------------------------------------------------------------------------------------------------------

    @cached_property
    def tables(self) -> list[str]:
        """The names of the study's tables."""
        cells: list[str] = []
        if self.study.cells is not None:
            trained = self.study.cells.evaluation is not None
            cells = ["search_spaces", *SEARCH_TABLES, *(["evaluations", "comparison"] if trained else [])]
            cells += [PUBLISHED_EVALUATIONS] if self._has_published_evaluations else []
        depth = [*DEPTH_TABLES, *([DEPTH_SPEED] if DEPTH_SPEED in self._drawn else [])]
        return [*cells, *(depth if self.study.depth is not None else [])]

    @property
    def _has_published_evaluations(self) -> bool:
        """Whether the table is drawn, or goes with published searches; of existing ones, only one that is there."""
        there = not self.runs.existing_only or Path(self._table(PUBLISHED_EVALUATIONS)).exists()
        published = there and any(keys[0].search == "published" for keys in self.runs.searches.values())
        return published or PUBLISHED_EVALUATIONS in self._drawn

    def _table(self, table: str) -> str:
        return self.places.at(places.TABLE, table=table)

    def _cell_tables(self) -> Iterator[Job]:
        for group in self.runs.searches:
            settings = {**self._stop_rule(), "runs": [key.place for key in self.runs.searches[group]]}
            yield self._make_job("search_tables", {"group": group}, settings, self.search_files(group))
        joined = {table: list(self.runs.searches) for table in SEARCH_TABLES}
        if "evaluations" in self.tables:
            joined["evaluations"] = self.runs.groups
            yield from map(self._evaluation_table, self.runs.groups)
        for table, groups in joined.items():
            parts = {"part": [self.places.at(places.GROUP_TABLE, group=group, table=table) for group in groups]}
            yield self._make_job("join_tables", {"table": table}, {"table": table, "groups": groups}, parts)
        searched = {key.space for keys in self.runs.searches.values() for key in keys}
        spaces = sorted(searched | {key.space for keys in self.runs.genotypes.values() for key in keys})
        yield self._make_job("space_table", {}, {"spaces": {name: load_space(name) for name in spaces}}, {})
        yield self._all_architectures(self.runs.groups)
        if self._has_published_evaluations:
            yield self._make_job(PUBLISHED_EVALUATIONS, {}, {}, {})
        if "comparison" in self.tables:
            inputs = {"evaluations": [self._table("evaluations")], "published": [PUBLISHED_VALUES]}
            yield self._make_job("comparison_table", {}, {}, inputs)

    def _all_architectures(self, groups: list[str]) -> Job:
        parts = {group: self.places.at(places.GROUP_ARCHITECTURES, group=group) for group in groups}
        for group in groups:
            parts |= self._own_architectures(group)
        return self._gathered("gather_architectures", parts)

    def _evaluation_table(self, group: str) -> Job:
        keys = self.runs.trainings[group]
        gathered = self.places.at(places.GROUP_ARCHITECTURES, group=group)
        inputs = {
            "outcome": [self.places.at(f"{places.TRAINING}/outcome.json", **key._asdict()) for key in keys],
            "architectures": [gathered, *self._own_architectures(group).values()],
        }
        settings = {"trainings": [key.name for key in keys], "epochs": [key.epochs for key in keys]}
        return self._make_job("evaluation_table", {"group": group}, settings, inputs)

    def _depth_tables(self) -> Iterator[Job]:
        groups = list(self.runs.depth)
        for kind in ("depth_tables", DEPTH_SPEED) if DEPTH_SPEED in self.tables else ("depth_tables",):
            yield self._make_job(kind, {}, {"groups": groups}, self._depth_folders(groups))

    def _figure(self, figure: str) -> Job:
        elsewhere = {"architectures": self.places.at(places.ALL_ARCHITECTURES)}
        tables = [elsewhere.get(table) or self._table(table) for table in figure_tables(figure)]
        own = {"figure": figure}
        made = self._make_job("figure", own, own, {"tables": tables}, modules=(f"figures.{figure}",))
        gif = {"gif": [self.places.at(f"{places.FIGURE}.gif", **own)]} if is_animated(figure) else {}
        return replace(made, outputs=gif | made.outputs)

    def _claims(self) -> Job:
        """The verdicts on the claims of the papers that the study is about."""
        found = differences_by_paper(self.study)
        departures = {paper: [list(difference) for difference in found[paper]] for paper in found}
        names = [name for paper in departures for name in claim_modules.claim_names(paper)]
        read = {table for name in names for table in claim_modules.stated(name, "TABLES")}
        inputs = {"tables": [self._table(table) for table in self.tables if table in read]}
        settings = {"study": self.study.study, "departures": departures, "claims": names}
        modules = tuple(claim_modules.module_name(name) for name in sorted(names))
        return self._make_job("claims", {}, settings, inputs, modules=modules)

    def _report(self, drawn: list[Job]) -> Job:
        """The report, with what its reader can type; FIGURE means a figure's name.

        Commands hold where config/<study>.yaml is the study's file; settings of a command line are to be given again.
        """
        name, results = self.study.study, self.places.results
        drawing = f"--force {results}/figures/FIGURE.png --profile profiles/local --configfile config/{name}.yaml"
        settings = {
            "study": name,
            "title": self.study.title,
            "description": self.study.description,
            "settings": self.study.model_dump(mode="json", exclude=SHOWN_ELSEWHERE),
            "figures": self.study.figures,
            "departures": [list(difference) for difference in paper_differences(self.study)],
            "commands": {
                "study": f"make run STUDY={name}",
                "figure": f".venv/bin/snakemake {drawing}",
                "verify": f".venv/bin/python -m workflow_scripts.audit verify {results}",
                "why": f".venv/bin/python -m workflow_scripts.audit why {results}/report.html",
            },
        }
        names = ("description", "png", "pdf", "slide", "caption", "gif")
        inputs = {name: [path for job in drawn for path in job.outputs.get(name, [])] for name in names}
        inputs["tables"] = [self._table(table) for table in self.tables]
        inputs["claims"] = [self.places.outputs("claims")["claims"]]
        inputs["architectures"] = [] if self.study.cells is None else [self.places.at(places.ALL_ARCHITECTURES)]
        return self._make_job("report", {}, settings, inputs)

    def resources(self, rule: str) -> dict[str, int]:
        """What a job of a rule asks a scheduler for; no device, and the profile's defaults, where it is not named."""
        needs = self.study.resources.get(rule)
        return {"gpu": 0} if needs is None else needs.model_dump()


def planned_of(study: Study) -> list[Job]:
    """Every job of a study, those on request too."""
    plan = Plan(study)
    return [*plan.jobs, *plan.on_request]
