"""Outputs of finished jobs that something outside removes, through Snakemake itself."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from workflow.workflow_copy import PROGRAM, build, edit, planned

FILE = "results/tiny/figures/test_error.json"
TRACE = "results/tiny/attempts/figure_test_error.jsonl"
OPTIONS = ["--profile", "profiles/local", "--configfile", "config/tiny.yaml"]
DRAWS = "    groups = _groups(tables)[:_PANELS]\n    if not groups:\n        return style.empty("
WAITS = """    import time
    from pathlib import Path

    while not Path("go").exists():
        time.sleep(0.05)
"""
FAILS = '    raise ValueError("no figure")\n'


@pytest.fixture
def tree(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished tree, one file per test."""
    subprocess.run(["cp", "-a", str(finished), str(tmp_path / "copy")], check=True)
    return tmp_path / "copy"


def _last_attempt(tree: Path) -> dict[str, object]:
    last: dict[str, object] = json.loads((tree / TRACE).read_text().splitlines()[-1])
    return last


def _printed_until(process: subprocess.Popen[str], text: str) -> Iterator[str]:
    """The lines that a process says, up to the first with `text`."""
    assert process.stdout is not None
    for line in process.stdout:
        yield line
        if text in line:
            return


@pytest.mark.parametrize("fails", [False, True])
def test_a_run_during_which_a_finished_output_is_removed_puts_it_back_and_fails(tree: Path, fails: bool) -> None:
    """No job of this run reads the file; another figure waits until it is removed, and then is drawn, or fails."""
    edit(tree / "figures/test_error.py", 'TITLE = "', 'TITLE = "Changed: ')
    edit(tree / "figures/depth_posterior.py", DRAWS, WAITS + (FAILS if fails else "") + DRAWS)
    command = [str(PROGRAM), "figures", *OPTIONS, "--cores", "2"]
    with subprocess.Popen(command, cwd=tree, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            printed = list(_printed_until(process, "jobs done: figure_test_error"))
            content = (tree / FILE).read_bytes()
            (tree / FILE).unlink()
        finally:
            (tree / "go").touch()
        printed += list(process.stdout or ())
    message = f"  figure_test_error: {FILE} went after the job had ended; it was put back from results/tiny/.kept; "
    assert process.returncode == 1
    assert "Outputs of finished jobs were removed or changed from outside:\n" in printed
    assert f"{message}start the same command again\n" in printed
    assert b"Changed: " in content
    assert (tree / FILE).read_bytes() == content
    assert _last_attempt(tree)["put_back"] == 1
    assert "figure_test_error" not in planned(tree, "figures", FILE)


@pytest.mark.parametrize("where", ["here", "cluster"])
def test_a_removed_output_is_put_back_unless_forced(tree: Path, where: str) -> None:
    """On a cluster a job may know nothing of the environment in which Snakemake was started."""
    (tree / "take").write_text(f"env -i PATH={os.environ['PATH']} HOME={tree} sh $1 >out.log 2>&1; echo 1\n")
    cluster = ["--executor", "cluster-generic", "--jobs", "1", "--seconds-between-status-checks", "1"]
    cluster += ["--cluster-generic-submit-cmd", "python -m workflow_scripts.cluster.submit sh take"]
    cluster += ["--cluster-generic-status-cmd", "sh workflow_scripts/cluster/status.sh true"]
    more = cluster if where == "cluster" else []
    content = (tree / FILE).read_bytes()
    (tree / FILE).unlink()
    build(tree, FILE, *more)
    assert (tree / FILE).read_bytes() == content
    # Snakemake itself, where it starts the job, removes the other four first
    assert _last_attempt(tree)["put_back"] == (5 if where == "here" else 1)
    assert "nothing was computed; to compute anew, run Snakemake with --force or --forcerun" in (
        (tree / "results/tiny/logs/figure_test_error.log").read_text()
    )
    assert planned(tree) == {}
    build(tree, FILE, "--force", *more)
    assert (tree / FILE).read_bytes() == content
    assert (_last_attempt(tree)["failed"], "put_back" in _last_attempt(tree)) == (None, False)
