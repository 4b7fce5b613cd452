"""Where a recorded path lies, wherever the results were copied to."""

import shutil
from pathlib import Path

import pytest

from workflow_scripts.provenance.ledger import read_ledger
from workflow_scripts.provenance.verify import verify
from workflow_scripts.rehearsal.made_up_results import ROOT as RESULTS
from workflow_scripts.rehearsal.made_up_results import Writer, make_results
from workflow_scripts.runtime.module_code import ROOT

PUBLISHED = "config/published_values.csv"


@pytest.fixture
def base(tmp_path, monkeypatch):
    """Results and data with a table that was made from a file of the repository."""
    make_results(tmp_path, 1)
    monkeypatch.chdir(tmp_path)
    Path("config").mkdir()
    shutil.copyfile(ROOT / PUBLISHED, PUBLISHED)
    table = f"{RESULTS.as_posix()}/tables/comparison.csv"
    inputs = {"published": [PUBLISHED]}
    Writer().job(RESULTS.as_posix(), "comparison_table", "comparison_table", {}, inputs, [table])
    return tmp_path


def findings(base):
    return [(found.kind, found.path) for found in verify(read_ledger(base / RESULTS), None).findings]


def test_a_file_of_the_repository_that_was_not_copied_is_the_repository_s_own(base):
    assert findings(base) == []
    shutil.rmtree(base / "config")
    assert findings(base) == []


def test_a_file_of_the_repository_that_was_copied_is_the_copy(base):
    (base / PUBLISHED).write_text("other")
    assert findings(base) == [("altered", PUBLISHED)]


def test_a_file_that_no_repository_has_and_data_are_looked_for_where_they_were_only(base):
    ledger = read_ledger(base / RESULTS)
    for path in ("data/gone.npz", "results/other/report.html"):
        assert ledger.location(path) == base / path
    assert ledger.location("config/gone.csv") == ROOT / "config/gone.csv"
    assert not ledger.location("config/gone.csv").exists()
