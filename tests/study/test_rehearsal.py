"""A rehearsal has the jobs of its study, each at the smallest settings, and never touches real data."""

import re
from pathlib import Path

import pytest
import yaml
from workflow.workflow_copy import ROOT as REPOSITORY

from workflow_scripts.study import open_study
from workflow_scripts.study.cell_job_settings import EvaluationJob, SearchJob, SelectionJob
from workflow_scripts.study.depth_settings import DepthRun, ImageRun
from workflow_scripts.study.job_plan import Plan
from workflow_scripts.study.rehearsal import IMAGES, number_of_jobs, rehearsal_of, sample_of
from workflow_scripts.study.study import Layer, StudyError, load_study

STUDIES = [name for name in open_study.study_names() if not name.startswith("published")]


@pytest.fixture(autouse=True)
def _no_local_settings(tmp_path, monkeypatch):
    monkeypatch.setattr(open_study, "LOCAL", tmp_path / "local.yaml")


def load(name):
    return open_study.load([REPOSITORY / "config" / f"{name}.yaml"], {})


def jobs_of(study):
    return list(Plan(study).jobs)


def kinds(study):
    """What a sample keeps: steps, methods, spaces, data sets, experiments and their models."""
    found = {job.step for job in jobs_of(study)}
    for grid in study.cells.grids if study.cells is not None else ():
        found |= {*grid.methods, *grid.spaces, *grid.data_sets}
    for name, experiment in study.depth.experiments.items() if study.depth is not None else ():
        found |= {(name, model) for model in experiment.models}
        found |= {(name, data_set) for data_set in (experiment.images.data_sets if experiment.images else ())}
    return found


def lengths(study):
    """Those that given architectures are trained for."""
    grids = study.cells.grids if study.cells is not None else ()
    return sorted({epochs for grid in grids for epochs in grid.epochs or ()})


def shortened(name, study):
    """A job's name or path with the rehearsal's length: 1 for the shortest, and so on."""
    return re.sub(r"_epochs-(\d+)", lambda found: f"_epochs-{lengths(study).index(int(found[1])) + 1}", name)


@pytest.mark.parametrize("name", STUDIES)
def test_a_rehearsal_has_the_jobs_of_its_study(name):
    loaded = load(name)
    small = rehearsal_of(loaded)
    # figures of published test errors have no made-up form
    study = loaded.model_copy(update={"figures": [figure for figure in loaded.figures if figure != "ranking"]})
    for real, rehearsed in zip(jobs_of(study), jobs_of(small), strict=True):
        if real.step == "fetch_data":
            assert (rehearsed.step, rehearsed.name) == ("made_up_data", f"made_up_data/{real.name}")
            continue
        assert (rehearsed.step, rehearsed.name) == (real.step, shortened(real.name, loaded))
        moved = [path.replace(f"results/{name}/", f"results/{name}-rehearsal/") for path in real.writes]
        assert rehearsed.writes == [shortened(path, loaded) for path in moved]
    assert (small.figures, small.resources) == (study.figures, study.resources)


def test_a_study_whose_depth_search_is_switched_off_is_rehearsed_without():
    figures = "figures=[found_cells]"
    for settings in (f"depth=null {figures}", f"depth.experiments={{}} {figures}"):
        study = open_study.load([REPOSITORY / "config" / "demo.yaml"], {"set": settings})
        assert rehearsal_of(study).depth is None


@pytest.mark.parametrize("name", STUDIES)
def test_a_rehearsal_stays_in_its_own_folder(name):
    for job in jobs_of(rehearsal_of(load(name))):
        assert job.root == f"results/{name}-rehearsal"
        outside = [path for path in (*job.reads, *job.writes) if not path.startswith(f"{job.root}/")]
        assert set(outside) <= {"config/published_values.csv"}


@pytest.mark.parametrize("name", STUDIES)
def test_every_job_is_made_small(name):
    study = load(name)
    for job in jobs_of(rehearsal_of(study)):
        settings = job.settings
        if isinstance(settings, SearchJob):
            assert (settings.search.epochs, settings.search.steps_per_epoch, settings.layout) == (3, 1, "modules")
            assert settings.weight_images + settings.alpha_images <= IMAGES
            assert settings.search.curvature.kind != "full"
        if isinstance(settings, EvaluationJob | SelectionJob):
            training = settings.training
            assert 1 <= training.epochs <= max(1, len(lengths(study)))
            assert (training.layers, training.init_channels) == (3, 2)
        if isinstance(settings, EvaluationJob):
            assert 0 < settings.training.subset.train <= IMAGES and 0 < settings.training.subset.test <= IMAGES
        runs = settings["runs"].values() if job.step == "depth_search" else ()
        for run in map(DepthRun.model_validate, runs):
            assert run.training.epochs == 1
            if isinstance(run.data, ImageRun):
                assert run.data.train_images + run.data.held_out_images <= IMAGES
                assert (run.data.inner_width, run.data.images.side) == (1, 8)


@pytest.mark.parametrize("name", STUDIES)
def test_a_rehearsal_is_the_same_when_it_was_written_and_read(name, tmp_path):
    for small in (rehearsal_of(load(name)), sample_of(rehearsal_of(load(name)), 60)):
        file = tmp_path / f"{small.study}.yaml"
        file.write_text(yaml.safe_dump(small.model_dump(mode="json", exclude_unset=True), sort_keys=False))
        assert open_study.load([file], {}) == small


@pytest.mark.parametrize("name", STUDIES)
def test_the_smallest_sample_holds_every_step_method_and_experiment(name):
    small = rehearsal_of(load(name))
    least = sample_of(small, 1)
    assert {job.step for job in jobs_of(least)} == {job.step for job in jobs_of(small)}
    if small.cells is not None:
        assert [grid.methods for grid in least.cells.grids] == [grid.methods for grid in small.cells.grids]
    if small.depth is not None:
        assert least.depth.experiments.keys() == small.depth.experiments.keys()
        assert [each.models for each in least.depth.experiments.values()] == [
            each.models for each in small.depth.experiments.values()
        ]


def test_a_sample_of_the_papers_study_holds_every_kind_of_job():
    small = rehearsal_of(load("paper"))
    sample = sample_of(small, 300)
    assert 200 < number_of_jobs(sample) <= 300
    assert kinds(sample) == kinds(small)
    names = {job.name for job in jobs_of(small)}
    assert {job.name for job in jobs_of(sample) if "width-" not in job.name} <= names
    assert sample == sample_of(small, 300)


def test_a_sample_as_large_as_the_study_is_the_study():
    small = rehearsal_of(load("small"))
    assert sample_of(small, number_of_jobs(small)) == small
    assert number_of_jobs(sample_of(small, number_of_jobs(small) - 1)) < number_of_jobs(small)


def test_what_has_no_rehearsal_is_refused():
    with pytest.raises(StudyError, match="published reads the published search logs, which have no made-up form"):
        rehearsal_of(load("published"))
    with pytest.raises(StudyError, match="published_2024 reads the published search logs"):
        rehearsal_of(load("published_2024"))
    with pytest.raises(StudyError, match=r"demo-rehearsal is a rehearsal itself; rehearse demo$"):
        rehearsal_of(rehearsal_of(load("demo")))


@pytest.mark.parametrize(
    ("study", "changes", "reason"),
    [
        ("published", {}, "data.made_up: the published search logs have no made-up form"),
        ("demo", {}, "data.made_up: 32 are fewer than the 750 of fashion_mnist_8x8 that are read"),
        (
            "demo",
            {"cells": {"search": {"subset": 200}}},
            "data.made_up: 32 are fewer than the 200 of fashion_mnist_8x8 that are read",
        ),
    ],
)
def test_made_up_images_that_do_not_suffice_are_a_mistake(study, changes, reason):
    given = yaml.safe_load((REPOSITORY / f"config/{study}.yaml").read_text())
    layers = [Layer("FILE", given), Layer("SET", {**changes, "data": {"made_up": 32}})]
    with pytest.raises(StudyError) as caught:
        load_study(layers)
    assert str(caught.value) == f"SET: {reason}"


def test_rehearsals_are_no_studies_that_a_mistyped_name_could_mean(tmp_path, monkeypatch):
    monkeypatch.setattr(open_study, "CONFIG", tmp_path)
    for name in ("demo", "demo-rehearsal"):
        (tmp_path / f"{name}.yaml").touch()
    assert open_study.study_names() == ["demo"]


def test_where_made_up_images_are_kept_is_no_matter_of_access():
    """The option that says where files may come from is read by the step that fetches, which makes up none."""
    assert "made_up" not in Plan(rehearsal_of(load("demo"))).access()
    assert Path(Plan(load("demo")).places.data("digits")) == Path("data/digits.npz")
