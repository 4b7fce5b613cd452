"""The comparison with an earlier checkout: what is measured in turn, by which processes, and in which copies."""

import importlib
import json
import re
import shutil
import subprocess
import sys
import textwrap
from importlib.util import find_spec
from pathlib import Path

import pytest

from workflow_scripts.benchmark import checkouts, programs, workflow
from workflow_scripts.benchmark.checkouts import against
from workflow_scripts.benchmark.command import main
from workflow_scripts.benchmark.earlier_names import MODULES, NAMES, OPTIMIZERS
from workflow_scripts.benchmark.paired_timing import CLOCK, PROCESSOR
from workflow_scripts.benchmark.programs import spent_by
from workflow_scripts.benchmark.rows import ROWS, Row
from workflow_scripts.benchmark.workflow import study_works

ROOT = Path(__file__).parents[1]


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
