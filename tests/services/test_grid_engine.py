"""The workflow on a real Grid Engine, through the profile for any scheduler."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from services.workflow_runs import (
    LOG,
    TARGET,
    Run,
    copy_without_results,
    epochs_done,
    processes_of_the_search,
    same_bytes,
    starts,
    undisturbed_tree,
)
from workflow.workflow_copy import copy_workflow


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    return undisturbed_tree(tmp_path_factory.mktemp("undisturbed"))


@pytest.fixture
def tree(undisturbed, tmp_path) -> Path:
    return copy_without_results(undisturbed, tmp_path / "tree")


def test_the_tiny_study_ends_and_is_sound(sge, tmp_path):
    tree = copy_workflow(tmp_path / "tree")
    Run(tree, sge.environment, "generic").finish(seconds=600)
    verify = [sys.executable, "-m", "workflow_scripts.audit", "verify", "results/tiny"]
    verdict = subprocess.run(verify, cwd=tree, capture_output=True, text=True, check=False)
    assert verdict.returncode == 0, verdict.stdout
    records = [json.loads(path.read_text()) for path in (tree / "results/tiny/records").rglob("*.json")]
    numbers = [record["machine"]["scheduler_job"] for record in records]
    assert len(numbers) > 20 and all(numbers) and len(set(numbers)) == len(numbers)


@pytest.mark.parametrize("how", ["killed", "deleted"])
def test_a_job_that_ends_early_goes_on_to_the_same_bytes(sge, tree, undisturbed, how):
    process = Run(tree, sge.environment, "generic", TARGET)
    process.wait_for(lambda: epochs_done(tree) >= 10)
    if how == "killed":
        for pid in processes_of_the_search(tree):
            os.kill(pid, signal.SIGKILL)
    else:
        sge.run("qdel", *sge.jobs())
    process.finish()
    assert same_bytes(tree, undisturbed)
    assert "going on from the checkpoint" in (tree / LOG).read_text()
    assert starts(tree) == 2
