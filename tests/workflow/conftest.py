import os
import shutil
import subprocess
from pathlib import Path

import pytest
from filelock import FileLock
from workflow.workflow_copy import build, compile_loops, copy_workflow


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree whose study has run to the end once, two jobs at once, for copies of it; the workers of xdist share it."""
    own = tmp_path_factory.getbasetemp()
    folder = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    tree, complete = folder / "built", folder / "built.complete"
    with FileLock(folder / "built.lock"):
        if not complete.exists():
            shutil.rmtree(tree, ignore_errors=True)  # of a worker whose build failed
            compile_loops()  # once, not in each of the jobs that need them, which run at once
            build(copy_workflow(tree), "--cores", "2")
            complete.touch()
    return tree


@pytest.fixture(scope="module")
def finished(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree of a test module's own, whose study has run to the end once; a copy reruns nothing."""
    tree = tmp_path_factory.mktemp("finished") / "tree"
    subprocess.run(["cp", "-a", str(built), str(tree)], check=True)
    return tree
