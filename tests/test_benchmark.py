"""The benchmark command: it measures, prints a table and writes what it measured."""

import json
import re
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from workflow_scripts.benchmark import cell_search, depth, genotype_training, whole_search
from workflow_scripts.benchmark.arithmetic import floating_point_operations, operations_dispatched
from workflow_scripts.benchmark.cell_search import Pair
from workflow_scripts.benchmark.command import main
from workflow_scripts.benchmark.job_start import FIRST_EPOCH, LOG, RESULT, job_of_a_search
from workflow_scripts.benchmark.paired_timing import CLOCK, PROCESSOR, Work, compare, timed
from workflow_scripts.benchmark.rows import ROWS
from workflow_scripts.benchmark.verification import verification
from workflow_scripts.reference.loader import SearchLoaders

ROOT = Path(__file__).parents[1]
PUBLISHED_OPERATIONS = 22_339  # of a second-order step at the small setting, counted in the published code
TINY = cell_search.Size(2, 3, 8, 4)  # two channels: torch's modules, of which nothing is compiled


# the command line --------------------------------------------------------------------------------------------------


def test_a_table_and_its_numbers(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(cell_search, "PAPER", TINY)
    assert main(["--only", "data", "--rounds", "3", "--json", str(tmp_path / "numbers.json")]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"^One thread; processor \S", printed)
    assert re.search(r"^data batch .* clock s .* 3 +[\d.]+ +a new loader$", printed, re.MULTILINE)
    numbers = json.loads((tmp_path / "numbers.json").read_text())
    (row,) = numbers["compared"]
    assert (row["name"], row["quantity"], row["baseline"]) == ("data batch", CLOCK, "a new loader")
    assert len(row["ratios"]) == 3
    assert min(row["ratios"]) > 0
    assert set(numbers["machine"]) == {"processor", "Python", "torch", "numba", "numpy"}


WRONG = [
    (("--only", "speed"), "invalid choice: 'speed'"),
    (("--rounds", "0"), "0 is less than 1"),
    (("--against", str(ROOT), "--rows", "speed"), "invalid choice: 'speed'"),
    (("--against", str(ROOT / "tests")), "tests is not a checkout of this project: it holds no workflow_scripts"),
    (("--rows", "data"), "name it with --against"),
    (("--long",), "name it with --against"),
    (("--against", str(ROOT), "--only", "data"), "with --against, choose with --rows"),
    (("--against", str(ROOT), "--rows", "data", "--long"), "--rows already names what is measured; leave --long out"),
]


@pytest.mark.parametrize(("arguments", "complaint"), WRONG)
def test_a_wrong_argument_is_refused(arguments, complaint, capsys):
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    assert ended.value.code == 2
    assert complaint in capsys.readouterr().err


def test_the_command_line_is_read_without_torch():
    program = "import sys, workflow_scripts.benchmark.command; sys.exit(not {'torch', 'numpy'}.isdisjoint(sys.modules))"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT).returncode == 0


def test_long_rows_are_measured_only_where_they_are_asked_for(monkeypatch):
    asked = []
    monkeypatch.setattr(
        "workflow_scripts.benchmark.command.against", lambda _, rows, rounds, __: asked.append(rows) or ()
    )
    for options in ((), ("--long",), ("--rows", "demo", "data")):
        assert main(["--against", str(ROOT), *options]) == 0
    short, every, named = asked
    assert every == list(ROWS)
    assert [name for name in every if name not in short] == ["search", "demo", "laptop"]
    assert named == ["demo", "data"]


# what rows do, at sizes that take nothing --------------------------------------------------------------------------


def small_works():
    pair = Pair("s4", TINY)
    batch = pair.alpha_batch()
    yield from pair.steps().values()
    yield pair.first_step()
    yield cell_search.curvature_work(pair, batch)
    yield cell_search.hessian_work(pair, batch)
    yield genotype_training.training_work(genotype_training.Size(2, 3, 8, 4, 2))
    yield depth.image_work(max_depth=2, width=4, side=8, batch=8, steps=2)


def test_works_do_what_they_are_called(monkeypatch):
    decays = []
    monkeypatch.setattr(cell_search, "full_hessian", lambda product, alphas, decay: decays.append(decay))
    works = list(small_works())
    assert [work.name for work in works] == [
        "search step, second order",
        "search step, first order",
        "first step, compiling",
        "dominant eigenvalue",
        "full Hessian",
        "training, 2 steps",
        "image depth, 2 steps",
    ]
    for work in works:
        spent = work.measure()
        assert spent[PROCESSOR] > 0
        assert spent[CLOCK] > 0
        assert work.compared == (PROCESSOR,)
    assert decays == [cell_search.ARCH_L2]


def test_a_whole_search_has_the_settings_of_the_study(monkeypatch):
    asked = []
    monkeypatch.setattr(whole_search, "run_search", lambda job, part, *_: asked.append((job, len(part))))
    work = whole_search.search_work("s4")
    work.measure()
    (first, images), (job, _) = asked
    assert (first.search.epochs, first.search.steps_per_epoch) == (1, 1), "compiles"
    study = yaml.safe_load((ROOT / "config/laptop.yaml").read_text())["cells"]["search"]
    assert job.weight_images + job.alpha_images == study.pop("subset") <= images
    assert job.weight_images / job.alpha_images == pytest.approx(1 / study.pop("validation_fraction") - 1, rel=1e-4)
    assert job.search.model_dump(include=set(study)) == study


def test_the_start_of_a_job_is_timed_to_its_first_epoch():
    with job_of_a_search(grids=False, channels=2) as job:
        assert job.wrapper[1:3] == ["-m", "workflow_scripts.run"]
        spent = job.start(job.wrapper)
        assert spent[PROCESSOR] > 0
        assert spent[CLOCK] > 0
        assert (job.tree / RESULT).is_file(), "it ran to its end"
        assert len(FIRST_EPOCH.findall((job.tree / LOG).read_text())) == 1
        with pytest.raises(RuntimeError, match="ended with status 1 before"):
            job.start([sys.executable, "-c", "import sys; sys.exit(1)"])


# against the plain reference ---------------------------------------------------------------------------------------


def test_both_are_timed_in_turn_after_a_call_that_does_not_count():
    calls = []
    work = Work("name", "setting", timed(lambda: calls.append("ours")))
    found = compare(work, timed(lambda: calls.append("theirs")), "theirs", 3)
    assert calls == ["ours", "theirs"] * 4
    assert found.ratio == statistics.median(found.ratios)
    assert len(found.ratios) == 3


def test_short_calls_are_timed_together(monkeypatch):
    now = {"clock": 100.0, "processor": 5.0}
    monkeypatch.setattr("time.perf_counter", lambda: now["clock"])
    monkeypatch.setattr("time.process_time", lambda: now["processor"])

    def call():
        now["clock"] += 3.0
        now["processor"] += 2.0

    assert timed(call, times=4)() == {CLOCK: 3.0, PROCESSOR: 2.0}
    assert now["clock"] == 112.0


def test_the_reference_dispatches_about_as_much_as_the_published_code():
    pair = Pair("s2", cell_search.SMALL._replace(side=8, batch=4))
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
