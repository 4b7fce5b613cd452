"""What a study will cost, from recorded times or from a short measurement on the device at hand."""

import re
import subprocess
import sys
from pathlib import Path

import torch

from workflow_scripts import plan
from workflow_scripts.benchmark.calibration import Calibration
from workflow_scripts.benchmark.made_up_results import Writer
from workflow_scripts.provenance.study_of_results import planned_of
from workflow_scripts.study.open_study import load

ROOT = Path(__file__).parents[1]
CPU = torch.device("cpu")


def run(*arguments, folder=ROOT):
    command = [sys.executable, "-m", "workflow_scripts.plan", *arguments]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_the_demo_is_planned_from_a_measurement():
    done = run("config/demo.yaml", "--devices", "2", "--calibrate")
    assert done.returncode == 0, done.stderr
    assert re.search(r"^cell_search +2 .* calibrated$", done.stdout, re.MULTILINE)
    assert re.search(r"^all +31 ", done.stdout, re.MULTILINE)
    assert re.search(r"^On 2 devices: (\d+m)?\d+s from start to end, at least\.$", done.stdout, re.MULTILINE)
    assert "Assumed:\n- every search and training runs to its last epoch" in done.stdout


def test_recorded_times_go_before(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    jobs = planned_of(load([ROOT / "config/demo.yaml"], {}))
    search = next(job for job in jobs if job.step == "cell_search")
    plain = search.settings.model_dump(mode="json")
    Writer().job(search.root, search.name, search.step, plain, {}, list(search.outputs))
    estimator = plan._Estimator(plan._recorded(jobs))
    estimator._start = 0.0
    others = [job for job in jobs if job.step == "cell_search" and job is not search]
    assert estimator.seconds(search) == (1.0, "recorded")
    assert estimator.seconds(others[0]) == (1.0, "recorded median")
    assert estimator.bytes(search) > 0


def test_more_work_takes_longer():
    jobs = planned_of(load([ROOT / "config/demo.yaml"], {}))
    training = next(job.settings for job in jobs if job.step == "evaluate_genotype")
    calibration = Calibration(CPU)
    seconds = calibration.training(training, 1000, 797)
    more = training.model_copy(update={"training": training.training.model_copy(update={"epochs": 80})})
    assert training.training.epochs == 8
    assert calibration.training(more, 1000, 797) > 2 * seconds
    assert calibration.training(training, 2000, 797) > 1.3 * seconds


def test_a_mistake_in_the_study_is_told():
    done = run("config/demp.yaml")
    assert (done.returncode, done.stdout) == (2, "")
    assert "did you mean demo?" in done.stderr
