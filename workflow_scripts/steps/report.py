"""Step: the report page of a study, one HTML file that needs nothing else to be read.

Numbers on the page are rounded for reading; the linked CSV files hold them in full.
"""

import base64
import hashlib
import statistics
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
import yaml

from workflow_scripts.runtime.progress import Progress
from workflow_scripts.tables.architectures import Architecture, read_architectures
from workflow_scripts.tables.catalogue import TABLES
from workflow_scripts.tables.cells import COMPARISON, EVALUATIONS, SEARCHES
from workflow_scripts.tables.depth import DEPTH_RUNS
from workflow_scripts.tables.files import read_json
from workflow_scripts.tables.genotype import parse_genotype
from workflow_scripts.tables.names import DATA_SET_NAMES, METHOD_NAMES
from workflow_scripts.tables.schema import Table

_FIRST_ROWS = 8
_READABLE_SCALE, _LARGEST_SCALE = 0.34, 0.64
"""Pixels on the page per pixel of a picture: narrower screens scroll it, wider ones do not blow it up."""
_PNG_PIXELS_PER_GIF_PIXEL = 200 / 130
"""By their dots per inch, so that a figure and its animation are equally wide."""
_SEARCHES = {"darts": "DARTS", "darts_ada": "DARTS-ADA", "random_ws": "RS-ws", "published": "DARTS, published log"}
_SELECTED = ("r_darts_dp", "r_darts_l2")
_DASH = "–"
_DEPTH_SETTINGS = {
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


def run(
    settings: dict[str, Any], inputs: dict[str, list[Path]], outputs: dict[str, list[Path]], progress: Progress
) -> None:
    """Write outputs["report"] from the figures' descriptions and pictures, the tables and the study's settings.

    Animations are the input `gif`, where there are any. Links are relative to the study's folder: figures/, tables/,
    architectures.yaml, records/. Raises ValueError when settings["figures"] names a figure without a description or a
    picture.
    """
    paths = {path.stem: path for path in inputs["tables"]}
    tables = {name: table.read(paths[name]) for name, table in TABLES.items() if name in paths}
    architectures = [each for path in inputs.get("architectures", []) for each in read_architectures(path)]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("report.html.j2").render(
        study=settings["study"],
        title=settings["title"],
        description=settings["description"],
        settings=yaml.safe_dump(settings["settings"], sort_keys=True, allow_unicode=True),
        commands=settings["commands"],
        figures=_figures(settings["figures"], inputs),
        results=[result for result in _results(tables, architectures) if result["rows"]],
        cells=_cell_parts(tables),
        has_depth="depth_runs" in tables,
        tables=[_extract(TABLES[name], frame, paths[name]) for name, frame in tables.items()],
        architectures=[path.name for path in inputs.get("architectures", [])],
    )
    outputs["report"][0].parent.mkdir(parents=True, exist_ok=True)
    outputs["report"][0].write_text(page, encoding="utf-8")
    progress.say(f"report of {len(settings['figures'])} figures and {len(tables)} tables")


def _figures(names: list[str], inputs: dict[str, list[Path]]) -> list[dict[str, Any]]:
    """The figures in report order, each with its picture as a data URI."""
    described = {each["name"]: each for each in map(read_json, inputs["description"])}
    pictures = {path.stem: path.read_bytes() for path in inputs["png"]}
    animations = {path.stem: path.read_bytes() for path in inputs.get("gif", [])}
    absent = [name for name in names if name not in described or name not in pictures]
    if absent:
        raise ValueError(f"the report lacks the description or the picture of {', '.join(absent)}")
    figures = []
    for name in names:
        # A PNG begins with 16 bytes of signature and header start, then its width and height in pixels; a GIF with 6
        # bytes of signature, then the same two in another byte order.
        picture = _picture("png", pictures[name], struct.unpack(">II", pictures[name][16:24]))
        animation = None
        if name in animations:
            animation = _picture("gif", animations[name], struct.unpack("<HH", animations[name][6:10]))
        figures.append({**described[name], "picture": picture, "animation": animation})
    return figures


def _picture(kind: str, content: bytes, size: tuple[int, ...]) -> dict[str, Any]:
    """A picture as a data URI, and how wide the page shows it."""
    width, height = size
    pixel = 1.0 if kind == "png" else _PNG_PIXELS_PER_GIF_PIXEL
    return {
        "uri": f"data:image/{kind};base64,{base64.b64encode(content).decode()}",
        "width": width,
        "height": height,
        "smallest_width": round(width * pixel * _READABLE_SCALE),
        "largest_width": round(width * pixel * _LARGEST_SCALE),
    }


def _cell_parts(tables: dict[str, pd.DataFrame]) -> set[str]:
    """What the page's account of the cell search tells: the searches that were run, and the methods evaluated."""
    parts: set[str] = set()
    if "searches" in tables:
        parts |= {"cells", *tables["searches"]["search"].dropna()}
    if "evaluations" in tables:
        parts |= {"evaluations", *tables["evaluations"]["method"].dropna()}
    return parts


def _results(tables: dict[str, pd.DataFrame], architectures: list[Architecture]) -> list[dict[str, Any]]:
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
    evaluated = evaluated[evaluated["outcome"] != "search diverged"]
    # What R-DARTS selected is of several settings, so its trainings are told together.
    chosen = evaluated["method"].isin(_SELECTED)
    settings = evaluated[["l2", "drop_path"]].astype(object).where(~chosen, "selected")
    evaluated = evaluated.assign(l2_told=settings["l2"].map(_cell), drop_path_told=settings["drop_path"].map(_cell))
    keys = ["space", "data_set", "l2_told", "drop_path_told", "method"]
    for values, trainings in sorted(evaluated.groupby(keys), key=lambda group: _order(group[0])):
        space, data_set, l2, drop_path, method = values
        cells = [parse_genotype(text) for text in trainings.drop_duplicates("run")["genotype"].dropna()]
        counts = [_mean([cell.count(operation) for cell in cells]) for operation in ("noise", "skip_connect")]
        error = _spread(trainings["test_error_percent"], 1)
        seeds = str(trainings["seed"].nunique())
        setting = [*_group(space, data_set), l2, drop_path, METHOD_NAMES.get(method, method)]
        rows.append([*setting, error, *counts, seeds, _finished(trainings)])
    names = "space,data set,L2,drop path,method,test error (%),noise ops,skip ops,search seeds,trainings"
    note = (
        "Test error at the last epoch of a training from scratch, mean ± standard deviation over all trainings of the "
        "setting. Noise and skip ops: mean number in the normal cell."
    )
    return {"title": "Test error of the architectures found", "columns": names.split(","), "rows": rows, "note": note}


def _order(values: Sequence[str]) -> tuple:
    """The order of the test results: settings by their numbers, what was selected last, methods as the paper has."""
    space, data_set, l2, drop_path, method = values
    numbers = [float("inf") if told == "selected" else float(told) for told in (l2, drop_path)]
    methods = list(METHOD_NAMES)
    return (data_set, space, *numbers, methods.index(method) if method in methods else len(methods))


def _comparison(tables: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """Ours beside the published values; methods that neither has are left out."""
    table = tables.get("comparison", COMPARISON.frame([]))
    known = table[["ours_mean_percent", "published_a_mean_percent", "published_b_percent"]].notna()
    none = "none confirmed"
    rows = []
    for row in table[known.any(axis=1)].to_dict("records"):
        ours = _with_deviation(row["ours_mean_percent"], row["ours_deviation_percent"], "no result")
        table_a = _with_deviation(row["published_a_mean_percent"], row["published_a_deviation_percent"], none)
        table_b = _with_deviation(row["published_b_percent"], None, none)
        method = METHOD_NAMES.get(row["method"], row["method"])
        names = [*_group(row["space"], row["data_set"]), method]
        rows.append([*names, ours, str(row["ours_searches"]), table_a, table_b, row["sources"]])
    columns = "space,data set,method,ours (%),our searches,Table A (%),Table B (%),source of the published values"
    note = (
        "Test errors. Ours: mean ± standard deviation over searches at the paper’s default setting (L2 3e-4, drop path "
        "0; for R-DARTS what it selected), at the scale of this study’s settings. Table A: mean ± standard deviation "
        "of searches. Table B: one selected architecture an entry, from other runs than Table A."
    )
    return {"title": "Beside the published values", "columns": columns.split(","), "rows": rows, "note": note}


def _selected(architectures: list[Architecture]) -> dict[str, Any]:
    """What R-DARTS selected, seed by seed."""
    rows = [
        [
            *_group(each["space"], each["data_set"]),
            METHOD_NAMES.get(each["method"], each["method"]),
            str(each["seed"]),
            *(("nothing", _DASH, _DASH) if each["genotype_text"] is None else _chosen(each)),
        ]
        for each in architectures
        if each["method"] in _SELECTED
    ]
    columns = "space,data set,method,seed,L2 selected,drop path selected,selection error (%)"
    note = (
        "Of the architectures of one seed, the one with the lowest error on the images that trained the alphas, after "
        "a brief training on the others. No test image is looked at."
    )
    return {"title": "What R-DARTS selected", "columns": columns.split(","), "rows": rows, "note": note}


def _chosen(architecture: Architecture) -> tuple[str, str, str]:
    error = architecture["selection_error_percent"]
    told = _DASH if error is None else f"{error:.2f}"
    return _number(architecture["l2"]), _number(architecture["drop_path"]), told


def _search_results(tables: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """What the searches of each setting did: eigenvalue, supernet error, and whether the rule fired."""
    rows = []
    keys = ["space", "data_set", "search", "l2", "drop_path"]
    for values, searches in tables.get("searches", SEARCHES.frame([])).groupby(keys, sort=True):
        space, data_set, search, l2, drop_path = values
        fired = searches[searches["stopped"].fillna(False)]
        epochs = ", ".join(str(epoch) for epoch in sorted(fired["stop_epoch"].dropna())) or _DASH
        eigenvalue, error = searches["final_dominant_eigenvalue"], searches["valid_error_percent"]
        measured = int(eigenvalue.notna().sum())
        stops = [f"{len(fired)} of {measured}", epochs] if measured else [_DASH, _DASH]
        setting = [*_group(space, data_set), _SEARCHES.get(search, search), _number(l2), _number(drop_path)]
        rows.append([*setting, _spread(eigenvalue, 3), _spread(error, 1), *stops, _finished(searches)])
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
    varied = {name: title for name, title in _DEPTH_SETTINGS.items() if runs[name].nunique() > 1}
    rows = []
    for values, members in runs.groupby(["experiment", "model", "max_depth", *varied], sort=True):
        experiment, model, *setting = values
        rows.append(
            [
                *(str(experiment).replace("_", " "), str(model).upper(), *map(_cell, setting)),
                *(_spread(members[name], digits) for name, (_, digits) in _DEPTH_RESULTS.items()),
                _finished(members),
            ]
        )
    titles = [title for title, _ in _DEPTH_RESULTS.values()]
    fixed = {name: title for name, title in _DEPTH_SETTINGS.items() if name not in varied}
    same = [f"{title} {_cell(value)}" for name, title in fixed.items() for value in runs[name].unique()]
    note = (
        "Mean ± standard deviation over runs that differ in their seeds. LDN: depth is learnt. DDN: depth is D. "
        "q* is the optimal posterior for the final weights."
        + (f" The same in all rows: {', '.join(same)}." if same else "")
    )
    columns = ["experiment", "model", "D", *varied.values(), *titles, "runs"]
    return {"title": "Depth chosen and test error", "columns": columns, "rows": rows, "note": note}


def _extract(table: Table, frame: pd.DataFrame, path: Path) -> dict[str, Any]:
    """A table's first rows for reading, its columns with their meaning; long texts stay in the file."""
    shown = [column for column in table.columns if column.name != "genotype"]
    rows = [[_cell(row[column.name]) for column in shown] for _, row in frame.head(_FIRST_ROWS).iterrows()]
    return {
        "name": table.name,
        "columns": [{"name": column.name, "meaning": column.meaning} for column in shown],
        "rows": rows,
        "length": len(frame),
        "hidden": [column.name for column in table.columns if column not in shown],
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }


def _cell(value: Any) -> str:
    if value is pd.NA or value is None:
        return _DASH
    return _number(value) if isinstance(value, float) else str(value)


def _number(value: Any) -> str:
    return f"{float(value):.4g}"


def _group(space: Any, data_set: Any) -> list[str]:
    return [str(space).upper(), DATA_SET_NAMES.get(data_set, str(data_set).replace("_", " "))]


def _with_deviation(mean: Any, deviation: Any, absent: str) -> str:
    if pd.isna(mean):
        return absent
    return f"{mean:.2f}" if pd.isna(deviation) else f"{mean:.2f} ± {deviation:.2f}"


def _mean(values: list[int]) -> str:
    return f"{sum(values) / len(values):.1f}".removesuffix(".0") if values else _DASH


def _spread(column: pd.Series, digits: int) -> str:
    """`20.1 ± 0.3`; without the deviation where all values are the same, a dash where there is none."""
    present = [float(value) for value in column.dropna()]
    if not present:
        return _DASH
    if len(set(present)) == 1:
        return f"{present[0]:.{digits}f}"
    return f"{statistics.mean(present):.{digits}f} ± {statistics.stdev(present):.{digits}f}"


def _finished(rows: pd.DataFrame) -> str:
    """`6`, or `6 (2 diverged)`."""
    diverged = int((rows["outcome"] == "diverged").sum())
    return f"{len(rows)} ({diverged} diverged)" if diverged else str(len(rows))
