"""The benchmark command: it measures, prints a table and writes what it measured."""

import json
import re
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from workflow.workflow_copy import edit

from workflow_scripts.benchmark import cell_search
from workflow_scripts.benchmark.arithmetic import floating_point_operations, operations_dispatched
from workflow_scripts.benchmark.checkouts import against
from workflow_scripts.benchmark.job_start import FIRST_EPOCH, LOG, RESULT, job_of_a_search
from workflow_scripts.benchmark.paired_timing import Work, compare, timed
from workflow_scripts.benchmark.verification import verification
from workflow_scripts.reference.loader import SearchLoaders

ROOT = Path(__file__).parents[1]
MEASURING = ("benchmark", "reference")
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
    assert min(row["ratios"]) > 0
    assert set(numbers["machine"]) == {"processor", "Python", "torch", "numba", "numpy"}


@pytest.mark.parametrize(
    ("arguments", "complaint"), [(("--only", "speed"), "speed"), (("--rounds", "0"), "less than 1")]
)
def test_a_wrong_argument_is_refused(arguments, complaint):
    done = run(*arguments)
    assert done.returncode == 2
    assert complaint in done.stderr


@pytest.fixture
def earlier(tmp_path):
    """A checkout that knows nothing of comparing, and has neither a benchmark nor a plain reference."""
    tree = tmp_path / "earlier"
    shutil.copytree(ROOT / "workflow_scripts", tree / "workflow_scripts", ignore=shutil.ignore_patterns(*MEASURING))
    return tree


def test_an_earlier_checkout_is_measured_in_turn(earlier, tmp_path):
    numbers = tmp_path / "numbers.json"
    done = run("--against", str(earlier), "--only", "data", "--rounds", "2", "--json", str(numbers))
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(numbers.read_text())["compared"]
    assert (row["name"], row["baseline"], len(row["ratios"])) == ("data batch", "earlier", 2)
    assert re.search(r"^One thread; processor \S", done.stdout)
    row_of_table = r"^data batch +64 images, 32x32, augmented +[\d.]+ +[\d.]+ +[\d.]+ \(.* to .*\) +earlier$"
    assert re.search(row_of_table, done.stdout, re.MULTILINE)


def test_the_earlier_checkouts_own_code_runs_and_what_it_cannot_do_is_said(earlier):
    images = earlier / "workflow_scripts/data/image_batches.py"
    edit(images, "import torch\n", "import torch\nraise RuntimeError('the earlier code')\n")
    done = run("--against", str(earlier), "--only", "data", "jobs", "--rounds", "1")
    assert done.returncode == 1
    complaints = done.stderr.splitlines()
    assert complaints[0] == f"data: it cannot be measured in {earlier} (RuntimeError: the earlier code)"
    assert complaints[1].startswith(f"jobs: it cannot be measured in {earlier} (CalledProcessError: ")
    assert len(complaints) == 2


def test_what_is_no_checkout_is_refused(tmp_path):
    done = run("--against", str(tmp_path))
    assert done.returncode == 2
    assert f"{tmp_path} is not a checkout of this project" in done.stderr


def test_a_side_that_dies_is_told_and_started_anew_for_the_next_part(earlier):
    edit(earlier / "workflow_scripts/data/image_batches.py", "import torch\n", "import os\nos._exit(9)\n")
    complaints = []
    assert list(against(earlier, ["data", "data"], 1, complaints.append)) == []
    assert complaints == [f"data: its process in {earlier} ended with status 9"] * 2


def test_the_start_of_a_job_is_timed_to_its_first_epoch():
    with job_of_a_search(grids=False, channels=2) as job:
        assert job.wrapper[1:3] == ["-m", "workflow_scripts.run"]
        assert job.seconds(job.wrapper) > 0
        assert (job.tree / RESULT).is_file(), "it ran to its end"
        assert len(FIRST_EPOCH.findall((job.tree / LOG).read_text())) == 1
        with pytest.raises(RuntimeError, match="ended with status 1 before"):
            job.seconds([sys.executable, "-c", "import sys; sys.exit(1)"])


def test_both_are_timed_in_turn_after_a_call_that_does_not_count():
    calls = []
    work = Work("name", "setting", timed(lambda: calls.append("ours")))
    found = compare(work, timed(lambda: calls.append("theirs")), "theirs", 3)
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
    assert besides["median_seconds"] == statistics.median(besides["seconds"]) and len(besides["seconds"]) == 2
