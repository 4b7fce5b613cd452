"""The workflow on a real Slurm of four nodes and what goes wrong there: the same bytes, or one clear sentence."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from readme_examples import commands, run, small_clone
from services.conftest import skip_or_fail
from services.slurm import ACCOUNT, NODES, QOS
from services.workflow_runs import (
    EPOCHS,
    JOB,
    LOG,
    SEARCH,
    TARGET,
    Run,
    attempts,
    copy_without_results,
    epochs_done,
    processes_of_the_search,
    same_bytes,
    starts,
    undisturbed_tree,
)
from workflow.workflow_copy import ROOT, copy_workflow, edit

from workflow_scripts.cluster.submission_files import submissions

PROFILE = "profiles/slurm/config.yaml"
AWAY_SECONDS = 180
"""For which the controller is away."""
MANY = 300
"""Jobs, of which at most 100 are submitted at a time."""


@pytest.fixture(scope="module")
def environment(slurm_cluster) -> dict[str, str]:
    return slurm_cluster.environment


@pytest.fixture
def accounts(slurm_cluster):
    """The cluster, where it keeps accounts."""
    if not slurm_cluster.accounts:
        pytest.skip("this cluster keeps no accounts")
    return slurm_cluster


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    return undisturbed_tree(tmp_path_factory.mktemp("undisturbed"))


@pytest.fixture
def tree(undisturbed, tmp_path) -> Path:
    return copy_without_results(undisturbed, tmp_path / "tree")


@pytest.fixture
def start(tree, environment):
    """Start Snakemake in the tree; it is ended with the test, and so are its jobs."""
    runs: list[Run] = []

    def begin(*arguments: str) -> Run:
        runs.append(Run(tree, environment, "slurm", *(arguments or (TARGET,))))
        return runs[-1]

    yield begin
    for each in runs:
        each.process.kill()
    subprocess.run(["scancel", "--user", "root"], env=environment, check=False, capture_output=True)


def ask_for(tree: Path, line: str) -> None:
    """Put other options into the profile's submit command."""
    edit(tree / PROFILE, "  --partition=main\n", f"  {line}\n")


def status(tree: Path) -> str:
    """What `make status` says."""
    command = [sys.executable, "-m", "workflow_scripts.status", "config/tiny.yaml"]
    return subprocess.run(command, cwd=tree, capture_output=True, text=True, check=True).stdout


def check(tree: Path, environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    """What `make run PROFILE=slurm` asks first."""
    command = [sys.executable, "-m", "workflow_scripts.check", "config/tiny.yaml", "--profile", "slurm"]
    return subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)


# ---- whole studies ---------------------------------------------------------------------------------------------------


def test_the_commands_of_the_readme_and_the_audit(environment, tmp_path):
    tree = small_clone(tmp_path / "clone")
    typed = [command for command in commands() if "slurm" in command and "rehearse" not in command]
    assert len(typed) == 2
    for command, word in zip(typed, ("Report: results/paper/report.html", "Nothing to be done"), strict=True):
        done = run(tree, command, environment)
        assert done.returncode == 0, done.stdout + done.stderr
        assert word in done.stdout + done.stderr
    verify = [sys.executable, "-m", "workflow_scripts.audit", "verify", "results/paper"]
    verdict = subprocess.run(verify, cwd=tree, capture_output=True, text=True, check=False)
    assert verdict.returncode == 0, verdict.stdout
    records = [json.loads(path.read_text()) for path in (tree / "results/paper/records").rglob("*.json")]
    searched = [record for record in records if record["step"] == "cell_search"]
    assert len(searched) == 2
    assert all(record["machine"]["scheduler_job"] and record["machine"]["host"] in NODES for record in searched)


def test_hundreds_more_jobs_than_are_submitted_at_a_time_and_one_that_fails(environment, tmp_path):
    """All are submitted and end; the one that fails leaves the results of all others alone."""
    tree = copy_workflow(tmp_path / "tree")
    (tree / "Many").write_text((ROOT / "tests/services/many_jobs.smk").read_text())
    several = Run(tree, environment, "slurm", "--snakefile", "Many", "--config", f"jobs={MANY}", "--retries", "0")
    most = 0
    while several.process.poll() is None:
        listed = subprocess.run(["squeue", "-h", "-o", "%i"], env=environment, capture_output=True, text=True).stdout
        most = max(most, len(listed.split()))
        time.sleep(1)
    assert several.process.returncode != 0, "one job fails"
    assert 20 < most <= 100
    made = {path.stem for path in (tree / "results/many/tables").glob("*.csv")}
    assert made == {str(number) for number in range(MANY)} - {"7"}, several.console
    assert len(list((tree / "results/many/scheduler").iterdir())) == MANY


# ---- jobs that are killed --------------------------------------------------------------------------------------------


def test_a_job_killed_at_a_random_moment_goes_on(start, tree, undisturbed):
    process = start()
    moment = random.Random(7).randint(5, EPOCHS - 20)
    process.wait_for(lambda: epochs_done(tree) >= moment)
    for pid in processes_of_the_search(tree):
        os.kill(pid, signal.SIGKILL)
    process.finish()
    assert same_bytes(tree, undisturbed)
    assert "going on from the checkpoint" in (tree / LOG).read_text()
    assert starts(tree) == 2


def test_a_cancelled_job_says_so_and_goes_on(start, tree, undisturbed, slurm_cluster):
    process = start()
    process.wait_for(lambda: epochs_done(tree) >= 10)
    for job in slurm_cluster.jobs():
        slurm_cluster.run("scancel", "--signal=TERM", "--full", job)
    process.finish()
    assert same_bytes(tree, undisturbed)
    ended = [entry for entry in attempts(tree) if entry.get("failed")]
    assert [entry["failed"] for entry in ended] in ([], ["Stopped"])


def test_the_main_process_is_killed_and_started_again(start, tree, undisturbed):
    """The first job runs on; the second, for the same output, waits for it and takes its result."""
    first = start()
    first.wait_for(lambda: epochs_done(tree) >= 5)
    first.process.kill()
    first.process.wait(timeout=20)
    start().finish()
    assert same_bytes(tree, undisturbed)
    log = (tree / LOG).read_text()
    assert "another process makes the same outputs (host " in log
    assert "the other process made them, from the same settings, code and inputs" in log
    assert starts(tree) == 1, "nothing was computed twice"


def test_a_job_at_its_time_limit_goes_on(start, tree, undisturbed):
    """The limit is a minute, and the search is made to take longer by stopping it for a while."""
    edit(tree / "config/tiny.yaml", "depth:\n", "resources: {cell_search: {runtime: 1, mem_mb: 2000}}\ndepth:\n")
    process = start()
    process.wait_for(lambda: epochs_done(tree) >= 10)
    for pid in processes_of_the_search(tree):
        os.kill(pid, signal.SIGSTOP)
    output = process.finish()
    assert same_bytes(tree, undisturbed)
    assert "going on from the checkpoint" in (tree / LOG).read_text()
    assert "it reached its time limit" in output


def test_ctrl_c_cancels_the_jobs_and_says_so_without_a_traceback(start, tree, undisturbed, slurm_cluster):
    process = start()
    process.wait_for(lambda: epochs_done(tree) >= 5)
    os.killpg(process.process.pid, signal.SIGINT)
    output = process.finish(well=False, seconds=60)
    assert "Traceback" not in output
    deadline = time.monotonic() + 30
    while slurm_cluster.jobs():
        assert time.monotonic() < deadline, "the job was not cancelled"
        time.sleep(0.5)
    start(TARGET).finish()
    assert same_bytes(tree, undisturbed)
    assert "going on from the checkpoint" in (tree / LOG).read_text()


# ---- what the cluster does -------------------------------------------------------------------------------------------


def test_drained_nodes_delay_and_lose_nothing(start, tree, undisturbed, slurm_cluster):
    nodes = f"nodename={','.join(NODES)}"
    assert slurm_cluster.run("scontrol", "update", nodes, "state=drain", "reason=test").returncode == 0
    try:
        process = start()
        process.wait_for(lambda: bool(slurm_cluster.jobs()))
        time.sleep(5)
        assert not attempts(tree), "no job starts on a drained node"
    finally:
        slurm_cluster.run("scontrol", "update", nodes, "state=resume")
    process.finish()
    assert same_bytes(tree, undisturbed)


def test_a_dead_node_costs_one_attempt(start, tree, undisturbed, slurm_cluster):
    ask_for(tree, "--partition=main --no-requeue")
    process = start()
    process.wait_for(lambda: epochs_done(tree) >= 10)
    node = attempts(tree)[-1]["host"]
    slurm_cluster.kill_node(node)
    try:
        process.finish()
    finally:
        slurm_cluster.start_node(node)
    assert same_bytes(tree, undisturbed)
    assert starts(tree) == 2
    assert "going on from the checkpoint" in (tree / LOG).read_text()
    if slurm_cluster.accounts:
        assert "NODE_FAIL" in process.console


def test_the_controller_is_away_for_minutes_while_a_job_ends(start, tree, undisturbed, slurm_cluster):
    process = start(TARGET, "results/tiny/tables/s4_digits/searches.csv")
    process.wait_for(lambda: epochs_done(tree) >= 5)
    slurm_cluster.stop_controller()
    try:
        time.sleep(AWAY_SECONDS)
        assert process.process.poll() is None, process.console
        assert (tree / f"results/tiny/records/{JOB}.json").exists(), "the job ended meanwhile"
    finally:
        slurm_cluster.start_controller()
    output = process.finish()
    assert same_bytes(tree, undisturbed)
    assert starts(tree) == 1, "no attempt is used up"
    assert "the scheduler does not answer" in output or "the scheduler takes no job now" in output


def test_the_database_is_away_from_before_a_job_ends_until_the_run_has_ended(start, tree, undisturbed, accounts):
    process = start(TARGET, "results/tiny/tables/s4_digits/searches.csv")
    process.wait_for(lambda: epochs_done(tree) >= 5)
    accounts.stop_database()
    try:
        process.finish()
    finally:
        accounts.start_database()
    assert same_bytes(tree, undisturbed)
    assert starts(tree) == 1, "no attempt is used up"


def test_a_preempted_job_that_is_not_requeued_is_submitted_again(start, tree, undisturbed, slurm_cluster):
    ask_for(tree, "--partition=cheap --nodelist=n2 --exclusive")
    process = start()
    process.wait_for(lambda: epochs_done(tree) >= 10)
    urgent = ["sbatch", "--partition=urgent", "--nodelist=n2", "--exclusive", "--output=/dev/null", "--wrap=sleep 5"]
    assert slurm_cluster.run(*urgent).returncode == 0
    output = process.finish()
    assert same_bytes(tree, undisturbed)
    assert "PREEMPTED" in output
    assert starts(tree) == 2


def test_a_preempted_job_that_is_requeued_goes_on(start, tree, undisturbed, slurm_cluster):
    ask_for(tree, "--partition=main --requeue --nodelist=n3 --exclusive")
    process = start()
    process.wait_for(lambda: epochs_done(tree) >= 10)
    urgent = ["sbatch", "--partition=urgent", "--nodelist=n3", "--exclusive", "--output=/dev/null", "--wrap=sleep 5"]
    assert slurm_cluster.run(*urgent).returncode == 0
    process.finish()
    assert same_bytes(tree, undisturbed)
    assert "going on from the checkpoint" in (tree / LOG).read_text()


# ---- what the cluster refuses ----------------------------------------------------------------------------------------


def test_a_limit_on_submitted_jobs_is_waited_out(start, tree, accounts, environment):
    accounts.set_limit(MaxSubmitJobs=2)
    try:
        result = check(tree, environment)
        assert result.returncode == 0
        assert "the cluster takes 2 jobs of yours at a time, fewer than the 100" in result.stderr
        output = start("results/tiny/tables/s4_digits/searches.csv", "results/tiny/tables/depth_runs.csv").finish()
    finally:
        accounts.set_limit(MaxSubmitJobs=-1)
    assert "AssocMaxSubmitJobLimit" in output and "waiting until it does" in output
    files = sorted((tree / "results/tiny/attempts").rglob("*.jsonl"))
    assert len(files) >= 6
    assert all(file.read_text().count('"started"') == 1 for file in files), "no attempt is used up"
    assert "Trying to restart" not in output


def test_a_wrong_partition_is_told_before_the_start_and_during_it(start, tree, environment):
    ask_for(tree, "--partition=nowhere")
    result = check(tree, environment)
    assert result.returncode == 2
    assert "the cluster refuses jobs of other rules: invalid partition specified: nowhere" in result.stderr
    output = start(TARGET, "--retries", "1").finish(well=False)
    assert f"{JOB}: the scheduler refused it: invalid partition specified: nowhere" in output
    assert "the scheduler refused it: invalid partition specified: nowhere" in status(tree)


def test_a_time_above_the_partitions_is_told_before_the_start_and_in_the_queue(start, tree, environment):
    ask_for(tree, "--partition=short")
    result = check(tree, environment)
    assert result.returncode == 2
    assert "60 minutes are asked for, and the partition short allows 1; jobs would wait forever" in result.stderr
    process = start()
    process.wait_for(lambda: "waits, and will until something changes: PENDING PartitionTimeLimit" in process.console)
    assert "waits, and will until something changes: PENDING PartitionTimeLimit" in status_of_results(tree)


def status_of_results(tree: Path) -> str:
    """The part of `make status` that needs no dry run, because Snakemake holds the folder."""
    code = "from workflow_scripts.provenance.failed_jobs import failures; from pathlib import Path;"
    code += "print(*failures(Path('results/tiny')), sep='\\n')"
    return subprocess.run([sys.executable, "-c", code], cwd=tree, capture_output=True, text=True, check=True).stdout


def test_a_job_that_is_killed_for_memory_says_so(start, tree, slurm_cluster):
    if not slurm_cluster.memory_limited:
        pytest.skip("memory is not limited here: no cgroups")
    edit(tree / "config/tiny.yaml", "depth:\n", "resources: {cell_search: {runtime: 5, mem_mb: 60}}\ndepth:\n")
    output = start(TARGET, "--retries", "0").finish(well=False)
    assert "OUT_OF_MEMORY" in output and "raise mem_mb of its rule" in output
    assert "OUT_OF_MEMORY" in status(tree)


def test_a_job_that_fails_before_its_wrapper_begins_is_told_with_the_schedulers_log(start, tree):
    (tree / "workflow_scripts/run.py").write_text("raise SystemExit('this node has no Python packages')\n")
    output = start(TARGET, "--retries", "0").finish(well=False)
    assert "ended with status 1 before the job's wrapper began" in output
    assert "this node has no Python packages" in output
    assert "this node has no Python packages" in status(tree)


@pytest.mark.parametrize(
    ("line", "seen"),
    [
        ("--partition=main --constraint=fast", {"n1"}),
        (f"--partition=main --qos={QOS}", set(NODES)),
        (f"--partition=main --account={ACCOUNT}", set(NODES)),
    ],
)
def test_a_constraint_a_quality_of_service_and_an_account_are_one_line_each(start, tree, accounts, line, seen):
    ask_for(tree, line)
    start("results/tiny/tables/search_spaces.csv").finish()
    assert attempts(tree, "space_table")[0]["host"] in seen


@pytest.mark.parametrize("form", ["--gpus=@gpu", "--gres=gpu:a100:@gpu", "--gres=gpu:@gpu"])
def test_devices_are_asked_for_in_the_sites_form(start, tree, form):
    """The devices of the test are no real ones, so the job ends with a sentence; Slurm gave it one all the same."""
    edit(tree / PROFILE, "--with-gpu=--gpus=@gpu", f"--with-gpu={form}")
    edit(
        tree / "config/tiny.yaml", "depth:\n", "resources: {cell_search: {runtime: 5, mem_mb: 2000, gpu: 1}}\ndepth:\n"
    )
    output = start(TARGET, "--retries", "0").finish(well=False)
    assert re.search(r"a GPU was asked for \(CUDA_VISIBLE_DEVICES=[01]\), but torch sees none", output), output


# ---- disks -----------------------------------------------------------------------------------------------------------


def test_an_output_partly_written_is_made_again(start, tree, undisturbed):
    (tree / SEARCH).mkdir(parents=True)
    content = (undisturbed / TARGET).read_bytes()
    (tree / TARGET).write_bytes(content[: len(content) // 2])
    start(TARGET, f"{SEARCH}/outcome.json").finish()
    assert same_bytes(tree, undisturbed)


def test_a_full_disk_is_one_sentence_and_loses_nothing(start, tree, undisturbed):
    results = tree / "results"
    results.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=80k", "tmpfs", str(results)], capture_output=True, text=True
    )
    if mounted.returncode != 0:
        skip_or_fail(f"no small file system can be mounted here: {mounted.stderr.strip()}")
    try:
        output = start(TARGET, "--retries", "0").finish(well=False)
        assert "no space is left for " in output, output
        subprocess.run(["mount", "-o", "remount,size=100m", str(results)], check=True)
        start().finish()
        assert same_bytes(tree, undisturbed)
    finally:
        subprocess.run(["umount", "-l", str(results)], check=False)


def test_a_full_temporary_folder_of_a_node_is_told_or_does_no_harm(start, tree, undisturbed, slurm_cluster):
    for node in NODES:
        slurm_cluster.fill_tmp(node)
    try:
        start().finish()
    finally:
        for node in NODES:
            slurm_cluster.empty_tmp(node)
    assert same_bytes(tree, undisturbed)
    assert [len(submissions(tree / "results/tiny", JOB)), starts(tree)] == [1, 1]
