"""One thread per test process: several of them, each with a thread per core, would wait for each other.

And no Slurm but where a test starts one, whatever is configured on the machine.
"""

import gc
import os

import loaded_python
from hypothesis import settings

settings.register_profile("any machine", deadline=None)  # by default 200 ms a draw, which a busy machine exceeds
settings.load_profile("any machine")
gc.disable()  # while modules load: they stay, so there is no garbage among them to look for
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"
os.environ["SLURM_CONF"] = "/dev/null"
os.fsync = lambda number: None  # thousands of files are written, none of which a loss of power has to leave there


def pytest_addoption(parser):
    parser.addoption("--without-accounts", action="store_true", help="a Slurm without a database for the tests")
    parser.addoption("--forgeries", type=int, default=40, help="random forgeries of a results folder to try")
    parser.addoption("--golden", action="store_true", help="take the pictures drawn now as those to compare with")


def pytest_make_parametrize_id(val):
    """Bytes do not name a test: packed ones hold the time, and the workers of xdist must collect the same names."""
    return f"{len(val)}_bytes" if isinstance(val, bytes) else None


LONG = (
    *("tests/workflow/test_audit.py", "tests/test_run.py", "tests/test_kills.py", "tests/workflow/"),
    *("tests/smoke/", "tests/test_"),
    *("tests/figures/", "tests/cells/", "tests/depth/"),
)
"""Begun first, in this order, so that no worker is left alone with them at the end or waits for another to build.

The first compiles loops which the third needs; the second needs none.
"""


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: next((n for n, start in enumerate(LONG) if item.nodeid.startswith(start)), len(LONG)))


def pytest_collection_finish(session):
    gc.freeze()
    gc.enable()


def pytest_sessionfinish():
    loaded_python.end()
