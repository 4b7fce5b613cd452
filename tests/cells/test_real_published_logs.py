"""The published search logs themselves, of S1 and of S3, where they are at hand."""

import csv
from pathlib import Path

import numpy as np
import pytest

from workflow_scripts.cells.early_stopping import stop_epoch
from workflow_scripts.cells.published_logs import read_published_logs
from workflow_scripts.runtime.progress import Silent
from workflow_scripts.study.cell_settings import StopRule
from workflow_scripts.tables.genotype import parse_genotype

SHARED = Path(__file__).parents[3] / "shared" / "published"
REAL, REAL_S3 = SHARED / "robustdarts-logs-s1.tar.gz", SHARED / "robustdarts-logs-s3.tar.xz"
AT_HAND = REAL.is_file() and REAL_S3.is_file()
needs_logs = pytest.mark.skipif(not AT_HAND, reason="the published logs are not next to this checkout")
KEY = (3e-4, 0.0, 1)


def anomalies(logs):
    return [f"{entry['search']}: {entry['what']}" for entry in logs.report["anomalies"]]


@pytest.fixture(scope="module")
def real():
    return read_published_logs(REAL, "s1", "cifar10", Silent())


@needs_logs
def test_real_searches(real):
    assert len(real.searches) == real.report["complete_searches"] == 105
    assert real.report["with_hessians"] == 33 and real.report["hessian_sizes"] == [56]
    assert {len(run.history) for run in real.searches.values()} == {50}
    assert anomalies(real) == [
        "0.8_0.0009-2497449, seed 2: results_arch.yaml has no entry for it (lost when several jobs wrote the file); "
        "its log has the genotype",
        "0.8_0.2187-2497454, seed 3: skipped: its loss is not finite from epoch 18 on; job 2513538 is taken instead",
    ]
    jobs = {name.split("-")[1].split(",")[0] for name in real.report["converted"]}
    assert all(job.startswith("24974") or job == "2513538" for job in jobs) and len(jobs) > 20
    for run in real.searches.values():
        ours = int(run.settings["published"]["job"])
        assert (str(ours) in jobs) == (ours < 2516000), "jobs from 2516xxx on hold errors"


@needs_logs
def test_real_hessians_hold_the_decay(real):
    """The softmax is shift-invariant, so each edge has a direction whose eigenvalue is the decay alone."""
    hessian = real.searches[KEY].hessians[-1]
    for edge in range(28):
        shift = np.zeros(56)
        shift[2 * edge : 2 * edge + 2] = np.sqrt(0.5)  # S1 has two candidates on every edge
        assert hessian @ shift == pytest.approx(1e-3 * shift, abs=2e-5)


@needs_logs
def test_real_skip_connects_fall_as_l2_rises(real):
    means = []
    for l2 in (3e-4, 9e-4, 27e-4, 81e-4, 243e-4):
        last = [real.searches[(l2, 0.0, seed)].history["genotype"].iloc[-1] for seed in (1, 2, 3)]
        means.append(round(np.mean([parse_genotype(text).count("skip_connect") for text in last]), 1))
    assert means == [7.0, 7.7, 6.3, 2.0, 1.0]


@needs_logs
def test_real_stop_epochs(real):
    with (SHARED / "early_stopping_s1_cifar10.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 33
    for row in rows:
        run = real.searches[(float(row["weight_decay"]), float(row["drop_path"]), int(row["seed"]))]
        stopped = stop_epoch(run.curvature_epochs, run.eigenvalues, StopRule(), 49)
        epoch = 49 if stopped is None else stopped
        assert epoch == int(row["stop_epoch"])
        assert run.eigenvalues[-1] == pytest.approx(float(row["final_ev"]), abs=1e-5)
        for at, column in ((epoch, "skip_stop"), (49, "skip_final")):
            assert parse_genotype(run.history["genotype"][at]).count("skip_connect") == int(row[column])


@pytest.fixture(scope="module")
def real_s3():
    return read_published_logs(REAL_S3, "s3", "svhn", Silent())


@needs_logs
def test_real_searches_of_s3(real_s3):
    assert len(real_s3.searches) == real_s3.report["complete_searches"] == 105
    assert real_s3.report["with_hessians"] == 33 and real_s3.report["hessian_sizes"] == [84]
    curved = {key: run for key, run in real_s3.searches.items() if run.eigenvalues}
    stopped = [stop_epoch(run.curvature_epochs, run.eigenvalues, StopRule(), 49) for run in curved.values()]
    assert sum(epoch is not None for epoch in stopped) == 16


@needs_logs
def test_every_anomaly_of_s3_is_named(real_s3):
    unended = "skipped: it has no errors file and 0 genotypes, so it did not end"
    named = anomalies(real_s3)
    assert len(named) == 20
    for drop_path, stub, taken in (("0.2", 1, 4104), ("0.4", 2, 4117), ("0.6", 3, 4118), ("0.8", 4, 4123)):
        for seed in (1, 2, 3):
            search = f"{drop_path}_0.0003-266335{stub}, seed {seed}"
            assert f"{search}: {unended}; job 261{taken} is taken instead" in named
    twice = "0.0_0.0027-2516872, seed 1: skipped: it is complete too, but not the last; job 2614099 is taken instead"
    assert twice in named and real_s3.searches[(27e-4, 0.0, 1)].settings["published"]["job"] == "2614099"
    assert sum("results_perf.yaml gives its last validation error" in line for line in named) == 3
    assert sum("results_arch.yaml holds another genotype" in line for line in named) == 3
    assert sum("results_arch.yaml has no entry" in line for line in named) == 1


@needs_logs
def test_degenerate_searches_of_s3_are_those_with_much_l2(real_s3, real):
    found = {entry["search"]: entry["what"] for entry in real_s3.report["degenerate"]}
    strong = {
        f"{run.settings['published']['folder'].split('/')[-1]}, seed {key[2]}": run
        for key, run in real_s3.searches.items()
        if key[0] >= 0.0729
    }
    assert found.keys() == strong.keys() and len(found) == 30
    for name, run in strong.items():
        assert "all images get one class: the validation error is 80.999 %" in found[name]
        assert ("the dominant eigenvalue is 0.001" in found[name]) == bool(run.eigenvalues)
    assert real.report["degenerate"] == []
