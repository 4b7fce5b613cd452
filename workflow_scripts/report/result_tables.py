"""The tables that lead a report: test errors, published values next to ours, what was selected, searches, depths."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from workflow_scripts.report import number_formats
from workflow_scripts.tables.architectures import Architecture
from workflow_scripts.tables.cell_tables import COMPARISON, EVALUATIONS, SEARCHES, TRAINED
from workflow_scripts.tables.depth_tables import DEPTH_RUNS
from workflow_scripts.tables.display_names import (
    DEGENERATE,
    GENOTYPES,
    PUBLISHED_LOGS,
    SELECTING,
    listed,
    method_name,
    method_order,
)
from workflow_scripts.tables.genotype import parse_genotype

_SEARCHES = {"darts": "DARTS", "darts_ada": "DARTS-ADA", "random_ws": "RS-ws", **PUBLISHED_LOGS}
DEPTH_SETTINGS = {
    "data_set": "data set",
    "width": "width",
    "train_points": "training points",
    "noise": "noise",
    "stop_angle_degrees": "stop angle (°)",
}
_DEPTH_RESULTS = {
    "expected_depth": ("E[d]", 1),
    "d_opt": ("d_opt", 1),
    "d_opt_optimal_q": ("d_opt of q*", 1),
    "test_error_full_percent": ("test error (%)", 2),
    "test_error_d_opt_percent": ("error at d_opt (%)", 2),
    "test_log_likelihood_full": ("test log-likelihood (nats)", 3),
}
"""Column: its heading and the digits after the point."""


def results(tables: dict[str, pd.DataFrame], architectures: list[Architecture]) -> list[dict[str, Any]]:
    """The tables that lead the page, those without rows too."""
    return [
        _test_results(tables),
        _comparison(tables),
        _selected(architectures),
        _search_results(tables),
        _depth_results(tables),
    ]


def _test_results(tables: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """Test error by space, data set, setting and method: mean and standard deviation over trainings."""
    rows = []
    evaluated = tables.get("evaluations", EVALUATIONS.frame([]))
    evaluated = evaluated[evaluated["outcome"].isin(TRAINED)]
    # What R-DARTS selected is of several settings, so its trainings are one row.
    chosen = evaluated["method"].isin(SELECTING)
    settings = evaluated[["l2", "drop_path"]].astype(object).where(~chosen, "selected")
    evaluated = evaluated.assign(
        l2_shown=settings["l2"].map(number_formats.cell),
        drop_path_shown=settings["drop_path"].map(number_formats.cell),
        # An architecture that was given as text has a name instead of a method.
        method_shown=evaluated["run"].where(evaluated["method"] == GENOTYPES, evaluated["method"].map(method_name)),
    )
    keys = ["space", "data_set", "l2_shown", "drop_path_shown", "method", "method_shown"]
    for values, trainings in sorted(evaluated.groupby(keys), key=lambda group: _order(group[0])):
        space, data_set, l2, drop_path, _, shown = values
        cells = [parse_genotype(text) for text in trainings.drop_duplicates("run")["genotype"].dropna()]
        counts = [number_formats.mean_count([cell.count(operation) for cell in cells]) for operation in DEGENERATE]
        error, counted = _counted(trainings)
        seeds = str(trainings["seed"].nunique() or number_formats.DASH)
        setting = [*number_formats.group(space, data_set), l2, drop_path, shown]
        rows.append([*setting, error, *counts, seeds, counted])
    names = "space,data set,L2,drop path,method,test error (%),noise ops,skip ops,search seeds,trainings"
    note = (
        "Test error at the last epoch of a training from scratch, mean ± standard deviation over all trainings of the "
        "setting. Noise and skip ops: mean number in the normal cell. Same as: the architecture is the one that this "
        "method or search took, so the training is the same one, and it is counted there."
    )
    return {"title": "Test error of the architectures found", "columns": names.split(","), "rows": rows, "note": note}


def _counted(trainings: pd.DataFrame) -> tuple[str, str]:
    """The test error and the number of the trainings of a row, or whose they are; none is counted in two rows."""
    own = trainings[trainings["same_as"].isna()]
    method = trainings["method"].iloc[0]
    others = [each.partition("/")[0] for each in trainings["same_as"].dropna()]
    same = f"same as {listed(method_name(each) for each in sorted(set(others), key=method_order))}"
    if own.empty and method not in others:
        return same, number_formats.DASH
    error = number_formats.spread(trainings["test_error_percent"], 1)
    return error, number_formats.finished(own) + (f", {len(others)} {same}" if len(others) else "")


def _order(values: Sequence[str]) -> tuple:
    """The order of the test results: settings by their numbers, what has none last, methods as the paper has."""
    space, data_set, l2, drop_path, method, shown = values
    numbers = [
        float("inf") if value in ("selected", number_formats.DASH) else float(value) for value in (l2, drop_path)
    ]
    return (data_set, space, *numbers, *method_order(method), shown)


def _comparison(tables: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """Ours next to the published values, where there is one; methods that neither has are left out."""
    table = tables.get("comparison", COMPARISON.frame([]))
    known = table[["ours_mean_percent", "published_a_mean_percent", "published_b_percent"]].notna()
    none = "none confirmed"
    rows = []
    for row in table[known.any(axis=1)].to_dict("records"):
        ours = number_formats.mean_and_std(row["ours_mean_percent"], row["ours_deviation_percent"], "no result")
        table_a = number_formats.mean_and_std(
            row["published_a_mean_percent"], row["published_a_deviation_percent"], none
        )
        table_b = number_formats.mean_and_std(row["published_b_percent"], None, none)
        method = method_name(row["method"])
        names = [*number_formats.group(row["space"], row["data_set"]), method]
        rows.append([*names, ours, str(row["ours_searches"]), table_a, table_b, row["sources"]])
    columns = "space,data set,method,ours (%),our searches,Table A (%),Table B (%),source of the published values"
    note = (
        "Test errors. Ours: mean ± standard deviation over searches at the paper’s default setting (L2 3e-4, drop path "
        "0; for R-DARTS what it selected), at the scale of this study’s settings. Table A: mean ± standard deviation "
        "of searches. Table B: one selected architecture an entry, from other runs than Table A."
    )
    published = table[["published_a_mean_percent", "published_b_percent"]].notna().any(axis=None)
    title, shown = "Ours and the published values", rows if published else []
    return {"title": title, "columns": columns.split(","), "rows": shown, "note": note}


def _selected(architectures: list[Architecture]) -> dict[str, Any]:
    """What R-DARTS selected, seed by seed."""
    rows = [
        [
            *number_formats.group(each["space"], each["data_set"]),
            method_name(each["method"]),
            str(each["seed"]),
            *(
                ("nothing", number_formats.DASH, number_formats.DASH)
                if each["genotype_text"] is None
                else _chosen(each)
            ),
        ]
        for each in architectures
        if each["method"] in SELECTING
    ]
    columns = "space,data set,method,seed,L2 selected,drop path selected,selection error (%)"
    note = (
        "Of the architectures of one seed, the one with the lowest error on the images that trained the alphas, after "
        "a brief training on the others. No test image is looked at."
    )
    return {"title": "What R-DARTS selected", "columns": columns.split(","), "rows": rows, "note": note}


def _chosen(architecture: Architecture) -> tuple[str, str, str]:
    error = architecture["selection_error_percent"]
    error_shown = number_formats.DASH if error is None else f"{error:.2f}"
    return number_formats.number(architecture["l2"]), number_formats.number(architecture["drop_path"]), error_shown


def _search_results(tables: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """What the searches of each setting did: eigenvalue, supernet error, and whether the rule fired."""
    rows = []
    keys = ["space", "data_set", "search", "l2", "drop_path"]
    for values, searches in tables.get("searches", SEARCHES.frame([])).groupby(keys, sort=True):
        space, data_set, search, l2, drop_path = values
        fired = searches[searches["stopped"].fillna(False)]
        epochs = ", ".join(str(epoch) for epoch in sorted(fired["stop_epoch"].dropna())) or number_formats.DASH
        whole = searches[searches["outcome"] != "diverged"]
        eigenvalue, error = whole["final_dominant_eigenvalue"], whole["valid_error_percent"]
        measured = int(searches["final_dominant_eigenvalue"].notna().sum())
        stops = [f"{len(fired)} of {measured}", epochs] if measured else [number_formats.DASH, number_formats.DASH]
        setting = [
            *number_formats.group(space, data_set),
            _SEARCHES.get(search, search),
            number_formats.number(l2),
            number_formats.number(drop_path),
        ]
        rows.append(
            [
                *setting,
                number_formats.spread(eigenvalue, 3),
                number_formats.spread(error, 1),
                *stops,
                number_formats.finished(searches),
            ]
        )
    names = "space,data set,search,L2,drop path,last eigenvalue,validation error (%),rule fired,stop epochs,searches"
    note = (
        "Mean ± standard deviation over the searches of a setting: dominant eigenvalue at the last epoch measured, "
        "supernet error on the validation images after the last epoch. The rule is the early stopping of DARTS-ES; it "
        "is read off the searches whose curvature was measured."
    )
    return {"title": "The searches", "columns": names.split(","), "rows": rows, "note": note}


def _depth_results(tables: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """Chosen depth and test error by experiment and setting: mean and standard deviation over runs."""
    runs = tables.get("depth_runs", DEPTH_RUNS.frame([]))
    varied = {name: title for name, title in DEPTH_SETTINGS.items() if runs[name].nunique() > 1}
    rows = []
    for values, members in runs.groupby(["experiment", "model", "max_depth", *varied], sort=True):
        experiment, model, *setting = values
        rows.append(
            [
                *(str(experiment).replace("_", " "), str(model).upper(), *map(number_formats.cell, setting)),
                *(number_formats.spread(members[name], digits) for name, (_, digits) in _DEPTH_RESULTS.items()),
                number_formats.finished(members),
            ]
        )
    titles = [title for title, _ in _DEPTH_RESULTS.values()]
    fixed = {name: title for name, title in DEPTH_SETTINGS.items() if name not in varied}
    same = [f"{title} {number_formats.cell(value)}" for name, title in fixed.items() for value in runs[name].unique()]
    note = (
        "Mean ± standard deviation over runs that differ in their seeds. LDN: depth is learnt. DDN: depth is D. "
        "q* is the optimal posterior for the final weights."
        + (f" The same in all rows: {', '.join(same)}." if same else "")
    )
    columns = ["experiment", "model", "D", *varied.values(), *titles, "runs"]
    return {"title": "Depth chosen and test error", "columns": columns, "rows": rows, "note": note}
