"""A study is rehearsed from end to end, in files of its own."""

import signal
import subprocess
import sys
import time

import psutil
from workflow.workflow_copy import ROOT, copy_workflow, edit, one_depth_network

from workflow_scripts.rehearsal import head_node

RESULTS = "results/tiny-rehearsal"
SAMPLE = ("--profile", "local", "--jobs", "1", "--set", "figures=[test_error]")


def command(*arguments):
    return [sys.executable, "-m", "workflow_scripts.rehearse", "config/tiny.yaml", *arguments]


def rehearse(tree, *arguments):
    return subprocess.run(command(*arguments), cwd=tree, capture_output=True, text=True, timeout=600, check=False)


def interrupted(tree):
    """Start a rehearsal and interrupt it when its first job has ended; its exit status and what it printed."""
    heard = ["env", "--default-signal=INT", *command(*SAMPLE)]  # a shell in the background ignores it
    started = subprocess.Popen(heard, cwd=tree, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not list((tree / RESULTS / "records").rglob("*.json")) and started.poll() is None:
        time.sleep(0.1)
    started.send_signal(signal.SIGINT)
    printed, _ = started.communicate(timeout=300)
    return started.returncode, printed


def running_in(tree):
    return [each.info for each in psutil.process_iter(["cwd", "cmdline"]) if each.info["cwd"] == str(tree)]


def rows(printed):
    return {words[0]: words[1:] for line in printed.splitlines() if (words := line.split())}


def test_a_rehearsal_that_was_interrupted_goes_on_and_leaves_data_and_results_of_the_study_alone(tmp_path):
    tree = copy_workflow(tmp_path / "tree")
    one_depth_network(tree / "config/tiny.yaml")
    edit(tree / "config/tiny.yaml", "methods: [darts, darts_es]", "methods: [darts]")
    status, printed = interrupted(tree)
    planned, ended, *_ = rows(printed)["all"]
    assert status not in (0, 2) and 0 < int(ended) < int(planned), printed
    assert running_in(tree) == []

    done = rehearse(tree, *SAMPLE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(path.name for path in (tree / "results").iterdir()) == ["tiny-rehearsal"]
    assert not (tree / "data").exists()
    assert (tree / RESULTS / "report.html").is_file()
    assert rows(done.stdout)["cell_search"][:3] == ["1", "1", "0"], "one of the two searches is left"
    assert rows(done.stdout)["all"][:3] == [planned, planned, "0"]
    first, second = head_node.kept(tree / RESULTS)
    assert first.processor_seconds > 0 and second.largest_share > 0

    verify = [sys.executable, "-m", "workflow_scripts.audit", "verify", RESULTS]
    verified = subprocess.run(verify, cwd=tree, capture_output=True, text=True, check=False)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert "configuration is not at hand" not in verified.stdout

    table = f"{RESULTS}/tables/search_spaces.csv"
    replayed = [sys.executable, "-m", "workflow_scripts.audit", "replay", table]
    assert subprocess.run(replayed, cwd=tree, capture_output=True, check=False).returncode == 0

    again = rehearse(tree, "--report-only")
    assert again.returncode == 0
    assert rows(again.stdout)["all"] == rows(done.stdout)["all"]

    edit(tree / "workflow_scripts/steps/made_up_data.py", "test images, made up", "test images made up")
    status = [sys.executable, "-m", "workflow_scripts.status", "config/tiny-rehearsal.yaml"]
    stands = subprocess.run(status, cwd=tree, capture_output=True, text=True, check=False).stdout
    assert "stale: made_up_data/digits" in stands
    assert "may follow: cell_search/" in stands, "images that are made up again may have the same bytes"
    assert "Snakemake would run the same jobs" in stands


def test_a_study_of_published_logs_is_refused_in_one_sentence():
    refused = [sys.executable, "-m", "workflow_scripts.rehearse", "config/published.yaml", "--profile", "local"]
    done = subprocess.run(refused, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1 and "published search logs" in done.stderr
