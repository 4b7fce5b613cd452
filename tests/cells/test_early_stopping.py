"""The stop rule on series computed by hand, and on every published S1/CIFAR-10 search."""

import csv
import json
import re
import tarfile
from pathlib import Path

import numpy as np
import pytest

from workflow_scripts.cells.early_stopping import moving_averages, stop_epoch
from workflow_scripts.study.cell_settings import StopRule
from workflow_scripts.tables.genotype import parse_genotype

PUBLISHED = Path(__file__).parents[2].parent / "shared" / "published"
TABLE = PUBLISHED / "early_stopping_s1_cifar10.csv"
ARCHIVE = PUBLISHED / "robustdarts-logs-s1.tar.gz"
EPOCHS = [*range(0, 50, 2), 49]  # 26 measurements of a run of 50 epochs
JOB = re.compile(
    r".*/search_logs/s1/cifar10/(?P<dp>[\d.]+)_(?P<l2>[\d.]+)-\d+/(?P<kind>derivatives|log)_(?P<seed>\d)\."
)


def stop(values, epochs=EPOCHS, **changes):
    return stop_epoch(epochs[: len(values)], values, StopRule(**changes), last_epoch=49)


def test_moving_averages_by_hand():
    averages = moving_averages([0, 2, 4, 6, 8, 10, 11], [1.0, 2, 3, 4, 5, 6, 13], window=5)
    assert [(a.epoch, a.known_at, a.value) for a in averages] == [
        (0, 4, 2.0),
        (2, 6, 2.5),
        (4, 8, 3.0),
        (6, 10, 4.0),
        (8, 11, 6.2),
    ]


@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_few_values_for_an_average(count):
    assert moving_averages(EPOCHS[:count], [1.0] * count, window=5) == []
    assert stop([1.0] * count) is None


def test_window_of_one_value_is_the_series_itself():
    averages = moving_averages([0, 1, 2], [5.0, 7, 6], window=1)
    assert [(a.epoch, a.known_at, a.value) for a in averages] == [(0, 0, 5.0), (1, 1, 7.0), (2, 2, 6.0)]


def test_fires_at_the_earlier_of_the_two_averages():
    # 1 until epoch 20, then 3: the averages known at epochs 20, 22, 24 are 1, 1.4, 1.8. At 22 the ratio is first above
    # 1.3; the average four before is known at 14 and belongs to epoch 10.
    values = [1.0] * 11 + [3.0] * 15
    assert stop(values) == 10
    assert stop([1.0] * 12 + [3.0] * 14) == 12
    assert stop(values, factor=1.5) == 12  # known at 24: 1.8
    assert stop(values, delta=3) == 12
    assert stop(values, delta=5) == 10  # known at 24, for at 22 the earlier epoch would be 8


def test_needs_the_measurement_at_which_it_fires():
    values = [1.0] * 11 + [3.0]
    assert stop(values) == 10
    assert stop(values[:-1]) is None


def test_a_ratio_of_exactly_the_factor_does_not_fire():
    # With a window of one: 2 * 1.5 = 3 exactly.
    assert stop([2.0] * 10 + [3.0] * 4, window=1, factor=1.5) is None
    assert stop([2.0] * 10 + [3.0000001] * 4, window=1, factor=1.5) == 12


@pytest.mark.parametrize("values", [[1.0] * 26, [26.0 - i for i in range(26)], [1.05**i for i in range(26)]])
def test_never_fires_on_a_series_that_does_not_grow_enough(values):
    assert stop(values) is None  # 1.05 ** 4 = 1.22


def test_respects_the_start():
    early = [1.0] * 4 + [3.0] * 22  # grown by epoch 8, level after that
    assert stop(early) is None
    assert stop(early, start=0) == 0
    late = [1.0] * 9 + [1.5] * 17
    assert stop(late) == 12  # 1.4 at epoch 24; the 1.3 at epoch 22 is not above the factor
    rising = [1.1**i for i in range(26)]
    assert [stop(rising, start=start) for start in (0, 9, 10, 11, 30)] == [0, 10, 10, 12, 30]


def test_the_last_measurement_is_not_checked():
    spike = [1.0] * 25 + [9.0]
    assert stop(spike) is None
    assert stop_epoch(EPOCHS, spike, StopRule(), last_epoch=51) == 38  # averages of epochs 38 and 46


def test_values_that_are_no_numbers_never_fire():
    nan = float("nan")
    assert stop([1.0] * 11 + [nan] * 15) is None
    assert stop([nan] * 26) is None


def normal_skips(log):
    """Skip-connects in the normal cell of every epoch of a published log."""
    texts = (line.split("genotype = ")[1] for line in log.decode().splitlines() if " genotype = Genotype(" in line)
    return [parse_genotype(text).count("skip_connect") for text in texts]


def largest_eigenvalues(lines):
    measured = [json.loads(line) for line in lines]
    return [record["epoch"] for record in measured], np.linalg.eigvalsh([record["H"] for record in measured])[:, -1]


def published_runs():
    """Per drop path, L2 and seed: epochs and eigenvalues, and skip-connects per epoch, of the complete searches."""
    curvature, skips = {}, {}
    with tarfile.open(ARCHIVE) as archive:
        for member in archive:
            job = JOB.match(member.name)
            if job is None:
                continue
            file = archive.extractfile(member)
            key = (float(job["dp"]), float(job["l2"]), int(job["seed"]))
            if job["kind"] == "derivatives" and len(lines := file.readlines()) == len(EPOCHS):
                curvature[key] = largest_eigenvalues(lines)
            elif job["kind"] == "log":
                skips[key] = normal_skips(file.read())
    return curvature, skips


@pytest.mark.skipif(not (TABLE.exists() and ARCHIVE.exists()), reason="the published search logs are not here")
def test_every_published_search():
    curvature, skips = published_runs()
    rows = list(csv.DictReader(TABLE.open()))
    assert len(rows) == 33 == len(curvature)
    for row in rows:
        key = (float(row["drop_path"]), float(row["weight_decay"]), int(row["seed"]))
        epochs, values = curvature[key]
        assert epochs == EPOCHS
        stopped = stop_epoch(epochs, values.tolist(), StopRule(), last_epoch=49)
        expected = int(row["stop_epoch"])
        assert stopped == (None if expected == 49 else expected), key
        assert values[-1] == pytest.approx(float(row["final_ev"]), abs=1e-5), key
        assert len(skips[key]) == 50, key
        assert (skips[key][expected], skips[key][-1]) == (int(row["skip_stop"]), int(row["skip_final"])), key
