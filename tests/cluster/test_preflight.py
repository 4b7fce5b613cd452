"""What a Slurm cluster is asked before a study starts, with programs that answer as Slurm 22.05 does."""

import os
from pathlib import Path

import pytest
import yaml

from workflow_scripts.cluster.preflight import ask_cluster, requests_of, submit_program

PROFILES = Path(__file__).parents[2] / "profiles"
SBATCH = """
echo "$@" >>asked
case "$*" in
*--partition=nowhere*) echo "sbatch: error: invalid partition specified: nowhere" >&2; exit 1 ;;
*--mem=9000M*) echo "allocation failure: Requested node configuration is not available" >&2; exit 1 ;;
*--account=away*) echo "allocation failure: Unable to contact slurm controller (connect failure)" >&2; exit 1 ;;
esac
"""
SCONTROL = (
    "echo 'PartitionName=main Default=YES MaxTime=1-00:00:00 State=UP'; echo 'PartitionName=short MaxTime=00:01:00'"
)


@pytest.fixture
def profile(tmp_path, monkeypatch):
    """The shipped profile, and programs of a Slurm that answer."""
    for name, body in {"sbatch": SBATCH, "scontrol": SCONTROL, "sacctmgr": "echo '20||'"}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    return yaml.safe_load((PROFILES / "slurm/config.yaml").read_text())


def changed(profile: dict, old: str, new: str) -> dict:
    command = profile["cluster-generic-submit-cmd"]
    assert old in command
    return {**profile, "cluster-generic-submit-cmd": command.replace(old, new)}


def test_every_different_request_is_asked_once_as_it_would_be_submitted(profile):
    study = {
        "cell_search": {"runtime": 100, "mem_mb": 8000, "gpu": 1},
        "random_search": {"runtime": 100, "mem_mb": 8000, "gpu": 1},
    }
    refusals, remarks = ask_cluster(profile, requests_of(profile, study))
    assert refusals == []
    assert remarks == [
        "the cluster takes 20 jobs of yours at a time, fewer than the 100 of the profile's key jobs: the others"
        " wait until it takes them"
    ]
    first, second = Path("asked").read_text().splitlines()
    assert "--test-only --parsable" in first and "--time=100 --mem=8000M" in first and "--gpus=1" in first
    assert "--time=60 --mem=4000M" in second and "--gpus" not in second


def test_refusals_name_the_rules_and_the_clusters_words(profile):
    refusals, _ = ask_cluster(changed(profile, "=main", "=nowhere"), requests_of(profile, {}))
    assert refusals == ["the cluster refuses jobs of other rules: invalid partition specified: nowhere"]
    refusals, _ = ask_cluster(profile, requests_of(profile, {"depth_search": {"runtime": 5, "mem_mb": 9000, "gpu": 0}}))
    assert refusals == ["the cluster refuses jobs of depth_search: Requested node configuration is not available"]


def test_a_time_above_the_partitions_limit_is_told_because_slurm_takes_such_jobs(profile):
    refusals, _ = ask_cluster(changed(profile, "=main", "=short"), requests_of(profile, {}))
    assert refusals == [
        "other rules: 60 minutes are asked for, and the partition short allows 1; jobs would wait forever"
    ]
    refusals, _ = ask_cluster(
        profile, requests_of(profile, {"evaluate_genotype": {"runtime": 1441, "mem_mb": 1, "gpu": 0}})
    )
    assert refusals == [
        "evaluate_genotype: 1441 minutes are asked for, and the partition main allows 1440; jobs would wait forever"
    ]


def test_a_time_above_the_accounts_limit_is_told(profile):
    Path("sacctmgr").write_text("#!/bin/sh\necho '||00:30:00'\n")
    refusals, _ = ask_cluster(profile, requests_of(profile, {}))
    assert refusals == ["other rules: 60 minutes are asked for, and your account allows 30; jobs would wait forever"]


def test_a_cluster_that_does_not_answer_stops_nothing(profile):
    refusals, remarks = ask_cluster(changed(profile, "=main", "=main --account=away"), requests_of(profile, {}))
    assert refusals == []
    assert remarks[0].startswith("the cluster does not answer now (Unable to contact slurm controller")


def test_a_cluster_without_accounts_has_no_such_limits(profile):
    Path("sacctmgr").write_text("#!/bin/sh\nexit 1\n")
    assert ask_cluster(profile, requests_of(profile, {})) == ([], [])


@pytest.mark.parametrize(
    ("name", "program"), [("slurm", "sbatch"), ("generic", "qsub"), ("local", None), ("gpu", None)]
)
def test_the_program_that_submits(name, program):
    settings = yaml.safe_load((PROFILES / name / "config.yaml").read_text())
    assert submit_program(settings) == program
    if program != "sbatch":
        assert ask_cluster(settings, requests_of(settings, {})) == ([], [])


def test_no_profile_asks_for_job_arrays():
    for file in PROFILES.glob("*/config.yaml"):
        settings = yaml.safe_load(file.read_text())
        assert not [key for key in settings if "array" in key] and "--array" not in str(settings.values()), file
