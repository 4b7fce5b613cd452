"""What a study will cost, from recorded times or from a short measurement on the device at hand."""

import io
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from workflow_scripts import plan
from workflow_scripts.benchmark import durations
from workflow_scripts.benchmark.calibration import Calibration
from workflow_scripts.benchmark.checkpoints import SEPARABLE, depth_checkpoint, search_checkpoint, training_checkpoint
from workflow_scripts.benchmark.durations import NotMeasured
from workflow_scripts.cells.genotype_training import train_genotype
from workflow_scripts.cells.search import run_search
from workflow_scripts.data.image_batches import Part
from workflow_scripts.depth.run_setup import build
from workflow_scripts.depth.run_setup import load as load_points
from workflow_scripts.depth.run_setup import train as train_depth
from workflow_scripts.disk import beside_results
from workflow_scripts.rehearsal.made_up_results import Writer
from workflow_scripts.runtime.checkpoint import NoCheckpoint
from workflow_scripts.runtime.progress import Silent
from workflow_scripts.study.cell_settings import Adaptive, Curvature, StopRule
from workflow_scripts.study.depth_settings import DepthRun, DepthTraining
from workflow_scripts.study.job_plan import planned_of
from workflow_scripts.study.open_study import load
from workflow_scripts.tables.genotype import Genotype

ROOT = Path(__file__).parents[1]
CPU = torch.device("cpu")


def run(*arguments, folder=ROOT):
    command = [sys.executable, "-m", "workflow_scripts.plan", *arguments]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


NARROW = "cells.search.init_channels=4 cells.evaluation.init_channels=4"
"""Networks so narrow have no compiled loops, which take longer to compile than all else that is measured here."""


def test_the_demo_is_planned_from_a_measurement():
    done = run("config/demo.yaml", "--devices", "2", "--calibrate", "--set", NARROW)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^cell_search +4 .* calibrated$", done.stdout, re.MULTILINE)
    assert re.search(r"^all +35 ", done.stdout, re.MULTILINE)
    assert re.search(r"^On 2 devices: [\dhms]+ from start to end, at least\.$", done.stdout, re.MULTILINE)
    assert re.search(
        r"^checkpoints +[1-9]\d*\.\d +at most, of 2 jobs at once; one of cell_search has", done.stdout, re.MULTILINE
    )
    assert "Assumed:\n- every search and training runs to its last epoch" in done.stdout


def test_recorded_times_go_before(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    jobs = planned_of(load([ROOT / "config/demo.yaml"], {}))
    search = next(job for job in jobs if job.step == "cell_search")
    plain = search.settings.model_dump(mode="json")
    Writer().job(search.root, search.name, search.step, plain, {}, search.writes)
    estimator = plan._Estimator(plan._recorded(jobs))
    estimator._start = 0.0
    others = [job for job in jobs if job.step == "cell_search" and job is not search]
    assert estimator.seconds(search) == (1.0, "recorded")
    assert estimator.seconds(others[0]) == (1.0, "recorded median")
    assert estimator.bytes(search) > 0


def test_more_work_takes_longer_by_the_same_measured_step(monkeypatch):
    def one_more(measured, counts, device):
        measured(counts[0])
        return 0.01

    monkeypatch.setattr("workflow_scripts.benchmark.calibration.seconds_of_one_more", one_more)
    monkeypatch.setattr("workflow_scripts.benchmark.calibration.seconds_added", lambda more, less, device: 0.02)
    training, calibration = job_of("evaluate_genotype"), Calibration(CPU)
    seconds = calibration.training(training, 1000, 797)
    more = training.model_copy(update={"training": training.training.model_copy(update={"epochs": 60})})
    assert training.training.epochs == 6
    assert calibration.training(more, 1000, 797) == pytest.approx(10 * seconds)
    assert calibration.training(training, 2000, 797) > 1.3 * seconds
    search = job_of("cell_search")
    seconds = calibration.search(search.model_copy(update={"random_ws": None}))
    longer = search.search.model_copy(update={"epochs": 2 * search.search.epochs})
    assert calibration.search(search.model_copy(update={"search": longer})) == pytest.approx(2 * seconds, rel=0.2)
    assert (len(calibration.trainings), len(calibration.searches)) == (1, 1)


class Machine:
    """A clock of the processor: a run of so many takes 1 s and 0.1 s for each, and what others add in its turn."""

    def __init__(self, monkeypatch, disturbed):
        self.now, self.disturbed, self.counts = 0.0, iter(disturbed), []
        monkeypatch.setattr(durations.time, "process_time", lambda: self.now)

    def run(self, count):
        self.counts.append(count)
        self.now += 1 + 0.1 * count + next(self.disturbed, 0.0)


def test_one_more_is_measured_in_processor_time(monkeypatch):
    machine = Machine(monkeypatch, [])
    assert durations.seconds_of_one_more(machine.run, (1, 4), CPU) == pytest.approx(0.1)
    assert machine.counts == [1, 1, 4]


def test_a_difference_that_is_lost_in_noise_is_measured_again_with_more(monkeypatch):
    machine = Machine(monkeypatch, [0, 5])
    assert durations.seconds_of_one_more(machine.run, (1, 4), CPU) == pytest.approx(0.1)
    assert machine.counts == [1, 1, 4, 1, 13]


def test_what_cannot_be_measured_has_no_duration(monkeypatch):
    machine = Machine(monkeypatch, [0, *[50, 0] * 3])
    with pytest.raises(NotMeasured, match=r"^could not be measured, because the machine is too busy"):
        durations.seconds_of_one_more(machine.run, (1, 4), CPU)
    machine = Machine(monkeypatch, [0, *[50, 0] * 3])
    with pytest.raises(NotMeasured):
        durations.seconds_added(lambda: machine.run(1), lambda: machine.run(1), CPU)


def test_a_plan_without_a_measurement_is_one_sentence(monkeypatch, capsys):
    def unmeasured(*_):
        raise NotMeasured("could not be measured")

    monkeypatch.setattr(Calibration, "search", unmeasured)
    assert plan.main([str(ROOT / "config/demo.yaml"), "--calibrate"]) == 1
    measuring = "Measuring single steps on this machine, seconds to minutes ...\n"
    assert capsys.readouterr() == ("", f"{measuring}the time of cell_search could not be measured\n")


class Weighed(NoCheckpoint):
    """Counts how large the file of each state would be."""

    def __init__(self):
        self.sizes = []

    def save(self, state):
        content = io.BytesIO()
        torch.save(state(), content)
        self.sizes.append(len(content.getbuffer()))


def job_of(step):
    return next(job.settings for job in planned_of(load([ROOT / "config/demo.yaml"], {})) if job.step == step)


def part(images, count):
    pixels = torch.zeros(count, images.channels, images.side, images.side, dtype=torch.uint8)
    return Part(pixels, torch.arange(count) % images.classes, images)


@pytest.mark.parametrize("adaptive", [None, Adaptive()])
def test_a_searchs_checkpoint_becomes_as_large_as_planned(adaptive):
    job = job_of("cell_search")
    search = job.search.model_copy(update={"epochs": 5, "steps_per_epoch": 1, "batch_size": 8, "init_channels": 8})
    search = search.model_copy(update={"layers": 3, "curvature": Curvature(kind="dominant", every=1)})
    rule = StopRule(start=0, delta=2, window=2, factor=1e9)  # never fires
    small = {
        "search": search,
        "stop": rule,
        "adaptive": adaptive,
        "layout": "modules",
        "weight_images": 100,
        "alpha_images": 8,
    }
    job, weighed = job.model_copy(update=small), Weighed()
    run_search(job, part(job.images, 108), Silent(), CPU, weighed)
    assert max(weighed.sizes) == pytest.approx(search_checkpoint(job), rel=0.15)


def test_a_trainings_checkpoint_becomes_as_large_as_planned():
    job = job_of("evaluate_genotype")
    training = job.training.model_copy(update={"epochs": 2, "batch_size": 50, "auxiliary_weight": 0.0})
    job, weighed = job.model_copy(update={"training": training, "layout": "modules"}), Weighed()
    train_genotype(
        Genotype(SEPARABLE, SEPARABLE), job, part(job.images, 100), part(job.images, 10), Silent(), CPU, weighed
    )
    assert max(weighed.sizes) == pytest.approx(training_checkpoint(job, 100), rel=0.15)


def test_a_depth_runs_checkpoint_becomes_as_large_as_planned():
    training = DepthTraining(epochs=200)
    run = DepthRun(model="ldn", max_depth=20, width=100, training=training, data_seed=1, weight_seed=1)
    weighed = Weighed()
    train_depth(build(run), load_points(run), run, checkpoint=weighed)
    assert max(weighed.sizes) == pytest.approx(depth_checkpoint([run]), rel=0.15)


def test_what_stays_beside_results_is_told_by_kind_and_grows_with_the_study():
    jobs = planned_of(load([ROOT / "config/demo.yaml"], {}))
    lines = {line[:24].strip(): float(line[24:34]) for line in list(beside_results(jobs, 2))[1:6]}
    assert list(lines) == ["records, attempts", "logs", "notes on outputs", "scheduler's files", "checkpoints"]
    assert lines["scheduler's files"] == pytest.approx(len(jobs) * 0.012, abs=0.05)
    more = {line[:24].strip(): float(line[24:34]) for line in list(beside_results([*jobs] * 10, 20))[1:6]}
    assert all(more[kind] == pytest.approx(10 * lines[kind], rel=0.2, abs=0.6) for kind in lines)


def test_a_mistake_in_the_study_is_told():
    done = run("config/demp.yaml")
    assert (done.returncode, done.stdout) == (2, "")
    assert "did you mean demo?" in done.stderr
