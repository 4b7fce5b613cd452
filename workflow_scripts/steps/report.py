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
from workflow_scripts.tables.catalogue import TABLES
from workflow_scripts.tables.cells import EVALUATIONS, SEARCHES
from workflow_scripts.tables.depth import DEPTH_RUNS
from workflow_scripts.tables.files import read_json
from workflow_scripts.tables.genotype import parse_genotype
from workflow_scripts.tables.schema import Table

_FIRST_ROWS = 8
_READABLE_SCALE, _LARGEST_SCALE = 0.34, 0.64
"""Pixels on the page per pixel of a picture: narrower screens scroll it, wider ones do not blow it up."""
_METHODS = {"darts": "DARTS", "darts_es": "DARTS-ES"}
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

    Links are relative to the study's folder: figures/, tables/, architectures.yaml, records/. Raises ValueError when
    settings["figures"] names a figure without a description or a picture.
    """
    paths = {path.stem: path for path in inputs["tables"]}
    tables = {name: table.read(paths[name]) for name, table in TABLES.items() if name in paths}
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
        results=[
            result for make in (_test_results, _search_results, _depth_results) if (result := make(tables))["rows"]
        ],
        has_cells="searches" in tables,
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
    absent = [name for name in names if name not in described or name not in pictures]
    if absent:
        raise ValueError(f"the report lacks the description or the picture of {', '.join(absent)}")
    figures = []
    for name in names:
        # A PNG begins with 16 bytes of signature and header start, then its width and height in pixels.
        width, height = struct.unpack(">II", pictures[name][16:24])
        uri = "data:image/png;base64," + base64.b64encode(pictures[name]).decode()
        figures.append(
            {
                **described[name],
                "uri": uri,
                "width": width,
                "height": height,
                "smallest_width": round(width * _READABLE_SCALE),
                "largest_width": round(width * _LARGEST_SCALE),
            }
        )
    return figures


def _test_results(tables: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """Test error by space, data set, setting and method: mean and standard deviation over trainings."""
    rows = []
    keys = ["space", "data_set", "l2", "drop_path", "method"]
    evaluated = tables.get("evaluations", EVALUATIONS.frame([]))
    for values, trainings in evaluated[evaluated["outcome"] != "search diverged"].groupby(keys, sort=True):
        *setting, method = values
        cells = [parse_genotype(text) for text in trainings.drop_duplicates("run")["genotype"].dropna()]
        counts = [_mean([cell.count(operation) for cell in cells]) for operation in ("noise", "skip_connect")]
        error = _spread(trainings["test_error_percent"], 1)
        seeds = str(trainings["seed"].nunique())
        rows.append([*_setting(setting), _METHODS.get(method, method), error, *counts, seeds, _finished(trainings)])
    names = "space,data set,L2,drop path,method,test error (%),noise ops,skip ops,search seeds,trainings"
    note = (
        "Test error at the last epoch of a training from scratch, mean ± standard deviation over all trainings of the "
        "setting. Noise and skip ops: mean number in the normal cell."
    )
    return {"title": "Test error of the architectures found", "columns": names.split(","), "rows": rows, "note": note}


def _search_results(tables: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """What the searches of each setting did: eigenvalue, supernet error, and whether the rule fired."""
    rows = []
    keys = ["space", "data_set", "l2", "drop_path"]
    for setting, searches in tables.get("searches", SEARCHES.frame([])).groupby(keys, sort=True):
        fired = searches[searches["stopped"].fillna(False)]
        epochs = ", ".join(str(epoch) for epoch in sorted(fired["stop_epoch"].dropna())) or _DASH
        eigenvalue, error = searches["final_dominant_eigenvalue"], searches["valid_error_percent"]
        numbers = [_spread(eigenvalue, 3), _spread(error, 1), f"{len(fired)} of {len(searches)}", epochs]
        rows.append([*_setting(setting), *numbers, _finished(searches)])
    names = "space,data set,L2,drop path,last eigenvalue,validation error (%),rule fired,stop epochs,searches"
    note = (
        "Mean ± standard deviation over the searches of a setting: dominant eigenvalue at the last epoch measured, "
        "supernet error on the validation images after the last epoch. The rule is the early stopping of DARTS-ES."
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


def _setting(values: Sequence[Any]) -> list[str]:
    space, data_set, l2, drop_path = values
    return [str(space).upper(), str(data_set), _number(l2), _number(drop_path)]


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
