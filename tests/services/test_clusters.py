"""The clusters that other tests use are real ones: what makes a cluster one is tried on each."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from services.conftest import skip_or_fail
from services.slurm import NODES

SHOW_DEVICE = ("bash", "-c", "echo $CUDA_VISIBLE_DEVICES")


def wait_for(condition: Callable[[], bool], printed: Callable[[], str], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, printed()
        time.sleep(0.2)


def submit(cluster, *options: str) -> str:
    """Submit a job; its number. What it says goes below the cluster's folder."""
    done = cluster.run("sbatch", "--parsable", f"--output={cluster.folder}/job-%j.out", *options)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def state(cluster, job: str) -> str:
    return cluster.run("squeue", "--noheader", "--states=all", f"--jobs={job}", "--format=%T").stdout.strip()


# ---- Slurm -----------------------------------------------------------------------------------------------------------


def test_each_node_runs_a_job_and_has_a_tmp_of_its_own(slurm_cluster):
    seen = "hostname; touch /tmp/mine-$(hostname); ls /tmp"
    for name in NODES:
        done = slurm_cluster.run("srun", f"--nodelist={name}", "bash", "-c", seen)
        assert done.returncode == 0, done.stderr
        printed = done.stdout.split()
        assert printed[0] == name
        assert [word for word in printed if word.startswith("mine-")] == [f"mine-{name}"]


def test_a_command_in_a_job_finds_the_cluster_and_the_files_of_the_test(slurm_cluster, tmp_path):
    (tmp_path / "here").write_text("seen")
    script = f"env --unset=SLURM_CONF squeue --noheader --format=%i; cat {tmp_path}/here; {sys.executable} --version"
    done = slurm_cluster.run("srun", "bash", "-c", script)
    assert done.returncode == 0, done.stderr
    assert "seen" in done.stdout and "Python" in done.stdout
    assert done.stdout.split()[0].isdigit()


def test_what_is_mounted_below_the_tests_folder_is_mounted_on_the_nodes(slurm_cluster, tmp_path):
    (tmp_path / "disk").mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(tmp_path / "disk")], check=False)
    if mounted.returncode != 0:
        skip_or_fail("no file system can be mounted here")
    try:
        (tmp_path / "disk/file").touch()
        assert slurm_cluster.run("srun", "ls", str(tmp_path / "disk")).stdout == "file\n"
    finally:
        subprocess.run(["umount", "--lazy", str(tmp_path / "disk")], check=True)


def test_an_account_is_needed_and_limits_are_kept(slurm_cluster):
    refused = slurm_cluster.run("sbatch", "--account=nobody", "--wrap=true")
    assert refused.returncode != 0
    assert "Invalid account or account/partition combination specified" in refused.stderr
    slurm_cluster.set_limit(MaxSubmitJobs=1)
    try:
        first = submit(slurm_cluster, "--hold", "--wrap=true")
        refused = slurm_cluster.run("sbatch", "--wrap=true")
        assert "AssocMaxSubmitJobLimit" in refused.stderr
        slurm_cluster.run("scancel", first)
    finally:
        slurm_cluster.set_limit(MaxSubmitJobs=-1)
    submit(slurm_cluster, "--qos=tests", "--wrap=true")


def test_a_job_gets_devices_of_its_own_and_not_more_than_there_are(slurm_cluster):
    for asked in ("--gres=gpu:a100:1", "--gres=gpu:1", "--gpus=1"):
        assert slurm_cluster.run("srun", asked, *SHOW_DEVICE).stdout.strip() in {"0", "1"}, asked
    assert slurm_cluster.run("srun", "--gres=gpu:a100:2", *SHOW_DEVICE).stdout == "0,1\n"
    assert slurm_cluster.run("srun", *SHOW_DEVICE).stdout.strip() == ""
    assert "Requested node configuration is not available" in slurm_cluster.run("srun", "--gres=gpu:3", "true").stderr


def test_a_job_that_takes_more_memory_than_it_asked_for_is_killed(slurm_cluster):
    if not slurm_cluster.memory_limited:
        pytest.skip("memory is not limited: there are no cgroups of version 1 here")
    hog = submit(slurm_cluster, "--mem=100", f"--wrap={sys.executable} -c 'bytes(1) * 300_000_000'")
    wait_for(lambda: state(slurm_cluster, hog) == "OUT_OF_MEMORY", slurm_cluster.log_tail)


def test_an_urgent_job_takes_the_place_of_others(slurm_cluster):
    """One is cancelled, because its partition says so; the other waits and runs again."""
    cheap = submit(slurm_cluster, "--partition=cheap", "--exclusive", "--nodelist=n2", "--wrap=sleep 600")
    ended = slurm_cluster.folder / "ended"
    script = f"--wrap=[ $SLURM_RESTART_COUNT ] || sleep 600; touch {ended}"
    requeued = submit(slurm_cluster, "--partition=main", "--exclusive", "--nodelist=n3", script)
    wait_for(lambda: state(slurm_cluster, cheap) == state(slurm_cluster, requeued) == "RUNNING", slurm_cluster.log_tail)
    for node in ("n2", "n3"):
        submit(slurm_cluster, "--partition=urgent", "--exclusive", f"--nodelist={node}", "--wrap=true")
    wait_for(lambda: state(slurm_cluster, cheap) == "PREEMPTED", slurm_cluster.log_tail)
    wait_for(ended.exists, slurm_cluster.log_tail)


def test_the_controller_and_the_database_come_back(slurm_cluster):
    slurm_cluster.stop_database()
    assert slurm_cluster.run("sacct").returncode != 0
    slurm_cluster.start_database()
    assert slurm_cluster.run("sacct").returncode == 0
    waiting = submit(slurm_cluster, "--hold", "--wrap=true")
    slurm_cluster.stop_controller()
    assert "Unable to contact slurm controller" in slurm_cluster.run("squeue").stderr
    slurm_cluster.start_controller()
    assert waiting in slurm_cluster.jobs()
    slurm_cluster.run("scancel", waiting)


def test_a_node_whose_tmp_is_full_and_that_dies(slurm_cluster, tmp_path):
    slurm_cluster.fill_tmp("n4")
    full = slurm_cluster.run("srun", "--nodelist=n4", "bash", "-c", "echo x > /tmp/x")
    assert "No space left on device" in full.stderr
    slurm_cluster.empty_tmp("n4")
    submit(slurm_cluster, "--nodelist=n4", f"--wrap=echo $$ > {tmp_path}/begun; sleep 7777")
    wait_for((tmp_path / "begun").exists, slurm_cluster.log_tail)
    assert sleeping("7777")
    slurm_cluster.kill_node("n4")
    wait_for(lambda: not sleeping("7777"), slurm_cluster.log_tail)
    slurm_cluster.start_node("n4")
    assert slurm_cluster.run("srun", "--nodelist=n4", "hostname").stdout == "n4\n"


def sleeping(seconds: str) -> bool:
    return subprocess.run(["pgrep", "--full", f"^sleep {seconds}$"], capture_output=True, check=False).returncode == 0


KILLED = """
import os, signal, sys
from pathlib import Path
from services.slurm import cluster
with cluster(Path(sys.argv[1]), accounts=False) as started:
    assert started.run("srun", "--nodelist=n4", "hostname").stdout == "n4\\n"
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_test_leaves_no_daemon_and_no_mount(slurm_cluster, tmp_path):
    folder = tmp_path / "killed/slurm"
    folder.parent.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    killed = subprocess.run([sys.executable, "-c", KILLED, folder], env=environment, capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    command = ["pgrep", "--full", str(folder)]
    wait_for(lambda: subprocess.run(command, capture_output=True).returncode == 1, slurm_cluster.log_tail)
    wait_for(lambda: str(folder.parent) not in Path("/proc/mounts").read_text(), slurm_cluster.log_tail)


# ---- Grid Engine -----------------------------------------------------------------------------------------------------


def test_grid_engine_runs_a_job_and_accounts_for_it(sge, tmp_path):
    (tmp_path / "job.sh").write_text("echo $NSLOTS > made; exit 3\n")
    submitted = subprocess.run(
        ["qsub", "-terse", "-cwd", "-pe", "smp", "2", "job.sh"],
        cwd=tmp_path,
        env=sge.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    number = submitted.stdout.strip()
    wait_for(lambda: sge.run("qacct", "-j", number).returncode == 0, sge.log_tail)
    assert (tmp_path / "made").read_text() == "2\n"
    assert "exit_status  3 " in sge.run("qacct", "-j", number).stdout
    assert "unknown queue" in sge.run("qsub", "-q", "nowhere.q", "-b", "y", "true").stderr


def test_grid_engine_deletes_a_job(sge, tmp_path):
    sleeper = ["qsub", "-terse", "-o", str(tmp_path), "-e", str(tmp_path), "-b", "y", "sleep", "7778"]
    number = sge.run(*sleeper).stdout.strip()
    wait_for(lambda: sleeping("7778"), sge.log_tail)
    assert sge.jobs() == [number]
    sge.run("qdel", number)
    wait_for(lambda: not sge.jobs() and not sleeping("7778"), sge.log_tail)


# ---- both ------------------------------------------------------------------------------------------------------------


def test_nothing_of_the_machine_is_changed(slurm_cluster, sge):
    assert not Path("/etc/slurm/slurm.conf").exists()
    assert str(sge.folder) not in Path("/etc/hosts").read_text()
    assert os.environ["SLURM_CONF"] != slurm_cluster.environment["SLURM_CONF"]
