"""What every run of a study measured epoch by epoch: from its history once it is there, from its log while it runs."""

import csv
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from pathlib import Path
from typing import Any

from workflow_scripts.runtime.job_lock import holder
from workflow_scripts.study.job import Job
from workflow_scripts.tables.files import damaged, read_arrays
from workflow_scripts.watching.job_log import Point, read_progress

IN_LOGS = {
    "cell_search": {
        "train loss": "train_loss",
        "validation error %": "valid_error_percent",
        "eigenvalue": "dominant_eigenvalue",
    },
    "random_search": {"train loss": "train_loss", "error %": "train_error_percent"},
    "evaluate_genotype": {"train error %": "train_error_percent", "held out %": "test_error_percent"},
    "depth_search": {"ELBO": "elbo"},
}
"""By step, what a number of a log is called in histories."""

Measured = tuple[int, dict[str, float]]
"""An epoch, from 0, and its numbers by name."""


@dataclass(frozen=True)
class RunCurves:
    """A run's numbers, from the files of its history and its curvature, or `live`, from the log of a job that runs."""

    name: str
    history: Path | None = None
    curvature: Path | None = None
    live: tuple[Measured, ...] = ()

    @cached_property
    def points(self) -> list[Measured]:
        """The numbers of every epoch, in order. Raises ValueError for a history that is not readable."""
        return list(self.live) if self.history is None else _measured(self.history, self.curvature)


def run_curves(job: Job, folder: Path = Path()) -> Iterator[RunCurves]:
    """The runs of a job, by where their results are in the results folder; paths are from `folder`.

    Of a job that runs these are the runs that its log tells of.
    """
    if holder(folder / job.root, job.name) is not None:
        yield from _running(job, folder)
        return
    for history, curvature in _files(job, folder):
        if history.is_file():
            name = history.parent.relative_to(folder / job.root).as_posix()
            yield RunCurves(name, history, curvature)


def _files(job: Job, folder: Path) -> Iterator[tuple[Path, Path | None]]:
    """The history of every run of a job, and its curvature where it has one."""
    if job.step == "depth_search":
        yield from ((history, None) for history in sorted((folder / job.writes[0]).glob("*/history.csv")))
    histories = job.outputs.get("history", [])
    curvatures = job.outputs.get("curvature", [])
    for history, curvature in zip_longest(histories, curvatures):
        yield folder / history, None if curvature is None else folder / curvature


def _measured(history: Path, curvature: Path | None) -> list[Measured]:
    """All numbers of a history, and the eigenvalues; genotypes are left out, and what was not measured."""
    points: dict[int, dict[str, float]] = {}
    with history.open(newline="") as file:
        try:
            for row in csv.DictReader(file):
                values = points.setdefault(int(row.pop("epoch")), {})
                for name, text in row.items():
                    with suppress(ValueError, TypeError):
                        values[name] = float(text)
        except (KeyError, ValueError, TypeError, csv.Error) as error:
            raise damaged(history, "history", error) from None
    if curvature is not None and curvature.is_file():
        arrays = read_arrays(curvature, "epoch", "dominant_eigenvalue")
        for epoch, value in zip(arrays["epoch"].tolist(), arrays["dominant_eigenvalue"].tolist(), strict=True):
            points.setdefault(epoch, {})["dominant_eigenvalue"] = value
    return sorted(points.items())


def _running(job: Job, folder: Path) -> Iterator[RunCurves]:
    progress, names = read_progress(folder / job.log), IN_LOGS.get(job.step)
    if progress is None or names is None:
        return
    if job.step == "depth_search":
        for run, first in _first_epochs(job.settings):
            yield _from_log(f"{_place(job)}/{run}", [p for p in progress.curve if p.part == run], names, first)
    else:
        yield _from_log(_place(job), list(progress.curve), names, 0)


def _place(job: Job) -> str:
    """Where a job's run has its results, in the results folder."""
    path = Path(job.writes[0])
    return (path if job.step == "depth_search" else path.parent).relative_to(job.root).as_posix()


def _from_log(name: str, curve: list[Point], names: Mapping[str, str], first: int) -> RunCurves:
    points = [
        (point.done - 1 - first, {names[known]: value for known, value in point.values.items() if known in names})
        for point in curve
    ]
    return RunCurves(name, live=tuple((epoch, values) for epoch, values in points if values))


def _first_epochs(settings: Any) -> Iterator[tuple[str, int]]:
    """Every run of a depth search, and how many epochs those before it have, as its log counts them."""
    first = 0
    for name, run in settings["runs"].items():
        yield name, first
        first += run["training"]["epochs"]
