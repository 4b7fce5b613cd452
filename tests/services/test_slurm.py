"""The workflow on a real Slurm cluster, and what goes wrong there: always the same bytes, or one clear sentence."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from readme import commands, run, small_tree
from services.conftest import skip_or_fail
from workflow.tree import PROGRAM, ROOT, copy_workflow, edit

SEARCH = "results/tiny/cells/searches/s4_digits/darts/l2-0.0003_drop-0_seed-1"
RECORD = "results/tiny/records/cell_search/s4_digits/darts/l2-0.0003_drop-0_seed-1.json"
ATTEMPTS = "results/tiny/attempts/cell_search/s4_digits/darts/l2-0.0003_drop-0_seed-1.jsonl"
LOG = "results/tiny/logs/cell_search/s4_digits/darts/l2-0.0003_drop-0_seed-1.log"
TARGET = f"{SEARCH}/history.csv"
EPOCHS = 60
"""Of a search that takes half a minute, so that it can be hit in the middle."""


@pytest.fixture(scope="module")
def environment(slurm_cluster) -> dict[str, str]:
    return slurm_cluster.environment


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    """The tree of a study with one longer search, which ran on this machine without Slurm."""
    tree = copy_workflow(tmp_path_factory.mktemp("undisturbed") / "tree")
    edit(tree / "config/tiny.yaml", "epochs: 6\n", f"epochs: {EPOCHS}\n")
    command = [str(PROGRAM), TARGET, "--profile", "profiles/local", "--configfile", "config/tiny.yaml"]
    subprocess.run(command, cwd=tree, check=True, capture_output=True, timeout=300)
    return tree


@pytest.fixture
def tree(undisturbed, tmp_path) -> Path:
    """The same study with its data, and without the search."""
    subprocess.run(["cp", "-a", str(undisturbed), str(tmp_path / "tree")], check=True)
    shutil.rmtree(tmp_path / "tree" / "results")
    return tmp_path / "tree"


def start(tree: Path, environment: dict[str, str], *arguments: str, study: str = "tiny") -> "subprocess.Popen[str]":
    """Snakemake with the Slurm profile, as a person starts it."""
    command = [str(PROGRAM), *arguments, "--profile", "profiles/slurm", "--configfile", f"config/{study}.yaml"]
    command += ["--seconds-between-status-checks", "2"]
    output = (tree / f"said-{time.monotonic_ns()}.txt").open("w+")
    process = subprocess.Popen(command, cwd=tree, env=environment, stdout=output, stderr=subprocess.STDOUT, text=True)
    process.said = Path(output.name)  # type: ignore[attr-defined]
    return process


def finish(process: "subprocess.Popen[str]", status: int = 0, seconds: float = 420) -> str:
    """Wait for Snakemake; what it said."""
    code = process.wait(timeout=seconds)
    said: str = process.said.read_text()  # type: ignore[attr-defined]
    assert (code == 0) == (status == 0), said
    return said


def wait_for(condition: Callable[[], bool], process: "subprocess.Popen[str]", seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.said.read_text()  # type: ignore[attr-defined]
        assert time.monotonic() < deadline, process.said.read_text()  # type: ignore[attr-defined]
        time.sleep(0.1)


def epochs_done(tree: Path) -> int:
    log = tree / LOG
    return len(re.findall(rf"^\d+/{EPOCHS} ", log.read_text(), re.MULTILINE)) if log.exists() else 0


def attempts(tree: Path) -> list[dict]:
    file = tree / ATTEMPTS
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def jobs(environment: dict[str, str], form: str = "%i") -> list[str]:
    command = ["squeue", "-h", "-o", form]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.split()


def same_bytes(tree: Path, undisturbed: Path) -> bool:
    names = sorted(path.name for path in (undisturbed / SEARCH).iterdir() if not path.name.startswith("."))
    return len(names) == 6 and all(
        (tree / SEARCH / name).read_bytes() == (undisturbed / SEARCH / name).read_bytes() for name in names
    )


def processes_of_the_search() -> list[int]:
    found = subprocess.run(
        ["pgrep", "-f", r"workflow_scripts\.run .*cell_search"], capture_output=True, text=True, check=False
    )
    return [pid for pid in map(int, found.stdout.split()) if _is_python(pid)]


def _is_python(pid: int) -> bool:
    try:
        return "python" in os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return False


# ----------------------------------------------------------------------------------------------------------------------


def test_the_demo_completes_and_is_sound(environment, tmp_path):
    tree = copy_workflow(tmp_path / "tree")
    finish(start(tree, environment, study="demo"), seconds=1200)
    command = [sys.executable, "-m", "workflow_scripts.audit", "verify", "results/demo"]
    verdict = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    assert verdict.returncode == 0, verdict.stdout
    records = [json.loads(path.read_text()) for path in (tree / "results/demo/records").rglob("*.json")]
    searched = [record for record in records if record["step"] == "cell_search"]
    assert len(searched) == 2
    assert all(record["machine"]["scheduler_job"] for record in searched)


def test_the_commands_of_the_readme(environment, tmp_path):
    tree = small_tree(tmp_path / "clone")
    typed = [command for command in commands() if "slurm" in command]
    assert len(typed) == 2
    for command, word in zip(typed, ("Report: results/paper/report.html", "Nothing to be done"), strict=True):
        done = run(tree, command, environment)
        assert done.returncode == 0, done.stdout + done.stderr
        assert word in done.stdout + done.stderr


def test_each_job_sees_a_device_of_its_own(environment):
    command = ["srun", "--gres=gpu:1", "bash", "-c", "echo $CUDA_VISIBLE_DEVICES; sleep 2"]
    both = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert {process.communicate(timeout=60)[0].strip() for process in both} == {"0", "1"}


def test_a_job_killed_at_a_random_moment_goes_on(environment, tree, undisturbed):
    process = start(tree, environment, TARGET)
    moment = random.Random(7).randint(5, EPOCHS - 20)
    wait_for(lambda: epochs_done(tree) >= moment, process)
    for pid in processes_of_the_search():
        os.kill(pid, signal.SIGKILL)
    finish(process)
    assert same_bytes(tree, undisturbed)
    assert "going on from the checkpoint" in (tree / LOG).read_text()
    assert len([entry for entry in attempts(tree) if "started" in entry]) == 2


def test_a_cancelled_job_says_so_and_goes_on(environment, tree, undisturbed):
    process = start(tree, environment, TARGET)
    wait_for(lambda: epochs_done(tree) >= 10, process)
    for job in jobs(environment):
        subprocess.run(["scancel", "--signal=TERM", "--full", job], env=environment, check=True)
    finish(process)
    assert same_bytes(tree, undisturbed)
    ended = [entry for entry in attempts(tree) if entry.get("failed")]
    assert [entry["failed"] for entry in ended] in ([], ["Stopped"])


def test_the_main_process_is_killed_and_started_again(environment, tree, undisturbed):
    """The first job runs on; the second, for the same output, waits for it and takes its result."""
    first = start(tree, environment, TARGET)
    wait_for(lambda: epochs_done(tree) >= 5, first)
    first.send_signal(signal.SIGKILL)
    first.wait(timeout=20)
    unlock = [str(PROGRAM), "--unlock", "--configfile", "config/tiny.yaml"]
    subprocess.run(unlock, cwd=tree, env=environment, check=True, capture_output=True)
    finish(start(tree, environment, TARGET))
    assert same_bytes(tree, undisturbed)
    log = (tree / LOG).read_text()
    assert "another process makes the same outputs (host " in log
    assert "the other process made them, from the same settings, code and inputs" in log
    assert len([entry for entry in attempts(tree) if "started" in entry]) == 1, "nothing was computed twice"


def test_a_job_at_its_time_limit_goes_on(environment, tree, undisturbed):
    """The limit is a minute, and the search is made to take longer by stopping it for a while."""
    edit(tree / "config/tiny.yaml", "depth:\n", "resources: {cell_search: {runtime: 1, mem_mb: 2000}}\ndepth:\n")
    process = start(tree, environment, TARGET)
    wait_for(lambda: epochs_done(tree) >= 10, process)
    for pid in processes_of_the_search():
        os.kill(pid, signal.SIGSTOP)
    finish(process)
    assert same_bytes(tree, undisturbed)
    assert "going on from the checkpoint" in (tree / LOG).read_text()


def test_a_drained_node_delays_and_loses_nothing(environment, tree, undisturbed):
    node = jobs_node()
    drain = ["scontrol", "update", f"nodename={node}", "state=drain", "reason=test"]
    subprocess.run(drain, env=environment, check=True)
    try:
        process = start(tree, environment, TARGET)
        wait_for(lambda: bool(jobs(environment)), process)
        time.sleep(5)
        assert not attempts(tree), "no job starts on a drained node"
    finally:
        subprocess.run(["scontrol", "update", f"nodename={node}", "state=resume"], env=environment, check=True)
    finish(process)
    assert same_bytes(tree, undisturbed)


def jobs_node() -> str:
    import socket

    return socket.gethostname()


def test_an_output_partly_written_is_made_again(environment, tree, undisturbed):
    (tree / SEARCH).mkdir(parents=True)
    content = (undisturbed / TARGET).read_bytes()
    (tree / TARGET).write_bytes(content[: len(content) // 2])
    finish(start(tree, environment, TARGET, f"{SEARCH}/outcome.json"))
    assert same_bytes(tree, undisturbed)


def test_a_full_disk_is_one_sentence_and_loses_nothing(environment, tree, undisturbed):
    results = tree / "results"
    results.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=48k", "tmpfs", str(results)], capture_output=True, text=True
    )
    if mounted.returncode != 0:
        skip_or_fail(f"no small file system can be mounted here: {mounted.stderr.strip()}")
    try:
        said = finish(start(tree, environment, TARGET, "--retries", "0"), status=1)
        assert "no space is left for " in said + _logs(tree), said
        subprocess.run(["mount", "-o", "remount,size=100m", str(results)], check=True)
        finish(start(tree, environment, TARGET))
        assert same_bytes(tree, undisturbed)
    finally:
        subprocess.run(["umount", "-l", str(results)], check=False)


def _logs(tree: Path) -> str:
    return "\n".join(path.read_text(errors="replace") for path in (tree / ".snakemake").rglob("*.log"))


def test_the_profile_is_the_one_that_is_shipped():
    assert (ROOT / "profiles/slurm/config.yaml").read_text().count("retries: 3") == 1
