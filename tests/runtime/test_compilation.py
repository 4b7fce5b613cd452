"""Compiled functions on disk: loaded again, and made anew where a file is damaged or of another source."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FUNCTION = """
from workflow_scripts.runtime.compilation import compiled, inlined

@inlined
def factor(x):
    return 3 * x

def times(count):
    @compiled
    def product(x):
        return factor(x) * count
    return product
"""
PROGRAM = """
import made_up
for product, x in ((made_up.times(2), 1.0), (made_up.times(2), 1), (made_up.times(5), 1.0)):
    print(product(x), sum(product.stats.cache_hits.values()), sum(product.stats.cache_misses.values()))
"""
COMPILED = "6.0 0 1\n6 0 1\n15.0 0 1\n"
LOADED = "6.0 1 0\n6 1 0\n15.0 1 0\n"


@pytest.fixture
def program(tmp_path):
    """Runs the program; gives what it printed, what it warned of and the files it has left."""
    (tmp_path / "made_up.py").write_text(FUNCTION)

    def run():
        environment = os.environ | {"PYTHONPATH": f"{tmp_path}:{ROOT}", "PYTHONDONTWRITEBYTECODE": "1"}
        environment["NUMBA_CACHE_DIR"] = str(tmp_path / "cache")
        done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True)
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
    assert (printed, warned, len(files)) == (COMPILED, "", 3)
    assert program() == (LOADED, "", files)
    for file in files:
        file.write_bytes(damage(file.read_bytes(), how))
    printed, warned, _ = program()
    assert printed == COMPILED
    assert sorted(warned.splitlines()) == sorted(
        f"{file} is damaged; it is removed and compiled again" for file in files
    )
    assert program() == (LOADED, "", files)


def test_another_source_is_compiled_in_the_same_files(program, tmp_path):
    _, _, files = program()
    (tmp_path / "made_up.py").write_text(FUNCTION.replace("3 * x", "30 * x"))
    assert program() == (COMPILED.replace("6", "60").replace("15", "150"), "", files)
