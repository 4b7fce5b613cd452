import pytest

from workflow_scripts.runtime.progress import Silent
from workflow_scripts.steps import fetch_data


@pytest.fixture(scope="session")
def digits(tmp_path_factory):
    """The prepared file of the digits data set."""
    path = tmp_path_factory.mktemp("digits") / "digits.npz"
    settings = {"module": "workflow_scripts.data.sets.digits", "access": {}}
    fetch_data.run(settings, {}, {"data": [path]}, Silent())
    return path
