"""Where each kind of file of a study is found: one pattern each, for the rules and for everybody else.

Paths are relative to the working folder. An argument that is left out stays a wildcard of the rules, as `{group}`.
"""

from dataclasses import dataclass

from workflow_scripts.runtime.folders import LOGS, RECORDS
from workflow_scripts.tables.display_names import GENOTYPES

DATA_ROOT = "data"
"""The folder of the data sets, which all studies share."""
PUBLISHED_VALUES = "config/published_values.csv"
"""The papers' own results, which come with the repository."""


@dataclass(frozen=True)
class Places:
    """The places of one study: its results folder, and the folder of its data sets."""

    results: str
    data_folder: str = DATA_ROOT

    def data(self, data_set: str = "{data_set}") -> str:
        """A data set in its prepared form."""
        return f"{self.data_folder}/{data_set}.npz"

    def search(self, file: str, group: str = "{group}", search: str = "{search}", run: str = "{run}") -> str:
        """A file of a search, or its folder where `file` is empty; `search` is its kind."""
        return f"{self.results}/cells/searches/{group}/{search}/{run}/{file}"

    def published_import(self, group: str = "{group}", search: str = "published") -> str:
        """What was read of the published searches of a group, and what was skipped."""
        return f"{self.results}/cells/searches/{group}/{search}/import.json"

    def architecture(self, group: str = "{group}", method: str = "{method}", run: str = "{run}") -> str:
        """The architecture that a method reads off a search."""
        return f"{self.results}/cells/architectures/{group}/{method}/{run}.yaml"

    def given_architecture(self, group: str = "{group}", run: str = "{run}") -> str:
        """An architecture that was given as text."""
        return self.architecture(group, GENOTYPES, run)

    def architectures(self, group: str = "{group}") -> str:
        """Those of a group, gathered."""
        return f"{self.results}/cells/architectures/{group}.yaml"

    def all_architectures(self) -> str:
        """Those of the study, gathered."""
        return f"{self.results}/architectures.yaml"

    def selection(self, file: str, group: str = "{group}", method: str = "{method}", run: str = "{run}") -> str:
        """A file of a selection (R-DARTS), or its folder."""
        return f"{self.results}/cells/selections/{group}/{method}/{run}/{file}"

    def training(
        self, file: str, group: str = "{group}", method: str = "{method}", run: str = "{run}", seed: str = "{seed}"
    ) -> str:
        """A file of a training from scratch, or its folder."""
        return f"{self.results}/cells/evaluations/{group}/{method}/{run}/seed-{seed}/{file}"

    def depth(self, group: str = "{group}") -> str:
        """The folder of a group of depth networks."""
        return f"{self.results}/depth/{group}"

    def group_table(self, table: str, group: str = "{group}") -> str:
        """A table of one group of searches."""
        return f"{self.results}/tables/{group}/{table}.csv"

    def table(self, table: str = "{table}") -> str:
        """A table of the study."""
        return f"{self.results}/tables/{table}.csv"

    def figure(self, end: str, figure: str = "{figure}") -> str:
        """A file of a figure; `end` follows its name."""
        return f"{self.results}/figures/{figure}.{end}"

    def run_picture(self, end: str, group: str = "{group}", run: str = "{run}") -> str:
        """The picture of one depth network, which is made on request."""
        return f"{self.results}/run_pictures/{group}/{run}.{end}"

    def claims(self) -> str:
        """The verdicts on the papers' claims."""
        return f"{self.results}/claims.json"

    def report(self) -> str:
        """The report."""
        return f"{self.results}/report.html"

    def log(self, kind: str) -> str:
        """The log of a kind of job, with the wildcards of its name."""
        return log(DATA_ROOT if kind == "fetch_data" else self.results, JOB_NAMES[kind])


JOB_NAMES = {
    "fetch_data": "{data_set}",
    "made_up_data": "made_up_data/{data_set}",
    "import_published_logs": "import_published_logs_{group}",
    "import_confopt_logs": "import_confopt_logs_{group}",
    "published_evaluations": "published_evaluations",
    "cell_search": "cell_search/{group}/{search}/{run}",
    "random_search": "random_search/{group}/{search}/{run}",
    "derive_architectures": "derive_architectures_{group}",
    "given_architecture": "given_architecture/{group}/{run}",
    "group_architectures": "group_architectures/{group}",
    "select_architecture": "select_architecture/{group}/{method}/{run}",
    "evaluate_genotype": "evaluate_genotype/{group}/{method}/{run}/seed-{seed}",
    "depth_search": "depth_search/{group}",
    "search_tables": "search_tables/{group}",
    "evaluation_table": "evaluation_table/{group}",
    "join_tables": "join_tables/{table}",
    "space_table": "space_table",
    "gather_architectures": "gather_architectures",
    "comparison_table": "comparison_table",
    "depth_tables": "depth_tables",
    "depth_speed": "depth_speed",
    "figure": "figure_{figure}",
    "depth_run_picture": "run_pictures/{group}/{run}",
    "claims": "claims",
    "report": "report",
}
"""By kind, which is the rule's name, how its jobs are called: where <root>/logs and <root>/records have their files."""


def log(root: str, job: str) -> str:
    """The log of a job, by which Snakemake names it too."""
    return f"{root}/{LOGS}/{job}.log"


def record(root: str, job: str) -> str:
    """The record of a job."""
    return f"{root}/{RECORDS}/{job}.json"
