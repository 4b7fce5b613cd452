"""Settings: the paper's grids, names and groups, and sentences for nonsense."""

import json
import re

import pytest
from pydantic import ValidationError

from workflow_scripts.study.depth_settings import Depth, DepthExperiment, DepthRun, expand, experiment_of

PAPER = {
    "max_depth": {"max_depths": [*range(5, 45, 5), *range(50, 110, 10)]},
    "deterministic_depth": {"models": ["ddn"], "max_depths": list(range(101))},
    "data_amount": {
        "max_depths": [20],
        "data": {"noise": 0.15},
        "sweep": {"points": [500 * t for t in range(1, 17)]},
    },
    "complexity": {
        "max_depths": [20],
        "data": {"noise": 0.15},
        "sweep": {"stop_angle_degrees": [180 * t for t in range(1, 9)]},
    },
    "width": {"max_depths": [20], "widths": [5, 10, 20, 40, 50, 60, 70, 80, 100, 150, 200, 500, 1000]},
}


def runs_of(experiments, **settings):
    groups = expand(Depth.model_validate({"experiments": experiments, **settings}))
    return {name: run for runs in groups.values() for name, run in runs.items()}


def test_the_papers_grids():
    runs = runs_of(PAPER)
    assert len(runs) == 4 * (14 + 101 + 16 + 8 + 13)
    by_experiment = {name: [run for key, run in runs.items() if key.startswith(f"{name}_")] for name in PAPER}
    assert {run.max_depth for run in by_experiment["deterministic_depth"]} == set(range(101))
    assert {run.data.train_size for run in by_experiment["data_amount"]} == {50 * t for t in range(1, 17)}
    assert {run.data.stop_angle_degrees for run in by_experiment["complexity"]} == {180.0 * t for t in range(1, 9)}
    assert {run.data.noise for run in by_experiment["complexity"]} == {0.15}
    assert {run.data.noise for run in by_experiment["width"]} == {0.2}
    assert max(run.width for run in by_experiment["width"]) == 1000
    assert {run.training.epochs for run in runs.values()} == {8000}


def test_names_are_path_safe_and_show_what_varies():
    names = list(runs_of(PAPER))
    assert all(re.fullmatch(r"[a-z][a-zA-Z0-9_.-]*", name) for name in names)
    assert names[0] == "max_depth_ldn_D5_width-20_seed-1"
    assert "data_amount_ldn_D20_width-20_points-500_seed-4" in names
    assert "complexity_ldn_D20_width-20_angle-180_seed-2" in names
    assert "width_ldn_D20_width-1000_seed-3" in names
    experiment = {"a": {"max_depths": [1], "seeds": [1], "sweep": {"noise": [0.15, 0.2], "train_points": [50, 80]}}}
    assert next(iter(runs_of(experiment))) == "a_ldn_D1_width-20_noise-0.15_train-50_seed-1"


def test_groups_keep_neighbouring_depths_together():
    groups = expand(Depth.model_validate({"experiments": PAPER}))
    assert max(map(len, groups.values())) == 16
    assert len(groups) == 4 * (7 + 7 + 1 + 1 + 13)
    second = groups["deterministic_depth_seed-1_spirals_ddn_D16-31_width-20"]
    assert [run.max_depth for run in second.values()] == list(range(16, 32))
    assert experiment_of("deterministic_depth_seed-1_spirals_ddn_D16-31_width-20") == "deterministic_depth"


@pytest.mark.parametrize(
    "more", [{"seeds": [3, 1, 2]}, {"widths": [10, 20]}, {"models": ["ddn", "ldn"]}, {"max_depths": [9, 4, 5, 6]}]
)
def test_another_value_anywhere_in_a_list_leaves_the_other_groups(more):
    experiment = {"max_depths": [4, 5, 6], "seeds": [1, 2], "widths": [20, 40]}
    before, after = (
        expand(Depth.model_validate({"experiments": {"a": chosen}, "depths_per_job": 4}))
        for chosen in (experiment, experiment | {"widths": [20, 40], **more})
    )
    kept = [name for name in before if name in after]
    assert kept
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}


@pytest.mark.parametrize(
    "more", [{"seeds": [1, 2]}, {"widths": [20, 40]}, {"models": ["ldn", "ddn"]}, {"max_depths": [4, 30]}]
)
def test_a_second_value_beside_a_single_one_leaves_its_group(more):
    experiment = {"max_depths": [4], "seeds": [1], "widths": [20]}
    ((group, runs),) = expand(Depth.model_validate({"experiments": {"a": experiment}})).items()
    after = expand(Depth.model_validate({"experiments": {"a": experiment | more}}))
    assert len(after) == 2
    assert after[group] == runs


def test_a_second_data_set_leaves_the_groups_of_the_first():
    one, two = (
        expand(Depth.model_validate({"experiments": {"a": {"max_depths": [4], "images": {"data_sets": names}}}}))
        for names in (["mnist"], ["fashion_mnist", "mnist"])
    )
    assert len(two) == 2 * len(one) == 8
    assert {name: two[name] for name in one} == one


def test_the_group_size_changes_no_run():
    assert runs_of(PAPER) == runs_of(PAPER, depths_per_job=5)


def test_a_repeat_has_its_own_data_unless_one_data_seed_is_given():
    apart = runs_of({"a": {"max_depths": [1], "seeds": [3, 4]}}).values()
    assert [(run.data_seed, run.weight_seed) for run in apart] == [(3, 3), (4, 4)]
    shared = runs_of({"a": {"max_depths": [1], "seeds": [3, 4], "data_seed": 9}}).values()
    assert [(run.data_seed, run.weight_seed) for run in shared] == [(9, 3), (9, 4)]


def test_a_run_survives_json():
    run = next(iter(runs_of(PAPER).values()))
    assert DepthRun.model_validate(json.loads(json.dumps(run.model_dump(mode="json")))) == run


def test_a_runs_settings_say_how_many_training_points_it_has():
    assert {run.model_dump()["data"]["train_points"] for run in runs_of({"a": {"max_depths": [1]}}).values()} == {200}


def test_every_setting_is_described():
    schema = Depth.model_json_schema()
    models = [schema, *schema["$defs"].values()]
    bare = [name for model in models for name, field in model["properties"].items() if "description" not in field]
    assert bare == []


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"data": {"noise": -0.1}}, "noise"),
        ({"sweep": {"noise": [0.1, -0.1]}}, "noise"),
        ({"data": {"train_points": 2000}}, "leave none for testing"),
        ({"sweep": {"points": [100], "train_points": [50, 100]}}, "leave none for testing"),
        ({"data": {"points": 10}}, "less than 2 points"),
        ({"data": {"points": 2001}}, "shared equally"),
        ({"data": {"stop_angle_degrees": 0}}, "stop_angle_degrees"),
        ({"max_depths": []}, "max_depths"),
        ({"max_depths": [-1]}, "max_depths"),
        ({"max_depths": [5, 5]}, "names a value twice"),
        ({"widths": [0]}, "widths"),
        ({"seeds": []}, "seeds"),
        ({"sweep": {"noise": []}}, "noise"),
        ({"models": ["cnn"]}, "models"),
        ({"training": {"epochs": 0}}, "epochs"),
        ({"training": {"momentum": 1}}, "momentum"),
        ({"training": {"batch_size": 199}}, "last batch of one point"),
        ({"depth": [5]}, "depth"),
    ],
)
def test_nonsense_is_refused_by_name(changed, named):
    with pytest.raises(ValidationError, match=named):
        DepthExperiment.model_validate({"max_depths": [5]} | changed)


@pytest.mark.parametrize("name", ["Max", "a/b", "a b", "", "1a", "a-b"])
def test_experiment_names_are_path_safe(name):
    with pytest.raises(ValidationError):
        Depth.model_validate({"experiments": {name: {"max_depths": [1]}}})
