"""Compiled functions on disk: loaded again, and made anew where a file is damaged or of another source."""

import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from numba.core.caching import CompileResultCacheImpl

from workflow_scripts.runtime.compilation import compiled

ROOT = Path(__file__).parents[2]
FUNCTION = """
from workflow_scripts.runtime.compilation import compiled
from workflow_scripts.made_up.factor import factor

@compiled
def inner(x):
    return factor(x)

def times(count):
    @compiled
    def product(x):
        return inner(x) * count
    return product
"""
FACTOR = """
from workflow_scripts.made_up.numbers import ONE, two
from workflow_scripts.runtime.compilation import inlined

@inlined
def factor(x):
    return (ONE + two(x)) * x
"""
NUMBERS = """
from numba.core import types
from numba.extending import intrinsic

ONE = 1

@intrinsic
def two(typing_context, x):
    def generate(context, builder, signature, arguments):
        return context.get_constant(types.int64, 2)
    return types.int64(x), generate
"""
PROGRAM = """
from workflow_scripts.made_up import product as made_up
for product, x in ((made_up.times(2), 1.0), (made_up.times(2), 1), (made_up.times(5), 1.0)):
    print(product(x), sum(product.stats.cache_hits.values()), sum(product.stats.cache_misses.values()))
"""
COMPILED = "6.0 0 1\n6 0 1\n15.0 0 1\n"
LOADED = "6.0 1 0\n6 1 0\n15.0 1 0\n"


@pytest.fixture
def program(tmp_path):
    """Runs the program in a copy; gives what it printed, what it warned of and the files it has left."""
    package = tmp_path / "workflow_scripts"
    shutil.copytree(ROOT / "workflow_scripts/runtime", package / "runtime")
    (package / "made_up").mkdir()
    (package / "__init__.py").touch()
    for name, text in {"product": FUNCTION, "factor": FACTOR, "numbers": NUMBERS}.items():
        (package / f"made_up/{name}.py").write_text(text)

    def run(**variables):
        environment = os.environ | {"PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"} | variables
        environment["NUMBA_CACHE_DIR"] = str(tmp_path / "cache")
        command = [sys.executable, "-c", PROGRAM]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout, done.stderr, sorted((tmp_path / "cache").rglob("*.nb*"))

    yield run
    shutil.rmtree(tmp_path / "cache")


def damage(content, how):
    return {
        "empty": b"",
        "cut": content[: len(content) // 2],
        "short": content[:40],
        "altered": content[:-9] + bytes(9),
    }[how]


@pytest.mark.parametrize("how", ["empty", "cut", "short", "altered"])
def test_a_damaged_file_is_removed_and_compiled_again(program, how):
    printed, warned, files = program()
    assert (printed, warned, len(files)) == (COMPILED, "", 5)
    assert program() == (LOADED, "", files)
    for file in files:
        file.write_bytes(damage(file.read_bytes(), how))
    printed, warned, _ = program()
    assert printed == COMPILED
    assert sorted(warned.splitlines()) == sorted(
        f"{file} is damaged; it is removed and compiled again" for file in files
    )
    assert program() == (LOADED, "", files)


@pytest.mark.parametrize(
    ("module", "old", "new", "times"),
    [
        ("product", "inner(x) * count", "10 * inner(x) * count", 10),
        ("factor", ") * x", ") * x * 10", 10),  # a function that another module inlines
        ("numbers", "ONE = 1", "ONE = 4", 2),  # a constant of a module that this one imports
        ("numbers", "types.int64, 2", "types.int64, 5", 2),  # an intrinsic
    ],
)
def test_another_source_is_compiled_in_the_same_files(program, tmp_path, module, old, new, times):
    _, _, files = program()
    source = tmp_path / f"workflow_scripts/made_up/{module}.py"
    source.write_text(source.read_text().replace(old, new))
    assert program() == (COMPILED.replace("15", str(15 * times)).replace("6", str(6 * times)), "", files)


def test_comments_and_other_modules_compile_nothing(program, tmp_path):
    printed = program()
    (tmp_path / "workflow_scripts/made_up/other.py").write_text("TWO = 2\n")
    with (tmp_path / "workflow_scripts/made_up/numbers.py").open("a") as file:
        file.write("# a comment\n")
    assert program() == (LOADED, *printed[1:])


def test_what_checks_bounds_is_kept_besides(program):
    _, _, files = program()
    printed, _, all_files = program(NUMBA_BOUNDSCHECK="1")
    assert (printed, len(all_files)) == (COMPILED, 2 * len(files))
    assert program() == (LOADED, "", all_files)


TOGETHER = """
import sys
import time
from pathlib import Path

from numba.core import event

from workflow_scripts.made_up import product as made_up


class Counter(event.Listener):
    def on_start(self, event):
        print("compiled", event.data["dispatcher"].py_func.__name__)
        while len(list(Path().glob("*.ready"))) < 2:  # so that what one compiles, the other has need of
            time.sleep(0.01)

    def on_end(self, event):
        pass


event.register("numba:compile", Counter())
product = made_up.times(2)
Path(f"{sys.argv[1]}.ready").touch()
print(product(1.0), made_up.times(5)(1.0))
"""


def test_two_processes_compile_once(program, tmp_path):
    """Both call the function before either has compiled it."""
    environment = os.environ | {"PYTHONPATH": str(tmp_path), "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    together = [
        subprocess.Popen([sys.executable, "-c", TOGETHER, name], cwd=tmp_path, env=environment, stdout=subprocess.PIPE)
        for name in ("one", "two")
    ]
    printed = [process.communicate()[0].decode().splitlines() for process in together]
    assert [lines[-1] for lines in printed] == ["6.0 15.0"] * 2
    compiled = Counter(line for lines in printed for line in lines[:-1])
    assert (compiled["compiled product"], compiled["compiled inner"]) == (2, 1)  # two products, with one part


def test_a_lock_that_cannot_be_taken_stops_nothing(program):
    _, _, files = program()
    for file in files:
        file.unlink()
        file.with_suffix(".lock").unlink(missing_ok=True)
        file.with_suffix(".lock").mkdir()
    assert program() == (COMPILED, "", files)


def test_a_function_that_does_not_compile_frees_its_lock(program, tmp_path):
    source = tmp_path / "workflow_scripts/made_up/product.py"
    source.write_text(FUNCTION.replace("return inner", "x.no_such()\n        return inner"))
    code = """
from pathlib import Path
from numba.core.errors import TypingError
from workflow_scripts.made_up import product
from workflow_scripts.runtime.locks import try_lock
try:
    product.times(2)(1.0)
except TypingError:
    locks = list(Path("cache").rglob("*.lock"))
    print(len(locks), all(try_lock(lock) for lock in locks))
"""
    environment = os.environ | {"PYTHONPATH": str(tmp_path), "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stdout == "2 True\n", done.stderr


def test_the_garbage_collector_pauses_while_numba_compiles_also_in_vain(program, tmp_path):
    source = tmp_path / "workflow_scripts/made_up/product.py"
    source.write_text(FUNCTION.replace("return inner", "x.no_such()\n        return inner"))
    code = """
import gc
from numba.core import event
from numba.core.errors import TypingError
from workflow_scripts.made_up import product
with event.install_recorder("numba:compile") as compiling:
    on = []
    compiling.on_start = lambda started: on.append(gc.isenabled())
    product.inner(1.0)
    try:
        product.times(2)(1.0)
    except TypingError:
        print(any(on), len(on) > 1, gc.isenabled())
"""
    environment = os.environ | {"PYTHONPATH": str(tmp_path), "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stdout == "False True True\n", done.stderr


def test_where_nothing_can_be_kept_functions_are_compiled_all_the_same(monkeypatch, caplog):
    monkeypatch.setattr(CompileResultCacheImpl, "_locator_classes", [])

    @compiled
    def twice(x):
        return 2 * x

    assert twice(3) == 6
    assert "twice is compiled in every process; set NUMBA_CACHE_DIR to a folder to keep it" in caplog.text
