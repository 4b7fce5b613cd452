import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import NoReturn

import pytest
from services import grid_engine, slurm

CHROMIUM = shutil.which("chromium")


def skip_or_fail(reason: str) -> NoReturn:
    """Skip the test, for a service that cannot be had here; in continuous integration, where all are, fail it."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def browser():
    """Headless Chromium; its tests are skipped where there is none."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        skip_or_fail("the package playwright is not installed")
    if CHROMIUM is None:
        skip_or_fail("chromium is not installed")
    with sync_playwright() as engine:
        # Without a sandbox, because tests may run as root in a container.
        started = engine.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def slurm_cluster(tmp_path_factory, request) -> Iterator[slurm.Cluster]:
    """A Slurm cluster of four nodes; its tests are skipped where none can be started."""
    with ExitStack() as stack:
        accounts = not request.config.getoption("--without-accounts")
        started = slurm.cluster(tmp_path_factory.mktemp("slurm"), accounts=accounts)
        yield _started(slurm.missing, lambda: stack.enter_context(started))


@pytest.fixture(scope="module")
def sge(tmp_path_factory) -> Iterator[grid_engine.GridEngine]:
    """A Grid Engine of one host; its tests are skipped where none can be started."""
    with ExitStack() as stack:
        yield _started(
            grid_engine.missing, lambda: stack.enter_context(grid_engine.grid_engine(tmp_path_factory.mktemp("sge")))
        )


def _started(missing: Callable[[], str | None], start: Callable[[], object]):
    reason = missing()
    if reason is not None:
        skip_or_fail(reason)
    try:
        return start()
    except RuntimeError as error:
        skip_or_fail(f"installed, but it does not start here: {error}")
