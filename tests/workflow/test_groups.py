"""Jobs that only Snakemake itself can run on a cluster: several of them in one submission."""

import os
from pathlib import Path

import pytest
from workflow.workflow_copy import build

from workflow_scripts.cluster.submission_files import latest_submissions

TABLES = ("results/tiny/tables/searches.csv", "results/tiny/tables/curvature.csv")


@pytest.fixture
def tree(finished: Path) -> Path:
    return finished


def test_a_group_of_jobs_is_one_submission_that_snakemake_runs(tree: Path) -> None:
    contents = [(tree / table).read_bytes() for table in TABLES]
    for table in TABLES:
        (tree / table).unlink()
    (tree / "take").write_text(f"env -i PATH={os.environ['PATH']} HOME={tree} sh $1 >out.log 2>&1; echo 1\n")
    cluster = ["--executor", "cluster-generic", "--jobs", "1", "--seconds-between-status-checks", "1"]
    cluster += ["--cluster-generic-submit-cmd", "python -m workflow_scripts.cluster.submit sh take"]
    cluster += ["--cluster-generic-status-cmd", "sh workflow_scripts/cluster/status.sh true"]
    build(tree, *TABLES, *cluster, "--groups", "join_tables=together", "--group-components", "together=2")
    assert [(tree / table).read_bytes() for table in TABLES] == contents
    ((job, submission),) = latest_submissions(tree / "results/tiny").items()
    assert job.startswith("group_")
    assert "\nsh " in (submission.folder / "script.sh").read_text()
    assert submission.exit_status == 0
