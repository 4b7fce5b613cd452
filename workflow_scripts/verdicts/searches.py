"""What claims on the cell search compare: searches and trainings that differ in one thing, paired by their seeds."""

from collections.abc import Iterator

import pandas as pd

from workflow_scripts.tables.display_names import SELECTING, data_set_name, method_name
from workflow_scripts.tables.genotype import parse_genotype
from workflow_scripts.verdicts.evidence import Evidence, mean

ROBUST_METHODS = ("darts_ada", "r_darts_l2", "r_darts_dp")
ONE_CLASS = 1.0e-3
"""The dominant eigenvalue of a network that answers one class whatever the image: the alphas' weight decay alone."""


def cases(frame: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """The rows of each space and data set, with the words for it."""
    for (space, data_set), rows in frame.groupby(["space", "data_set"], sort=True):
        yield f"{str(space).upper()}, {data_set_name(str(data_set))}", rows


def darts(searches: pd.DataFrame) -> pd.DataFrame:
    """The finished searches of plain DARTS, ours or published, whose network answers more than one class."""
    kept = searches["search"].isin(["darts", "published"]) & (searches["outcome"] == "finished")
    one_class = (searches["final_dominant_eigenvalue"] - ONE_CLASS).abs() < 1e-6
    return searches[kept & ~one_class.fillna(False)]


def normal_count(genotypes: pd.Series, operations: tuple[str, ...]) -> pd.Series:
    """How many of the normal cell's operations are of these."""
    return genotypes.map(lambda text: sum(parse_genotype(text).count(name) for name in operations)).astype(float)


def normal_size(genotypes: pd.Series) -> pd.Series:
    """How many operations the normal cell has."""
    return genotypes.map(lambda text: len(parse_genotype(text).normal)).astype(float)


def by_seed(rows: pd.DataFrame, column: str) -> pd.Series:
    """A quantity by the seed of the search: its mean over the rows of a seed."""
    return rows.dropna(subset=[column]).groupby("seed")[column].mean().astype(float)


def paired(one: pd.Series, other: pd.Series) -> pd.Series:
    """One less the other, for the seeds that both have."""
    return (one - other).dropna()


def weakest(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows at the weakest L2 and the least drop path."""
    least = rows[rows["drop_path"] == rows["drop_path"].min()]
    return least[least["l2"] == least["l2"].min()]


def takes_over(searches: pd.DataFrame, operation: str) -> list[Evidence]:
    """An operation fills the normal cell under the weakest L2, and is rarer under the strongest; without drop path.

    Two comparisons for each space, data set: at least half of the cell's operations; more than under the strongest L2.
    """
    found = []
    for name, rows in cases(darts(searches)):
        rows = rows[rows["drop_path"] == rows["drop_path"].min()]
        rows = rows.assign(count=normal_count(rows["genotype"], (operation,)), size=normal_size(rows["genotype"]))
        weak, strong = rows[rows["l2"] == rows["l2"].min()], rows[rows["l2"] == rows["l2"].max()]
        if weak["l2"].min() == strong["l2"].max():
            continue
        l2 = f"L2 {weak['l2'].min():g}"
        half = float(weak["size"].min()) / 2
        words = f"{name}: {operation} in the normal cell"
        found.append(mean(f"{words}, {l2}", "search", by_seed(weak, "count"), least=half, step=1))
        difference = paired(by_seed(weak, "count"), by_seed(strong, "count"))
        against = f"{words}, {l2} less L2 {strong['l2'].max():g}"
        found.append(mean(against, "pair of searches with one seed", difference, least=0, step=1))
    return found


def test_errors(evaluations: pd.DataFrame) -> pd.DataFrame:
    """A row per architecture: space, data set, method, L2, drop path, seed of its search, and `error`.

    The error is the mean over its finished trainings, in percent.
    """
    keys = ["space", "data_set", "search", "method", "run", "l2", "drop_path", "seed"]
    finished = evaluations.dropna(subset=["test_error_percent"])
    means = finished.groupby(keys)["test_error_percent"].mean()
    return means.rename("error").reset_index()


def of_method(errors: pd.DataFrame, method: str) -> pd.Series:
    """The error by seed of a method at the settings where methods are compared.

    These are the weakest L2 and the least drop path; R-DARTS has chosen its own.
    """
    rows = errors[errors["method"] == method]
    return by_seed(rows if method in SELECTING else weakest(rows), "error")


def above_robust_methods(evaluations: pd.DataFrame, method: str) -> list[Evidence]:
    """The test error of a method less that of each robust one, by space and data set, paired by the search's seed."""
    found = []
    for name, rows in cases(test_errors(evaluations)):
        for robust in ROBUST_METHODS:
            what = f"{name}: test error of {method_name(method)} less that of {method_name(robust)}, points"
            difference = paired(of_method(rows, method), of_method(rows, robust))
            found.append(mean(what, "pair of searches with one seed", difference, least=0))
    return found
