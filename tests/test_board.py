"""TensorBoard's event files of made-up runs: all points, live and afterwards, and none twice."""

import builtins
import os
from pathlib import Path

import numpy as np
import pytest

from workflow_scripts import board
from workflow_scripts.runtime.job_lock import job_lock, lock_file
from workflow_scripts.study.job import Job
from workflow_scripts.tables.files import write_arrays
from workflow_scripts.watching.run_curves import run_curves

RESULTS = "results/made_up"
RUN = "cells/searches/s4_digits/darts/seed-1"
PLACE = f"{RESULTS}/{RUN}"
SEARCH = Job(
    "cell_search/a",
    "cell_search",
    {},
    {},
    {"history": [f"{PLACE}/history.csv"], "curvature": [f"{PLACE}/curvature.npz"]},
    RESULTS,
)
DEPTH = Job(
    "depth_search/g",
    "depth_search",
    {"runs": {"one": {"training": {"epochs": 100}}, "two": {"training": {"epochs": 50}}}},
    {},
    {"folder": [f"{RESULTS}/depth/g"]},
    RESULTS,
)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def written(path, text):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def finish():
    written(f"{PLACE}/history.csv", "epoch,train_loss,genotype\n0,0.5004,Genotype(a)\n1,0.25,\n2,0.2,\n")
    write_arrays(Path(f"{PLACE}/curvature.npz"), {"epoch": np.array([2]), "dominant_eigenvalue": np.array([0.75])})


def log(*lines):
    written(SEARCH.log, "".join(f"{line}\n" for line in lines))


def running(job):
    return job_lock(lock_file(Path(RESULTS), job.name), print)


def read(tag="train_loss"):
    """What TensorBoard reads of the search, anew: (epoch, number) of a tag."""
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    accumulator = accumulators.EventAccumulator(f"board/{RUN}")
    return points(accumulator, tag)


def points(accumulator, tag="train_loss"):
    accumulator.Reload()
    if tag not in accumulator.Tags()["scalars"]:
        return []
    return [(event.step, round(event.value, 6)) for event in accumulator.Scalars(tag)]


def test_a_finished_run_is_written_once():
    pytest.importorskip("tensorboard")
    files = event_files()
    finish()
    assert [files.write(run) for run in run_curves(SEARCH)] == [True]
    assert read() == [(0, 0.5004), (1, 0.25), (2, 0.2)]
    assert read("dominant_eigenvalue") == [(2, 0.75)]
    assert [event_files().write(run) for run in run_curves(SEARCH)] == [False], "started again"
    assert len(list(Path("board").rglob("*tfevents*"))) == 1
    os.utime(f"{PLACE}/history.csv", ns=(1, Path(f"{PLACE}/history.csv").stat().st_mtime_ns + 5))
    assert [event_files().write(run) for run in run_curves(SEARCH)] == [True], "made again"
    assert len(read()) == 3


def event_files():
    from workflow_scripts.watching.event_files import EventFiles

    return EventFiles(Path("board"))


def test_a_run_is_followed_as_it_goes_on_goes_back_and_ends():
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    follower = accumulators.EventAccumulator(f"board/{RUN}")
    files = event_files()

    def look(files=files):
        return sum(files.write(run) for run in run_curves(SEARCH))

    with running(SEARCH):
        assert look() == 0, "it has said nothing yet"
        log("1/4  train loss 0.500, validation error 40.0 %, eigenvalue 0.125", "2/4  train loss 0.400  3s left")
        assert (look(), look()) == (1, 0)
        assert points(follower) == read() == [(0, 0.5), (1, 0.4)]
        assert read("valid_error_percent") == [(0, 40.0)]
        log("1/4  train loss 0.500", "2/4  train loss 0.400", "3/4  train loss 0.300")
        look()
        assert points(follower) == read() == [(0, 0.5), (1, 0.4), (2, 0.3)]
        log("1/4  train loss 0.500", "2/4  train loss 0.400", "3/4  train loss 0.300", "2/4  train loss 0.450")
        look()
        assert points(follower) == read() == [(0, 0.5), (1, 0.45)]
        look(event_files())  # started again
        assert points(follower) == read() == [(0, 0.5), (1, 0.45)]
    finish()
    look()
    assert points(follower) == read() == [(0, 0.5004), (1, 0.25), (2, 0.2)]


def test_the_runs_of_a_depth_search_have_their_own_epochs():
    written(
        DEPTH.log, "96/150  one  ELBO -3.0  9s left\n100/150  one  finished after 97 epochs\n104/150  two  ELBO -5.5\n"
    )
    with running(DEPTH):
        found = {run.name: run.points for run in run_curves(DEPTH)}
    assert found == {"depth/g/one": [(95, {"elbo": -3.0})], "depth/g/two": [(3, {"elbo": -5.5})]}
    written(f"{RESULTS}/depth/g/one/history.csv", "epoch,elbo,held_out_error_percent\n0,-4.5,\n")
    [run] = run_curves(DEPTH)
    assert (run.name, run.points) == ("depth/g/one", [(0, {"elbo": -4.5})])


def test_a_damaged_history_is_a_sentence():
    written(f"{PLACE}/history.csv", "epoch,train_loss\nx,1\n")
    [run] = run_curves(SEARCH)
    with pytest.raises(ValueError, match=r"history\.csv: this is not a readable history"):
        _ = run.points


def test_the_command_looks_once_and_says_what_is_missing(capsys, monkeypatch):
    demo = str(Path(__file__).parents[1] / "config/demo.yaml")
    pytest.importorskip("tensorboard")
    assert board.main([demo, "--once"]) == 0
    assert capsys.readouterr().out == "board/demo: to see it, type .venv/bin/tensorboard --logdir board/demo\n"
    load = builtins.__import__

    def without(name, *arguments):
        if name.endswith("event_files"):
            raise ModuleNotFoundError("No module named 'tensorboard'", name="tensorboard")
        return load(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", without)
    assert board.main([demo, "--once"]) == 1
    assert capsys.readouterr().err == (
        "tensorboard is not installed; `make board` installs what it needs (envs/extras.txt)\n"
    )
