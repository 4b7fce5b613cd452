from pathlib import Path

import pytest
from workflow.tree import build, copy_workflow


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree whose study has run to the end once."""
    tree = copy_workflow(tmp_path_factory.mktemp("finished") / "tree")
    build(tree)
    return tree
