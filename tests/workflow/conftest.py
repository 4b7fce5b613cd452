import subprocess
from pathlib import Path

import pytest
from workflow.tree import build, copy_workflow


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree whose study has run to the end once, two jobs at once, for copies of it."""
    tree = copy_workflow(tmp_path_factory.mktemp("built") / "tree")
    build(tree, "--cores", "2")
    return tree


@pytest.fixture(scope="module")
def finished(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree of a test module's own, whose study has run to the end once; a copy reruns nothing."""
    tree = tmp_path_factory.mktemp("finished") / "tree"
    subprocess.run(["cp", "-a", str(built), str(tree)], check=True)
    return tree
