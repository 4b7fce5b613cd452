"""The scheduler's job, by the variables each scheduler sets."""

import json
import os

import pytest

from workflow_scripts.provenance.environment import machine
from workflow_scripts.runtime.device_lease import devices_to_lend
from workflow_scripts.runtime.job_lock import job_lock
from workflow_scripts.runtime.scheduler_dialects import SCHEDULERS, scheduler_job, scheduler_name

JOBS = [
    ("Slurm", {"SLURM_JOB_ID": "4242"}, "4242"),
    ("PBS", {"PBS_JOBID": "17.server"}, "17.server"),
    ("LSF", {"LSB_JOBID": "9"}, "9"),
    ("Grid Engine", {"JOB_ID": "5", "SGE_TASK_ID": "undefined"}, "5"),
]


@pytest.fixture(autouse=True)
def outside_any_job(monkeypatch):
    for variable in {name for each in SCHEDULERS for name in each.variables} & set(os.environ):
        monkeypatch.delenv(variable)


@pytest.mark.parametrize(("name", "environment", "job"), JOBS)
def test_the_job_is_known_wherever_it_is_told(tmp_path, monkeypatch, name, environment, job):
    assert (scheduler_name(environment), scheduler_job(environment)) == (name, job)
    assert machine()["scheduler_job"] is None
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    assert machine()["scheduler_job"] == job
    with job_lock(tmp_path / "a.lock", print):
        owner = json.loads((tmp_path / "a.owner").read_text())
    assert (owner["scheduler"], owner["job"]) == (name, job)
    assert devices_to_lend({"NAS_DEVICES": "0", **environment}) == [], "the scheduler's choice stands"


@pytest.mark.parametrize("environment", [{}, {"JOB_ID": "5"}, {"SGE_TASK_ID": "1"}, {"SLURM_JOB_ID": ""}])
def test_outside_a_job(environment):
    assert scheduler_name(environment) is None
    assert scheduler_job(environment) is None
    assert devices_to_lend({"NAS_DEVICES": "0", **environment}) == ["0"]
