"""Every job of a study, as the rules make them, in the order data flows: what the audit and `status` go by.

A test compares this list with the jobs that Snakemake itself plans.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from workflow_scripts.study.depth import ImageRun
from workflow_scripts.study.jobs import DATA_ROOT, DEPTH_SPEED, DEPTH_TABLES, Jobs
from workflow_scripts.study.model import Model
from workflow_scripts.tables.search_run import FILES

SEARCH_TABLES = ("searches", "search_epochs", "curvature", "spectra")
MORE_FILES = {"cell_search": ("alphas.npz", "discarded.csv"), "random_search": ("samples.csv",)}
"""What a search writes beside the four files that every search has."""
SOURCE_STEPS = (
    "import_published_logs",
    "cell_search",
    "random_search",
    "select_architecture",
    "evaluate_genotype",
    "depth_search",
)
"""The steps of the runs that tables are made from."""


@dataclass(frozen=True)
class PlannedJob:
    """One job: its name below <root>/records and <root>/logs, what decides it, and its paths."""

    name: str
    step: str
    settings: Model | dict[str, Any]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    root: str
    modules: tuple[str, ...] = ()

    @property
    def record(self) -> str:
        """The file of its record."""
        return f"{self.root}/records/{self.name}.json"


def planned_jobs(jobs: Jobs) -> Iterator[PlannedJob]:
    """Every job of the study. With `existing_only`, those of the runs that are there, and none that fetches."""
    if not jobs.existing_only:
        yield from _fetching(jobs)
    for group in jobs.searches:
        yield from _searches(jobs, group)
        yield from _architectures(jobs, group)
        yield from _trainings(jobs, group)
    yield from _depth(jobs)
    yield from _tables(jobs)
    yield from _figures(jobs)


def sources(jobs: Jobs) -> Iterator[PlannedJob]:
    """Every run that tables are made from."""
    return (job for job in planned_jobs(jobs) if job.step in SOURCE_STEPS)


def _fetching(jobs: Jobs) -> Iterator[PlannedJob]:
    wanted = [data_set for group, data_set in jobs.data_sets.items() if group not in jobs.published_groups]
    wanted += [data_set for group in jobs.depth_groups if (data_set := _depth_data(jobs, group))]
    for data_set in dict.fromkeys(wanted):
        outputs = (jobs.data_file(data_set),)
        if jobs.study.data.made_up is None:
            settings = jobs.fetch(data_set)
            yield PlannedJob(data_set, "fetch_data", settings, (), outputs, DATA_ROOT, (settings["module"],))
        else:
            made_up, name = jobs.make_up(data_set), f"made_up_data/{data_set}"
            yield PlannedJob(name, "made_up_data", made_up, (), outputs, jobs.results, (made_up["module"],))


def _searches(jobs: Jobs, group: str) -> Iterator[PlannedJob]:
    keys = jobs.searches[group].values()
    if group in jobs.published_groups:
        outputs = [f"{jobs.search_folder(key)}/{file}" for file in FILES for key in keys]
        outputs.append(f"{jobs.results}/cells/searches/{group}/published/import.json")
        name = f"import_published_logs_{group}"
        yield PlannedJob(name, "import_published_logs", jobs.published_import(group), (), tuple(outputs), jobs.results)
        return
    for key in keys:
        step = "random_search" if key.search == "random_ws" else "cell_search"
        files = tuple(f"{jobs.search_folder(key)}/{file}" for file in (*FILES, *MORE_FILES[step]))
        name = f"{step}/{group}/{key.place}"
        yield PlannedJob(name, step, jobs.search_of(key), (jobs.data_file(key.data_set),), files, jobs.results)


def _architectures(jobs: Jobs, group: str) -> Iterator[PlannedJob]:
    files = tuple(path for file in FILES for path in jobs.search_files(group, file))
    architectures = tuple(jobs.architectures(group))
    name, settings = f"derive_architectures_{group}", jobs.derivation(group)
    modules = tuple(jobs.method_modules(group))
    yield PlannedJob(name, "derive_architectures", settings, files, architectures, jobs.results, modules)
    name, gathered = f"group_architectures/{group}", f"{jobs.results}/cells/architectures/{group}.yaml"
    yield PlannedJob(name, "gather_architectures", {}, architectures, (gathered,), jobs.results)


def _trainings(jobs: Jobs, group: str) -> Iterator[PlannedJob]:
    assert jobs.study.cells is not None
    data = jobs.data_file(jobs.data_sets[group])
    for key in jobs.selections.get(group, []):
        candidates = [jobs.architecture_of(each, "darts") for each in key.candidates(jobs.study.cells.selection)]
        outputs = tuple(f"{jobs.selection_folder(key)}/{file}" for file in ("architecture.yaml", "candidates.csv"))
        name, inputs = f"select_architecture/{group}/{key.method}/{key.run}", (data, *candidates)
        yield PlannedJob(name, "select_architecture", jobs.selection_of(key), inputs, outputs, jobs.results)
    for outcome, seed in jobs.trainings[group].items():
        folder = PurePath(outcome).parent
        place = folder.relative_to(f"{jobs.results}/cells/evaluations").as_posix()
        outputs = tuple(f"{folder}/{file}" for file in ("history.csv", "weights.pt", "outcome.json"))
        inputs = (data, jobs.architecture_file_of(*PurePath(place).parts[:3]))
        settings = jobs.evaluation(group, seed)
        yield PlannedJob(f"evaluate_genotype/{place}", "evaluate_genotype", settings, inputs, outputs, jobs.results)


def _depth(jobs: Jobs) -> Iterator[PlannedJob]:
    for group in jobs.depth_groups:
        data_set = _depth_data(jobs, group)
        inputs = (jobs.data_file(data_set),) if data_set else ()
        settings, outputs = jobs.depth_search(group), (jobs.depth_folder(group),)
        yield PlannedJob(f"depth_search/{group}", "depth_search", settings, inputs, outputs, jobs.results)


def _tables(jobs: Jobs) -> Iterator[PlannedJob]:
    root, wanted = jobs.results, jobs.tables
    for group in jobs.searches:
        files = tuple(path for file in FILES for path in jobs.search_files(group, file))
        outputs = tuple(f"{root}/tables/{group}/{table}.csv" for table in SEARCH_TABLES)
        yield PlannedJob(f"search_tables/{group}", "search_tables", jobs.stop_rule(), files, outputs, root)
        if "evaluations" in wanted:
            gathered = f"{root}/cells/architectures/{group}.yaml"
            inputs = (*jobs.evaluations(group), gathered, *jobs.selected(group))
            output = f"{root}/tables/{group}/evaluations.csv"
            yield PlannedJob(f"evaluation_table/{group}", "evaluation_table", {}, inputs, (output,), root)
    for table in (each for each in (*SEARCH_TABLES, "evaluations") if each in wanted):
        parts = tuple(f"{root}/tables/{group}/{table}.csv" for group in jobs.searches)
        output = f"{root}/tables/{table}.csv"
        yield PlannedJob(f"join_tables/{table}", "join_tables", {"table": table}, parts, (output,), root)
    if jobs.study.cells is not None:
        output = f"{root}/tables/search_spaces.csv"
        yield PlannedJob("space_table", "space_table", jobs.spaces(), (), (output,), root)
        parts = (*(f"{root}/cells/architectures/{group}.yaml" for group in jobs.searches), *jobs.selected())
        gathered = f"{root}/architectures.yaml"
        yield PlannedJob("gather_architectures", "gather_architectures", {}, parts, (gathered,), root)
    if "comparison" in wanted:
        inputs = (f"{root}/tables/evaluations.csv", "config/published_values.csv")
        output = f"{root}/tables/comparison.csv"
        yield PlannedJob("comparison_table", "comparison_table", {}, inputs, (output,), root)
    folders = tuple(jobs.depth_folders())
    if jobs.study.depth is not None:
        outputs = tuple(f"{root}/tables/{table}.csv" for table in DEPTH_TABLES)
        yield PlannedJob("depth_tables", "depth_tables", {}, folders, outputs, root)
    if DEPTH_SPEED in wanted:
        yield PlannedJob(DEPTH_SPEED, DEPTH_SPEED, {}, folders, (f"{root}/tables/{DEPTH_SPEED}.csv",), root)


def _figures(jobs: Jobs) -> Iterator[PlannedJob]:
    root = jobs.results
    for figure in jobs.study.figures:
        inputs, outputs = tuple(jobs.figure_inputs(figure)), tuple(jobs.figure_outputs(figure).values())
        modules = (f"figures.{figure}",)
        yield PlannedJob(f"figure_{figure}", "figure", {"figure": figure}, inputs, outputs, root, modules)
    drawn = (path for end in ("json", "png", "pdf", "slide.pdf", "rst") for path in jobs.figure_files(end))
    inputs = (*drawn, *jobs.animations(), *jobs.table_files(), *jobs.architecture_file())
    yield PlannedJob("report", "report", jobs.report(), inputs, (f"{root}/report.html",), root)


def _depth_data(jobs: Jobs, group: str) -> str | None:
    data = next(iter(jobs.depth_groups[group].values())).data
    return data.images.data_set if isinstance(data, ImageRun) else None
