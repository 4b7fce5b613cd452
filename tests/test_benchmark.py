"""The benchmark command: it measures, prints a table and writes what it measured."""

import json
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.reference.loader import SearchLoaders
from workflow_scripts.benchmark import cell_search
from workflow_scripts.benchmark.arithmetic import floating_point_operations, operations_dispatched
from workflow_scripts.benchmark.compare import compare
from workflow_scripts.benchmark.verification import verification

ROOT = Path(__file__).parents[1]
PUBLISHED_OPERATIONS = 22_339  # of a second-order step at the small setting, counted in the published code


def run(*arguments):
    command = [sys.executable, "-m", "workflow_scripts.benchmark", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_a_table_and_its_numbers(tmp_path):
    done = run("--only", "data", "--rounds", "3", "--json", str(tmp_path / "numbers.json"))
    assert done.returncode == 0, done.stderr
    assert "a new loader" in done.stdout
    numbers = json.loads((tmp_path / "numbers.json").read_text())
    (row,) = numbers["compared"]
    assert row["name"] == "data batch"
    assert len(row["ratios"]) == 3
    assert min(row["ratios"]) > 1  # a loader with its processes is many times slower even on a busy machine
    assert set(numbers["machine"]) == {"processor", "Python", "torch", "numba", "numpy"}


@pytest.mark.parametrize(
    ("arguments", "complaint"), [(("--only", "speed"), "speed"), (("--rounds", "0"), "less than 1")]
)
def test_a_wrong_argument_is_refused(arguments, complaint):
    done = run(*arguments)
    assert done.returncode == 2
    assert complaint in done.stderr


def test_both_are_timed_in_turn_after_a_call_that_does_not_count():
    calls = []
    found = compare("name", "setting", lambda: calls.append("ours"), lambda: calls.append("theirs"), "theirs", 3)
    assert calls == ["ours", "theirs"] * 4
    assert found.ratio == statistics.median(found.ratios)
    assert len(found.ratios) == 3


def test_the_reference_dispatches_about_as_much_as_the_published_code():
    pair = cell_search.Pair("s2", cell_search.SMALL)
    theirs = operations_dispatched(lambda: pair.their_step(2))
    assert theirs == pytest.approx(PUBLISHED_OPERATIONS, rel=0.1)


def test_dispatched_and_floating_point_operations_are_counted():
    weight = torch.ones(3, 4, requires_grad=True)
    assert operations_dispatched(lambda: (torch.ones(2) + 1) * 2) == 3
    assert floating_point_operations(lambda: (torch.ones(5, 3) @ weight).sum().backward()) == 2 * 2 * 5 * 3 * 4


def test_the_published_loader_opens_a_new_iterator_for_every_alpha_batch():
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), np.uint8)
    loaders = SearchLoaders(images, np.arange(40), batch_size=10)
    trained = torch.cat([loaders.train_batch()[1] for _ in range(2)])
    assert sorted(trained.tolist()) == list(range(20))
    assert {int(label) for _ in range(2) for label in loaders.alpha_batch()[1]} <= set(range(20, 40))


def test_verification_is_timed_against_sha256sum():
    hashing, (name, besides) = verification(2, searches=4, total_bytes=1000)
    assert (hashing.baseline_is, hashing.setting, len(hashing.ratios)) == ("sha256sum", "25 jobs, 1e-06 GB", 2)
    assert name == "verify, besides hashing"
    assert 0 < besides["median_seconds"] < 5
