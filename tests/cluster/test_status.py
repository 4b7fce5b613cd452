"""The state of a job: from its own marks, from the scheduler's list, and when the scheduler does not answer."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from workflow_scripts.cluster import status as status_module
from workflow_scripts.cluster.submission_files import REGISTER, new_submission, register, registered
from workflow_scripts.provenance.failed_jobs import failures

SHELL = Path(__file__).parents[2] / "workflow_scripts/cluster/status.sh"


@pytest.fixture
def submission(tmp_path, monkeypatch):
    """The submission that is the scheduler's job 7; `list` prints what is in the file `jobs`, or fails."""
    monkeypatch.chdir(tmp_path)
    Path("list").write_text(
        '#!/bin/sh\necho asked >>asked\n[ -f jobs ] || { echo "no controller" >&2; exit 1; }\ncat jobs\n'
    )
    Path("list").chmod(0o755)
    made = new_submission(Path("results/tiny"), "search/a")
    made.note("script.sh", "")
    register("7", made)
    made.note("submission.json", {"id": "7", "submitted": "", "refused_seconds": 0})
    return made


def later(seconds: float) -> None:
    """Let everything noted so far be older."""
    for file in (REGISTER / "listed", REGISTER / "unanswered", *Path("results").rglob("missing")):
        if file.exists():
            first, *rest = file.read_text().split("\n")
            word, *numbers = first.split()
            file.write_text("\n".join([" ".join([word, *(str(float(n) - seconds) for n in numbers)]), *rest]))


def state(jobs: str | None = None) -> str:
    """The state of job 7 with these jobs listed; None where the scheduler does not answer."""
    Path("jobs").unlink(missing_ok=True)
    if jobs is not None:
        Path("jobs").write_text(jobs)
    return status_module.state(["./list"], "7")


def asked() -> int:
    return Path("asked").read_text().count("asked") if Path("asked").exists() else 0


def test_a_job_that_is_listed_runs_and_the_list_is_asked_for_once(submission):
    assert [state("7 RUNNING None\n") for _ in range(20)] == ["running"] * 20
    assert asked() == 1
    later(status_module.FRESH_SECONDS + 1)
    assert state("7 RUNNING None\n") == "running"
    assert asked() == 2


def test_a_job_that_ended_well_needs_no_scheduler(submission):
    submission.note("exit", "0 1.5")
    assert state(None) == "success"
    assert asked() == 0


def test_a_job_that_ended_with_an_error_has_failed_unless_it_was_put_back_into_the_queue(submission):
    submission.note("exit", "75 1.5")
    assert state("7 PENDING BeginTime\n") == "running"
    later(status_module.FRESH_SECONDS + 1)
    assert state("7 COMPLETING None\n") == "failed"
    later(status_module.FRESH_SECONDS + 1)
    assert state("") == "failed"
    assert submission.failure is None, "its own attempt says why"


def test_a_job_that_is_gone_has_failed_only_after_two_answers_some_time_apart(submission, capsys):
    assert state("") == "running"
    later(status_module.FRESH_SECONDS + 1)
    assert state("") == "running"
    later(status_module.LOST_AFTER_SECONDS)
    assert state("") == "failed"
    assert submission.failure == "the scheduler lost it"
    assert "search/a (scheduler's job 7): the scheduler lost it" in capsys.readouterr().err


def test_a_job_that_shows_up_again_is_not_lost(submission):
    assert state("") == "running"
    later(status_module.LOST_AFTER_SECONDS + 1)
    assert state("7 PENDING None\n") == "running"
    later(status_module.LOST_AFTER_SECONDS + 1)
    assert state("") == "running", "the time begins anew"


def test_a_scheduler_that_does_not_answer_costs_no_job(submission, capsys):
    for _ in range(10):
        assert state(None) == "running"
        later(status_module.LOST_AFTER_SECONDS + 1)
    assert capsys.readouterr().err.count("the scheduler does not answer (no controller)") == 1
    assert state("7 RUNNING None\n") == "running"
    assert "the scheduler answers again" in capsys.readouterr().err


def test_a_scheduler_that_does_not_answer_is_not_asked_for_every_job(submission):
    for _ in range(10):
        state(None)
    assert asked() == 1


def test_a_job_that_will_wait_forever_is_reported_once(submission, capsys):
    for _ in range(3):
        assert state("7 PENDING PartitionTimeLimit\n8 PENDING Priority\n") == "running"
        later(status_module.FRESH_SECONDS + 1)
    printed = capsys.readouterr().err
    assert (
        printed.count(
            "search/a (scheduler's job 7) waits, and will until something changes: PENDING PartitionTimeLimit"
        )
        == 1
    )
    assert "waits, and will until something changes: PENDING PartitionTimeLimit" in "\n".join(
        failures(Path("results/tiny"))
    )
    submission.note("started", "1.0 n1")
    assert list(failures(Path("results/tiny"))) == []


def test_a_job_whose_folder_is_gone_has_failed(submission):
    shutil.rmtree("results")
    (REGISTER / "7").unlink()
    assert registered("7") is None
    assert state("") == "failed"


def test_the_shell_answers_by_itself_what_needs_no_thought(submission, tmp_path):
    """With a `python` that fails, so that an answer is the shell's own."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python").write_text("#!/bin/sh\necho thought\n")
    (tmp_path / "bin/python").chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}

    def answer() -> str:
        return subprocess.run(
            ["sh", SHELL, "./list", "7"], env=environment, capture_output=True, text=True, check=True
        ).stdout.strip()

    assert answer() == "thought"
    state("7 RUNNING None\n")
    assert answer() == "running"
    state("77 RUNNING None\n")
    later(status_module.FRESH_SECONDS + 1)
    assert answer() == "thought"
    submission.note("exit", "1 1.5")
    assert answer() == "thought"
    submission.note("exit", "0 1.5")
    assert answer() == "success"


def test_the_shell_hands_on_what_needs_thought(submission):
    Path("jobs").write_text("7 RUNNING None\n")
    environment = {
        **os.environ,
        "PYTHONPATH": str(SHELL.parents[2]),
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
    }
    begun = time.monotonic()
    done = subprocess.run(["sh", SHELL, "./list", "7"], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "running\n", f"after {time.monotonic() - begun} s: {done.stderr}"


@pytest.mark.parametrize(
    ("accounts", "status", "reason"),
    [
        (
            "OUT_OF_MEMORY|0:125|n2",
            "137 1.5",
            "Slurm: OUT_OF_MEMORY on n2, exit code 0:125: it used more memory than it",
        ),
        ("TIMEOUT|0:0|n2", "75 1.5", "Slurm: TIMEOUT on n2, exit code 0:0: it reached its time limit"),
        ("NODE_FAIL|0:0|None assigned", None, "Slurm: NODE_FAIL, exit code 0:0: its node died"),
        ("CANCELLED by 0|0:0|n1", None, "Slurm: CANCELLED by 0 on n1, exit code 0:0: it was cancelled"),
        ("FAILED|9:0|n2", "137 1.5", "it was killed by signal 9"),
        ("RUNNING|0:0|n2", "137 1.5", "Slurm: TIMEOUT on n3, exit code 0:15: it reached"),
        ("", "75 1.5", "Slurm: TIMEOUT on n3, exit code 0:15: it reached"),
    ],
)
def test_why_a_job_ended_in_slurms_words(submission, tmp_path, monkeypatch, accounts, status, reason):
    """What accounts do not tell yet, the controller may."""
    controller = "JobId=7 JobState=TIMEOUT Reason=None ExitCode=0:15 NodeList=n3"
    for program, answer in {"sacct": accounts, "scontrol": controller, "squeue": ""}.items():
        (tmp_path / program).write_text(f"#!/bin/sh\necho '{answer}'\n")
        (tmp_path / program).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    if status is not None:
        submission.note("exit", status)
    assert status_module.state(["squeue"], "7") == ("running" if status is None else "failed")
    later(status_module.LOST_AFTER_SECONDS + 1)
    assert status_module.state(["squeue"], "7") == "failed"
    assert submission.failure.startswith(reason)
