"""A study is rehearsed from end to end, in files of its own."""

import subprocess
import sys

from workflow.tree import ROOT, copy_workflow

from workflow_scripts.rehearsal import head_node

RESULTS = "results/tiny-rehearsal"


def rehearse(tree, *arguments):
    command = [sys.executable, "-m", "workflow_scripts.rehearse", "config/tiny.yaml", *arguments]
    return subprocess.run(command, cwd=tree, capture_output=True, text=True, timeout=600, check=False)


def test_a_rehearsal_runs_its_jobs_and_leaves_data_and_results_of_the_study_alone(tmp_path):
    tree = copy_workflow(tmp_path / "tree")
    done = rehearse(tree, "--profile", "local", "--jobs", "1", "--set", "figures=[test_error]")
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(path.name for path in (tree / "results").iterdir()) == ["tiny-rehearsal"]
    assert not (tree / "data").exists()
    assert (tree / RESULTS / "report.html").is_file()

    columns = {words[0]: words[1:] for line in done.stdout.splitlines() if (words := line.split())}
    assert columns["cell_search"] == ["1", "1", "0", "1", "0"], "one of the two searches is left"
    planned, ended, failed, *_ = columns["all"]
    assert (planned, failed) == (ended, "0")
    assert [load for load in head_node.kept(tree / RESULTS) if load.processor_seconds > 0 and load.largest_share > 0]

    verified = subprocess.run(
        [sys.executable, "-m", "workflow_scripts.audit", "verify", RESULTS], cwd=tree, capture_output=True, text=True
    )
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert "configuration is not at hand" not in verified.stdout

    again = rehearse(tree, "--report-only")
    assert again.returncode == 0
    assert again.stdout.splitlines() == [line for line in done.stdout.splitlines() if line in again.stdout.splitlines()]
    assert "cell_search" in again.stdout


def test_a_study_of_published_logs_is_refused_in_one_sentence():
    command = [sys.executable, "-m", "workflow_scripts.rehearse", "config/published.yaml", "--profile", "local"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1 and "published search logs" in done.stderr
