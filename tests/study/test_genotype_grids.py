"""Grids of architectures that a file holds as text: which jobs they give, and what one more makes anew."""

import re
from pathlib import Path

import pytest
import yaml

from workflow_scripts.runtime.progress import Silent
from workflow_scripts.steps import given_architecture
from workflow_scripts.study.job_plan import Plan
from workflow_scripts.study.rehearsal import number_of_jobs, rehearsal_of, sample_of
from workflow_scripts.study.settings_model import canonical
from workflow_scripts.study.study import Layer, StudyError, load_study
from workflow_scripts.tables.architectures import architecture_genotype, read_architectures
from workflow_scripts.tables.genotype_file import read_genotypes

ROOT = Path(__file__).parents[2]
FILE = str(ROOT / "config" / "published_genotypes.txt")
GRID = {"source": "genotypes", "file": FILE, "spaces": ["s4"], "data_sets": ["digits"]}
NAMES = ["darts_pt_s4_1", "c10_s4_pgd"]
GROUP = "s4_digits_genotypes"


def study_of(*grids, **cells):
    values = {"grids": [GRID | {"names": NAMES} | grid for grid in grids or [{}]], **cells}
    given = {"study": "made_up", "title": "T", "description": "D", "cells": values, "figures": ["found_cells"]}
    return load_study([Layer("FILE", given)])


def error_of(*grids, **cells):
    with pytest.raises(StudyError) as error:
        study_of(*grids, **cells)
    return str(error.value)


def test_each_architecture_is_trained_with_every_seed():
    plan = Plan(study_of(evaluation={"seeds": [4, 5]}))
    trainings = [job for job in plan.jobs if job.step == "evaluate_genotype"]
    folder = f"results/made_up/cells/architectures/{GROUP}/genotypes"
    assert [job.name.removeprefix(f"evaluate_genotype/{GROUP}/") for job in trainings] == [
        f"genotypes/{name}/seed-{seed}" for name in NAMES for seed in (4, 5)
    ]
    assert trainings[0].inputs == {"data": ["data/digits.npz"], "architecture": [f"{folder}/{NAMES[0]}.yaml"]}
    made = {path for job in plan.jobs for path in job.writes}
    assert {path for job in plan.jobs for path in job.reads} - made == {"config/published_values.csv"}
    assert not [job for job in plan.jobs if job.step in ("cell_search", "derive_architectures", "search_tables")]


def test_each_length_is_a_training_of_its_own():
    plan = Plan(study_of({"names": NAMES[:1], "epochs": [3, 9]}, evaluation={"seeds": [4, 5]}))
    trainings = [job for job in plan.jobs if job.step == "evaluate_genotype"]
    runs = [f"{NAMES[0]}_epochs-{epochs}" for epochs in (3, 9)]
    assert [job.name.removeprefix(f"evaluate_genotype/{GROUP}/") for job in trainings] == [
        f"genotypes/{run}/seed-{seed}" for run in runs for seed in (4, 5)
    ]
    assert [job.settings.training.epochs for job in trainings] == [3, 3, 9, 9]
    table = plan.job("evaluation_table", group=GROUP).settings
    assert table["epochs"] == [3, 3, 9, 9]
    texts = {plan.job("given_architecture", group=GROUP, run=run).settings["genotype"] for run in runs}
    assert len(texts) == 1


def test_a_figure_of_published_errors_needs_their_table_and_no_search_of_theirs():
    values = study_of().model_dump(mode="json", exclude_unset=True) | {"figures": ["ranking", "found_cells"]}
    study = load_study([Layer("FILE", values)])
    for plan in (Plan(study), Plan(study, existing_only=True)):
        drawn = plan.job("figure", figure="ranking").inputs["tables"]
        assert set(drawn) <= {path for job in plan.jobs for path in job.writes}
    assert rehearsal_of(study).figures == ["found_cells"]
    alone = load_study([Layer("FILE", values | {"figures": ["ranking"]})])
    with pytest.raises(StudyError, match="draws published test errors alone, which have no made-up form"):
        rehearsal_of(alone)


def test_one_more_changes_no_other_training():
    one, two = ({job.name: job for job in Plan(study_of({"names": NAMES[:count]})).jobs} for count in (1, 2))
    changed = {name for name in one if canonical(one[name].settings) != canonical(two[name].settings)}
    assert {name.partition("/")[0] for name in changed} == {"group_architectures", "evaluation_table", "report"}
    assert {two[name].step for name in two.keys() - one.keys()} == {"given_architecture", "evaluate_genotype"}


def test_the_grid_of_the_document(monkeypatch):
    monkeypatch.chdir(ROOT)  # its file is named from there, as in a study
    (block,) = re.findall(r"```yaml\n(cells:.*?)```", (ROOT / "docs/extending.md").read_text(), re.DOTALL)
    given = yaml.safe_load(block) | {"study": "made_up", "title": "T", "description": "D", "figures": ["found_cells"]}
    plan = Plan(load_study([Layer("docs/extending.md", given)]))
    assert [key.run for key in plan.runs.genotypes["s4_cifar10_genotypes"]] == NAMES


def test_where_the_text_stands_does_not_count(tmp_path):
    text = next(line for line in Path(FILE).read_text().splitlines() if line.startswith(NAMES[0]))
    (tmp_path / "mine.py").write_text(text.replace(", ", " ,\n  "))
    here, there = (Plan(study_of({"names": NAMES[:1], "file": file})) for file in (FILE, str(tmp_path / "mine.py")))
    for job, other in zip(here.jobs, there.jobs, strict=True):
        assert job.step == "report" or canonical(job.settings) == canonical(other.settings)


def test_two_grids_that_name_the_same_train_it_once():
    names = [key.run for key in Plan(study_of({}, {"names": NAMES[:1]})).runs.genotypes[GROUP]]
    assert names == NAMES


def test_the_architecture_file(tmp_path):
    settings = Plan(study_of()).job("given_architecture", group=GROUP, run=NAMES[0]).settings
    given_architecture.run(settings, {}, {"architecture": [tmp_path / "a.yaml"]}, Silent())
    (found,) = read_architectures(tmp_path / "a.yaml")
    assert architecture_genotype(found) == read_genotypes(Path(FILE))[NAMES[0]]
    assert (found["space"], found["search"], found["method"], found["run"]) == (
        "s4",
        "genotypes",
        "genotypes",
        NAMES[0],
    )
    assert found["outcome"] == "given" and found["l2"] is found["seed"] is found["epoch"] is None


def test_a_rehearsal_trains_them_and_a_sample_fewer():
    rehearsal = rehearsal_of(study_of())
    assert len(Plan(rehearsal).runs.trainings[GROUP]) == 2
    lengths = rehearsal_of(study_of({"epochs": [50, 500]}))
    assert [key.epochs for key in Plan(lengths).runs.trainings[GROUP]] == [1, 2, 1, 2]
    assert number_of_jobs(sample_of(lengths, 1)) == number_of_jobs(rehearsal) - 2
    assert number_of_jobs(sample_of(rehearsal, 1)) == number_of_jobs(rehearsal) - 2


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"names": ["darts_pt_s4"]},
            "cells.grids.0.names: darts_pt_s4 is not a genotype of FILE (did you mean darts_pt_s4_",
        ),
        ({"names": NAMES[:1] * 2}, "cells.grids.0.names: darts_pt_s4_1 is named twice, once is enough"),
        ({"names": []}, "cells.grids.0.names is []; allowed: a list of 1 or more"),
        ({"names": None}, "cells.grids.0.file: FILE: c10_s1_random: in the normal cell dil_conv_5x5 leads from"),
        ({"file": "nowhere.txt"}, "cells.grids.0.file: nowhere.txt: there is no such file"),
        ({"file": None}, "the key cells.grids.0.file is missing (genotypes: the file"),
        ({"spaces": ["s3", "s4"]}, "cells.grids.0.spaces: the genotypes of a grid are of one search space"),
        ({"methods": ["darts"]}, "cells.grids.0.methods: a grid with source genotypes has no such key"),
        ({"seeds": [1]}, "cells.grids.0.seeds: a grid with source genotypes has no such key"),
        ({"epochs": [0]}, "cells.grids.0.epochs.0 is 0; allowed: 1 or more"),
        ({"source": "own"}, "cells.grids.0.file: a grid with source own has no such key"),
    ],
)
def test_a_grid_with_a_mistake(change, sentence):
    assert error_of(change).removeprefix("FILE: ").replace(FILE, "FILE").startswith(sentence)


def test_genotypes_that_nothing_trains():
    assert error_of(evaluation=None) == "FILE: cells.grids.0.source: genotypes are trained only, and evaluation is null"


def test_one_name_for_two_genotypes(tmp_path):
    other = tmp_path / "other.txt"
    text = next(line for line in Path(FILE).read_text().splitlines() if line.startswith("c10_s4_pgd"))
    other.write_text(text.replace("c10_s4_pgd", "darts_pt_s4_1"))
    sentence = error_of({}, {"file": str(other), "names": ["darts_pt_s4_1"]})
    assert sentence == f"FILE: cells.grids.1.file: darts_pt_s4_1 is another genotype in {FILE}; rename one of them"
