"""The benchmark command: it measures, prints a table and writes what it measured."""

import importlib
import json
import re
import shutil
import statistics
import subprocess
import sys
import textwrap
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from workflow_scripts.benchmark import (
    cell_search,
    checkouts,
    depth,
    genotype_training,
    programs,
    whole_search,
    workflow,
)
from workflow_scripts.benchmark.arithmetic import floating_point_operations, operations_dispatched
from workflow_scripts.benchmark.cell_search import Pair
from workflow_scripts.benchmark.checkouts import against
from workflow_scripts.benchmark.command import main
from workflow_scripts.benchmark.earlier_names import MODULES, NAMES, OPTIMIZERS
from workflow_scripts.benchmark.job_start import FIRST_EPOCH, LOG, RESULT, job_of_a_search
from workflow_scripts.benchmark.paired_timing import CLOCK, PROCESSOR, Work, compare, timed
from workflow_scripts.benchmark.programs import spent_by
from workflow_scripts.benchmark.rows import ROWS, Row
from workflow_scripts.benchmark.verification import verification
from workflow_scripts.benchmark.workflow import study_works
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


# two checkouts -----------------------------------------------------------------------------------------------------

ROW = '''

def speed() -> Works:
    """What the checkout says that it takes, and where and when it was asked."""
    import json, os, sys
    from pathlib import Path

    from workflow_scripts.speed import seconds

    def measure():
        cache, written = os.environ.get("NUMBA_CACHE_DIR"), not sys.dont_write_bytecode
        entry = [seconds(), os.getpid(), cache, cache and os.listdir(cache), written]
        with Path("../measured").open("a") as file:
            print(json.dumps(entry), file=file)
        if cache:
            Path(cache, "compiled").touch()
        return {PROCESSOR: seconds(), PEAK: 100.0}

    yield Work("speed", "slow", measure, compared=(PROCESSOR, PEAK))
    yield Work("speed", "fast", measure)


from workflow_scripts.benchmark.paired_timing import PEAK, PROCESSOR  # noqa: E402

ROWS["speed"] = Row(speed)
'''


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """Makes a checkout, with our own as another, whose row `speed` tells what its code says; returns the maker."""
    measuring = tmp_path / "measuring" / "workflow_scripts" / "benchmark"
    measuring.mkdir(parents=True)
    for name in ("checkout_process.py", "paired_timing.py", "rows.py"):
        shutil.copy(ROOT / "workflow_scripts" / "benchmark" / name, measuring)
    with (measuring / "rows.py").open("a") as file:
        file.write(ROW)

    def make(name, body):
        package = tmp_path / name / "workflow_scripts"
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        (package / "speed.py").write_text(body)
        return tmp_path / name

    monkeypatch.setattr(checkouts, "PROCESS_FILE", measuring / "checkout_process.py")
    monkeypatch.setattr(checkouts, "HERE", make("ours", "def seconds(): return 2.0"))
    monkeypatch.setitem(ROWS, "speed", Row(lambda: iter(())))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    return make


def measured(tmp_path):
    """What the row wrote down, in its order."""
    return [json.loads(line) for line in (tmp_path / "measured").read_text().splitlines()]


def refuse(complaint):
    raise AssertionError(complaint)


def test_an_earlier_checkout_is_measured_in_turn_after_a_time_that_does_not_count(checkout, tmp_path):
    earlier = checkout("earlier", "def seconds(): return 6.0")
    slow, peak, fast = against(earlier, ["speed"], 3, refuse)
    assert (slow.name, slow.setting, slow.quantity, slow.baseline_is) == ("speed", "slow", PROCESSOR, "earlier")
    assert (slow.ours, slow.baseline, slow.ratios) == (2.0, 6.0, (3.0, 3.0, 3.0))
    assert (peak.quantity, peak.ratio, fast.setting) == ("peak MiB", 1.0, "fast")
    assert re.match(r"speed +slow +processor s +2 +6 +3.00 \(3.00 to 3.00\) +3 +[\d.]+  earlier$", slow.line())
    entries = measured(tmp_path)
    assert [entry[0] for entry in entries] == 2 * 4 * [2.0, 6.0]
    assert len({entry[1] for entry in entries}) == 2, "one process of each"
    assert all(entry[-1] for entry in entries), "bytecode is written"


def test_seven_rounds_but_one_of_what_is_long(checkout, tmp_path, monkeypatch):
    earlier = checkout("earlier", "def seconds(): return 6.0")
    assert {len(found.ratios) for found in against(earlier, ["speed"], None, refuse)} == {7}
    (tmp_path / "measured").unlink()
    monkeypatch.setitem(ROWS, "speed", Row(lambda: iter(()), long=True))
    assert {len(found.ratios) for found in against(earlier, ["speed"], None, refuse)} == {1}
    assert len(measured(tmp_path)) == 4, "nothing is done before"


@pytest.mark.parametrize("process", ["new", "cold"])
def test_a_row_may_have_a_process_for_each_round(process, checkout, tmp_path, monkeypatch):
    earlier = checkout("earlier", "def seconds(): return 1.0")
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setitem(ROWS, "speed", Row(lambda: iter(()), process=process))
    found = list(against(earlier, ["speed"], 2, refuse))
    assert [(each.setting, each.quantity, each.ratios) for each in found] == [
        ("slow", PROCESSOR, (0.5, 0.5)),
        ("slow", "peak MiB", (1.0, 1.0)),
    ]
    entries = measured(tmp_path)
    assert len({entry[1] for entry in entries}) == len(entries) == 6
    caches = [entry[2] for entry in entries]
    if process == "new":
        assert caches == 6 * [None]
    else:
        assert len(set(caches)) == 6
        assert [entry[3] for entry in entries] == 6 * [[]], "empty"
        assert not any(Path(cache).exists() for cache in caches)


def test_what_cannot_be_measured_is_said_and_the_other_rows_go_on(checkout):
    broken = checkout("earlier", "raise RuntimeError('the earlier code')")
    complaints = []
    assert list(against(broken, ["speed", "speed"], 1, complaints.append)) == []
    assert complaints == [f"speed: it cannot be measured in {broken} (RuntimeError: the earlier code)"] * 2


def test_a_side_that_dies_is_told_and_started_anew_for_the_next_row(checkout):
    deadly = checkout("earlier", "import os\nos._exit(9)\n")
    complaints = []
    assert list(against(deadly, ["speed", "speed"], 1, complaints.append)) == []
    assert complaints == [f"speed: its process in {deadly} ended with status 9"] * 2


def test_a_complaint_is_printed_and_makes_the_exit_status_1(monkeypatch, capsys):
    def nothing(folder, rows, rounds, complain):
        complain("data: it cannot be measured")
        return iter(())

    monkeypatch.setattr("workflow_scripts.benchmark.command.against", nothing)
    assert main(["--against", str(ROOT), "--rows", "data"]) == 1
    assert capsys.readouterr().err == "data: it cannot be measured\n"


# names of an earlier checkout --------------------------------------------------------------------------------------


def test_the_names_that_earlier_checkouts_are_given_are_todays():
    assert [name for name in (*MODULES, OPTIMIZERS) if find_spec(name) is None] == []
    assert [name for name in NAMES if not hasattr(importlib.import_module(name[0]), name[1])] == []


def test_an_earlier_checkout_is_found_by_todays_names_and_todays_stays_as_it_is(tmp_path):
    for number, (today, earlier) in enumerate(MODULES.items()):
        path = tmp_path / "earlier" / ((today if number == 0 else earlier).replace(".", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("Noise = 'noise'\n")
    (tmp_path / "earlier/workflow_scripts/cells/random_search.py").write_text("random_choice = 'random'")
    program = textwrap.dedent("""
        from checkout_process import FROM_HERE, _take
        _take(FROM_HERE[0])
        from workflow_scripts.benchmark.earlier_names import MODULES, OPTIMIZERS, give_todays_names
        give_todays_names()
        give_todays_names()
        from importlib import import_module
        print(*(import_module(name).__name__.rpartition(".")[2] for name in MODULES))
        from workflow_scripts.cells import random_search
        from workflow_scripts.cells.bilevel_step import Randomness
        from workflow_scripts.cells.optimizers import weight_optimizer
        print(Randomness, random_search.random_architecture)
    """)
    path = f"{tmp_path / 'earlier'}:{ROOT / 'workflow_scripts/benchmark'}"
    done = subprocess.run(
        [sys.executable, "-P", "-c", program], env={"PYTHONPATH": path}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    modules, names = done.stdout.splitlines()
    first, *others = MODULES.items()
    assert modules.split() == [name.rpartition(".")[2] for name in (first[0], *(earlier for _, earlier in others))]
    assert names == "noise random"


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


@pytest.mark.parametrize("name", ROWS)
def test_every_row_is_explained(name):
    long = " (long)" if ROWS[name].long else ""
    assert f"\n| `{name}`{long} | " in (ROOT / "docs/performance.md").read_text()


# programs ----------------------------------------------------------------------------------------------------------


def test_what_a_program_and_those_it_starts_take_is_counted(tmp_path):
    busy = "import time\nwhile time.process_time() < 0.2: pass"
    spent = spent_by(["sh", "-c", f"{sys.executable} -c '{busy}'; true"], tmp_path)
    assert spent[PROCESSOR] >= 0.19
    assert spent[CLOCK] > 0
    with pytest.raises(RuntimeError, match=r"^python -c .* ended with status 3: the last line$"):
        spent_by([sys.executable, "-c", "print('the last line\\nmake: Error 2'); raise SystemExit(3)"], tmp_path)


MAKEFILE = """
run: .venv/.installed
\tls .venv/bin/python $(STUDY)/module.py >SEEN
\tfind . -name '*.nbc' -o -name 'module*.pyc' >>SEEN
.venv/.installed: envs/module.py
\trm -r .venv; exit 1
"""


def test_a_study_runs_in_a_copy_with_bytecode_and_without_compiled_loops(tmp_path, monkeypatch):
    for part in programs.PARTS[1:]:
        (tmp_path / part / "__pycache__").mkdir(parents=True)
        (tmp_path / part / "__pycache__" / "loops.nbc").touch()
        (tmp_path / part / "module.py").touch()
    seen = tmp_path / "seen"
    (tmp_path / "Makefile").write_text(MAKEFILE.replace("SEEN", str(seen)))
    monkeypatch.setattr(programs, "ROOT", tmp_path)
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    made = []
    monkeypatch.setattr(workflow, "make_data", lambda tree, study, file: made.append((study, file)))
    (work,) = study_works("config", first="data/images.npz")
    assert work.compared == (CLOCK, PROCESSOR)
    assert work.measure()[CLOCK] > 0
    assert made == [("config/config.yaml", "data/images.npz")]
    python, module, *compiled = seen.read_text().splitlines()
    assert (python, module) == (".venv/bin/python", "config/module.py")
    assert len(compiled) == len(programs.PARTS) - 1
    assert all(name.endswith(".pyc") for name in compiled)
    assert "NUMBA_CACHE_DIR" not in programs.environment()


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
