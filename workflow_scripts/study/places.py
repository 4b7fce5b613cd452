"""Where each kind of job has its outputs, log and record: one pattern each, for the rules and for everybody else.

Paths are relative to the working folder. What is in braces is a wildcard of the rules.
"""

from dataclasses import dataclass
from pathlib import PurePath

from workflow_scripts.runtime.folders import LOGS, RECORDS
from workflow_scripts.tables.display_names import GENOTYPES
from workflow_scripts.tables.search_run import FILES

DATA_ROOT = "data"
"""The folder of the data sets, which all studies share."""
PUBLISHED_VALUES = "config/published_values.csv"
"""The papers' own results, which come with the repository."""

# Below the results folder:
SEARCH = "cells/searches/{group}/{search}/{run}"
"""The folder of a search; `search` is its kind."""
IMPORT_REPORT = "cells/searches/{group}/{search}/import.json"
"""What was read of the published searches of a group, and what was skipped."""
ARCHITECTURE = "cells/architectures/{group}/{method}/{run}.yaml"
"""The architecture that a method reads off a search or computes with its supernet, or that was given as text."""
GROUP_ARCHITECTURES, ALL_ARCHITECTURES = "cells/architectures/{group}.yaml", "architectures.yaml"
"""Those of a group, and those of the study, gathered."""
SELECTION = "cells/selections/{group}/{method}/{run}"
"""The folder of a selection (R-DARTS)."""
TRAINING = "cells/evaluations/{group}/{method}/{run}/seed-{seed}"
"""The folder of a training from scratch."""
DEPTH = "depth/{group}"
"""The folder of a group of depth networks."""
GROUP_TABLE, TABLE = "tables/{group}/{table}.csv", "tables/{table}.csv"
"""A table of one group of searches, and one of the study."""
FIGURE = "figures/{figure}"
"""The files of a figure, which differ in how their name ends."""

SEARCH_TABLES = ("searches", "search_epochs", "curvature", "spectra")
DEPTH_TABLES = ("depth_runs", "depth_posteriors", "depth_calibration")


def _inside(folder: str, *files: str) -> dict[str, str]:
    """Files of a folder; each is named as an output without its ending."""
    return {PurePath(file).stem: f"{folder}/{file}" for file in files}


def _tables(pattern: str, *names: str) -> dict[str, str]:
    return {name: pattern.replace("{table}", name) for name in names}


OUTPUTS = {
    "fetch_data": {"data": "{data_set}.npz"},
    "made_up_data": {"data": "data/{data_set}.npz"},
    "cell_search": _inside(SEARCH, *FILES, "alphas.npz", "discarded.csv"),
    "random_search": _inside(SEARCH, *FILES, "samples.csv"),
    "supernet_architecture": {"architecture": ARCHITECTURE},
    "given_architecture": {"architecture": ARCHITECTURE.replace("{method}", GENOTYPES)},
    "group_architectures": {"architectures": GROUP_ARCHITECTURES},
    "gather_architectures": {"architectures": ALL_ARCHITECTURES},
    "select_architecture": _inside(SELECTION, "architecture.yaml", "candidates.csv"),
    "evaluate_genotype": _inside(TRAINING, "history.csv", "weights.pt", "outcome.json"),
    "depth_search": {"folder": DEPTH},
    "search_tables": _tables(GROUP_TABLE, *SEARCH_TABLES),
    "evaluation_table": _tables(GROUP_TABLE, "evaluations"),
    "join_tables": {"table": TABLE},
    "space_table": _tables(TABLE, "search_spaces"),
    "published_evaluations": _tables(TABLE, "published_evaluations"),
    "comparison_table": _tables(TABLE, "comparison"),
    "depth_tables": _tables(TABLE, *DEPTH_TABLES),
    "depth_speed": _tables(TABLE, "depth_speed"),
    "figure": {
        "pdf": f"{FIGURE}.pdf",
        "slide": f"{FIGURE}.slide.pdf",
        "png": f"{FIGURE}.png",
        "description": f"{FIGURE}.json",
        "caption": f"{FIGURE}.rst",
    },
    "depth_run_picture": {end: f"run_pictures/{{group}}/{{run}}.{end}" for end in ("pdf", "png")},
    "claims": {"claims": "claims.json"},
    "report": {"report": "report.html"},
}
"""By kind, which is the rule's name, what its jobs write; of jobs with as many outputs as a study has runs, nothing."""

JOB_NAMES = {
    "fetch_data": "{data_set}",
    "made_up_data": "made_up_data/{data_set}",
    "import_published_logs": "import_published_logs_{group}",
    "import_confopt_logs": "import_confopt_logs_{group}",
    "cell_search": "cell_search/{group}/{search}/{run}",
    "random_search": "random_search/{group}/{search}/{run}",
    "derive_architectures": "derive_architectures_{group}",
    "supernet_architecture": "supernet_architecture/{group}/{method}/{run}",
    "given_architecture": "given_architecture/{group}/{run}",
    "group_architectures": "group_architectures/{group}",
    "select_architecture": "select_architecture/{group}/{method}/{run}",
    "evaluate_genotype": "evaluate_genotype/{group}/{method}/{run}/seed-{seed}",
    "depth_search": "depth_search/{group}",
    "search_tables": "search_tables/{group}",
    "evaluation_table": "evaluation_table/{group}",
    "join_tables": "join_tables/{table}",
    "figure": "figure_{figure}",
    "depth_run_picture": "run_pictures/{group}/{run}",
}
"""How the jobs of a kind are called, where there are several: where <root>/logs and <root>/records have their files."""


@dataclass(frozen=True)
class Places:
    """The places of one study: its results folder, and whether its data sets are made up, and so lie there."""

    results: str
    made_up: bool = False

    def at(self, pattern: str, **place: str | int) -> str:
        """The path of one of the patterns below the results folder."""
        return f"{self.results}/{pattern}".format(**place)

    def data(self, data_set: str) -> str:
        """A data set in its prepared form."""
        return self.outputs("made_up_data" if self.made_up else "fetch_data")["data"].format(data_set=data_set)

    def root(self, kind: str) -> str:
        """The folder below which a kind of job has its outputs, its logs and its records."""
        return DATA_ROOT if kind == "fetch_data" else self.results

    def outputs(self, kind: str) -> dict[str, str]:
        """The outputs of a kind of job, with its wildcards, by their names."""
        return {name: f"{self.root(kind)}/{pattern}" for name, pattern in OUTPUTS.get(kind, {}).items()}

    def output(self, kind: str, name: str) -> str:
        """One of them."""
        return self.outputs(kind)[name]

    def log(self, kind: str) -> str:
        """The log of a kind of job, with its wildcards."""
        return log(self.root(kind), job_name(kind))


def job_name(kind: str) -> str:
    """How the jobs of a kind are called, with the wildcards; one that is alone is called as its kind."""
    return JOB_NAMES.get(kind, kind)


def log(root: str, job: str) -> str:
    """The log of a job, by which Snakemake names it too."""
    return f"{root}/{LOGS}/{job}.log"


def record(root: str, job: str) -> str:
    """The record of a job."""
    return f"{root}/{RECORDS}/{job}.json"
