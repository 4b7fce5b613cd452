"""Submitting a job: what the scheduler gets, what a refusal costs, and what is left of it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from workflow_scripts.cluster import submit
from workflow_scripts.cluster.left_running import cancel, left_running, numbers
from workflow_scripts.cluster.submission_files import Submission, new_submission, register, registered, submissions
from workflow_scripts.runtime.scheduler_dialects import job_number, listed, passes, stays

PROPERTIES = {
    "type": "single",
    "rule": "cell_search",
    "log": ["results/tiny/logs/cell_search/a/run 1.log"],
    "params": {"job": '{"step":"it\'s"}', "files": "--input data data/digits.npz --output history out/history.csv"},
    "resources": {"gpu": 2, "runtime": 5},
}


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(submit, "AGAIN_SECONDS", 0.01)
    (tmp_path / "jobscript").write_text(
        f"#!/bin/sh\n# properties = {json.dumps(PROPERTIES)}\npython -m snakemake ...\n"
    )
    return tmp_path


def scheduler(folder: Path, body: str) -> str:
    """A program that takes jobs."""
    program = folder / "take"
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    return str(program)


def test_the_scheduler_gets_the_sites_command_filled_and_a_script_of_the_wrapper(here, capsys):
    program = scheduler(here, 'printf "%s\\n" "$@" >given; echo "41;cluster"')
    assert submit.main(["--with-gpu=--gres=gpu:a100:@gpu", program, "--name=@name", "-o", "@log", "jobscript"]) == 0
    assert capsys.readouterr().out == "41\n"
    folder = Path("results/tiny/scheduler/cell_search/a/run 1/1")
    log = str(here / folder / "output.log")
    assert Path("given").read_text().splitlines() == [
        "--name=cell_search.a.run.1",
        "-o",
        log,
        "--gres=gpu:a100:2",
        str(folder / "script.sh"),
    ]
    script = (folder / "script.sh").read_text()
    assert (
        "python -m workflow_scripts.run --root results/tiny --log 'results/tiny/logs/cell_search/a/run 1.log'" in script
    )
    assert "--output history out/history.csv --gpu 2 &" in script
    assert "snakemake" not in script.replace(str(Path(sys.executable).parent), "")
    assert registered("41") == Submission("cell_search/a/run 1", folder)
    assert Submission("x", folder).facts["refused_seconds"] == 0


@pytest.mark.parametrize("without", ["params", "deployment"])
def test_what_only_snakemake_can_run_is_left_to_it(here, without):
    properties = PROPERTIES if without == "deployment" else {**PROPERTIES, "params": {}}
    more = " --software-deployment-method conda" if without == "deployment" else ""
    Path("jobscript").write_text(f"# properties = {json.dumps(properties)}\npython -m snakemake{more}\n")
    assert submit.main([scheduler(here, "echo 5"), "jobscript"]) == 0
    script = (submissions(Path("results/tiny"), "cell_search/a/run 1")[0].folder / "script.sh").read_text()
    assert "\nsh jobscript &\n" in script


def test_a_refusal_that_ends_by_itself_is_waited_out_and_told_once(here, capsys):
    body = """n=$(cat tries 2>/dev/null || echo 0); echo $((n + 1)) >tries
    if [ "$n" -lt 3 ]; then
        echo "sbatch: error: AssocMaxSubmitJobLimit" >&2
        echo "sbatch: error: Batch job submission failed: Job violates accounting/QOS policy" >&2
        exit 1
    fi
    echo 6"""
    assert submit.main([scheduler(here, body), "jobscript"]) == 0
    captured = capsys.readouterr()
    assert captured.out == "6\n"
    assert captured.err.count("\n") == 1
    assert "the scheduler takes no job now (AssocMaxSubmitJobLimit; Batch job submission failed" in captured.err
    assert registered("6").facts["refused_seconds"] > 0


def test_a_refusal_for_good_is_told_in_the_schedulers_words_and_kept(here, capsys):
    body = 'echo "sbatch: error: invalid partition specified: nowhere" >&2; exit 1'
    assert submit.main([scheduler(here, body), "jobscript"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "  cell_search/a/run 1: the scheduler refused it: invalid partition specified: nowhere\n"
    (kept,) = submissions(Path("results/tiny"), "cell_search/a/run 1")
    assert kept.failure == "the scheduler refused it: invalid partition specified: nowhere"


def test_a_program_that_is_not_there_is_told(here, capsys):
    assert submit.main(["./nowhere", "jobscript"]) == 1
    assert "./nowhere cannot be run (No such file or directory)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "status"), [("true", "0"), ("exit 3", "3"), ("sh -c 'kill -KILL $$'", "137"), ("./absent", "127")]
)
def test_the_script_marks_when_it_began_and_how_it_ended(tmp_path, command, status):
    submission = new_submission(tmp_path / "results", "job")
    submission.note("script.sh", submit.job_script(f"({command})", submission.folder, tmp_path))
    done = subprocess.run(["sh", submission.folder / "script.sh"], check=False, capture_output=True)
    assert str(done.returncode) == status
    assert submission.exit_status == int(status)
    assert submission.has_begun()
    began, host = (submission.folder / "started").read_text().split()
    assert float(began) > 1e9 and host


def test_a_signal_to_the_script_reaches_the_command_and_its_status_is_kept(tmp_path):
    submission = new_submission(tmp_path / "results", "job")
    ends = tmp_path / "ends.py"
    ends.write_text(
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (time.sleep(0.3), sys.exit(75)))\n"
        "print('ready', flush=True)\n"
        "for _ in range(600):\n    time.sleep(0.1)\n"  # a signal just before one long sleep would wait for its end
    )
    script = submit.job_script(f"{sys.executable} {ends}", submission.folder, tmp_path)
    submission.note("script.sh", script)
    process = subprocess.Popen(["sh", submission.folder / "script.sh"], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"ready\n"
    process.terminate()
    assert process.wait(timeout=30) == 75
    assert submission.exit_status == 75


@pytest.mark.parametrize(
    ("output", "number"),
    [
        ("12\n", "12"),
        ("12;cluster\n", "12"),
        ("12.head.example.org\n", "12.head.example.org"),
        ("Job <12> is submitted to queue <normal>.\n", "12"),
        ('Your job 12 ("name") has been submitted\n', "12"),
        ("12.0 - 12.0\n", "12.0"),
        ("sbatch: error: no\n", None),
    ],
)
def test_the_number_of_a_job_in_what_schedulers_say(output, number):
    assert job_number(output) == number


def test_lists_of_schedulers():
    slurm = "7 RUNNING None\n8 PENDING PartitionTimeLimit\n"
    assert listed(slurm) == {"7": "RUNNING None", "8": "PENDING PartitionTimeLimit"}
    grid_engine = "job-ID  prior   name\n-----------\n      7 0.55500 cell root r 11/28/2026 all.q@n1  1\n"
    assert listed(grid_engine) == {"7": "0.55500 cell root r 11/28/2026 all.q@n1 1"}
    assert listed("7.head  root  batch  R\n") == {"7": "root batch R"}
    assert listed("") == {}


@pytest.mark.parametrize(
    "refusal",
    [
        "AssocMaxSubmitJobLimit; Batch job submission failed: Job violates accounting/QOS policy",
        "QOSMaxSubmitJobPerUserLimit; Batch job submission failed",
        "Batch job submission failed: Unable to contact slurm controller (connect failure)",
        "Slurm temporarily unable to accept job, sleeping and retrying",
        "Batch job submission failed: Socket timed out on send/recv operation",
        "Unable to run job: job rejected: Only 5 jobs are allowed per user (current job count: 5).",
        "error: commlib error: got select error (Connection refused)",
    ],
)
def test_refusals_worth_waiting_for(refusal):
    assert passes(refusal)


@pytest.mark.parametrize(
    "refusal",
    [
        "invalid partition specified: nowhere; Batch job submission failed: Invalid partition name specified",
        "Batch job submission failed: Invalid account or account/partition combination specified",
        "Batch job submission failed: Requested time limit is invalid (missing or exceeds some limit)",
        "Memory specification can not be satisfied; Requested node configuration is not available",
        "Batch job submission failed: Invalid qos specification",
        "Invalid generic resource (gres) specification",
        'Unable to run job: unknown resource "gpu".',
    ],
)
def test_refusals_for_good(refusal):
    assert not passes(refusal)


def test_reasons_to_wait_that_last_and_those_that_end():
    for reason in (
        *("PartitionTimeLimit", "AssocMaxWallDurationPerJobLimit", "AssocMaxGRESPerJob", "QOSMaxCpuPerJobLimit"),
        *("JobHeldUser", "BadConstraints", "PartitionDown", "0.5 name root Eqw 11/28/2026"),
    ):
        assert stays(f"PENDING {reason}"), reason
    for reason in ("None", "Priority", "Resources", "AssocMaxJobsLimit", "AssocGrpCpuLimit", "QOSMaxJobsPerUserLimit"):
        assert not stays(f"PENDING {reason}"), reason


def test_jobs_that_run_still_when_snakemake_ends_are_cancelled(here):
    for number in ("4", "5", "6", "7"):
        register(number, new_submission(Path("results/tiny"), f"job{number}"))
        registered(number).note("submission.json", {"id": f"{number}.head"})
    registered("5").note("exit", "0 1.0")
    registered("6").note("failure.json", {"reason": "NODE_FAIL"})
    left = left_running({"4"})
    assert left == ["7.head"]
    program = scheduler(here, 'echo "$@" >cancelled')
    assert cancel(program, left) == "jobs that still ran were cancelled: 7.head"
    assert Path("cancelled").read_text() == "7.head\n"
    assert cancel(program, []) is None
    assert "no command that cancels" in cancel(None, left)
    assert "could not be cancelled" in cancel("./nowhere", left)
    assert numbers() == {"4", "5", "6", "7"}
