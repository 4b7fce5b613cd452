import shutil

import pytest
from provenance.forging import ROOT

from workflow_scripts.rehearsal.made_up_results import make_results


@pytest.fixture(scope="session")
def original(tmp_path_factory):
    """The folder a made-up workflow ran in."""
    base = tmp_path_factory.mktemp("made_up")
    make_results(base, searches=8)
    return base


@pytest.fixture
def results(original, tmp_path):
    """A copy of the made-up results folder, to be altered."""
    shutil.copytree(original, tmp_path / "base")
    return tmp_path / "base" / ROOT
