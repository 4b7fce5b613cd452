"""One more entry of the schedulers, and all that is known of a scheduler is known of it."""

import pytest
from contributing_examples import with_example

from workflow_scripts.runtime import scheduler_dialects as schedulers
from workflow_scripts.runtime.scheduler_dialects import scheduler_job, scheduler_name


@pytest.fixture
def mine(monkeypatch, tmp_path):
    """The entry that CONTRIBUTING.md shows, which also reads why jobs ended and why they wait."""
    changed = with_example("workflow_scripts/runtime/scheduler_dialects.py", tmp_path, before='    Scheduler("PBS"')
    (shown,) = (each for each in changed.SCHEDULERS if each.name == "Mine")
    entry = shown._replace(queued="USERHOLD until", end=lambda number: f"Mine: job {number} was too large")
    monkeypatch.setattr(schedulers, "SCHEDULERS", (*schedulers.SCHEDULERS, entry))


def test_without_its_entry_nothing_of_it_is_known():
    assert scheduler_name({"MINE_JOB": "7"}) is None
    assert not (
        schedulers.passes("the queue is full") or schedulers.stays("USERHOLD") or schedulers.has_ended("7 EXITING")
    )
    assert schedulers.end_of("/opt/mine/bin/mstat", "7") is None


def test_its_jobs_and_its_words(mine):
    assert (scheduler_name({"MINE_JOB": "7"}), scheduler_job({"MINE_JOB": "7"})) == ("Mine", "7")
    assert schedulers.passes("the Queue is full")
    assert schedulers.stays("WAIT USERHOLD")
    assert not schedulers.stays("WAIT USERHOLD until noon")
    assert schedulers.has_ended("EXITING n1")
    assert schedulers.end_of("/opt/mine/bin/mstat", "7") == "Mine: job 7 was too large"


def test_the_others_are_as_before(mine):
    assert scheduler_name({"SLURM_JOB_ID": "4"}) == "Slurm"
    assert schedulers.passes("QOSMaxSubmitJobPerUserLimit")
    assert schedulers.stays("PartitionTimeLimit")
    assert schedulers.has_ended("COMPLETING None")
