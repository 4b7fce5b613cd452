"""From grids to jobs: which searches and trainings a study has, with which settings, and where they are found."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_scripts.data.data_set import load_image_set
from workflow_scripts.study import open_study
from workflow_scripts.study.cell_grids import SearchKey, searches
from workflow_scripts.study.cell_job_settings import evaluation_job, images_of, search_job
from workflow_scripts.study.cell_settings import Cells, Training
from workflow_scripts.study.job_plan import Plan
from workflow_scripts.study.settings_model import canonical
from workflow_scripts.study.study import Study

GRID = {"spaces": ["s4"], "data_sets": ["digits"], "methods": ["darts"], "l2": [3e-4], "seeds": [1]}
PAPER = {
    "spaces": ["s1", "s2", "s3", "s4"],
    "data_sets": ["cifar10", "cifar100", "svhn"],
    "methods": ["darts", "darts_es"],
    "l2": [3e-4, 9e-4, 27e-4, 81e-4, 243e-4],
    "drop_path": [0.0, 0.2, 0.4, 0.6],
    "seeds": [1, 2, 3],
}
DEPTH = {"experiments": {"deep": {"max_depths": [1, 2, 3], "seeds": [1, 2]}}, "depths_per_job": 2}


def cells_of(*grids, **settings):
    return Cells.model_validate({"grids": [GRID | grid for grid in grids] or [GRID], **settings})


def plan_of(*grids, existing_only=False, depth=None, **settings):
    study = {
        "study": "made_up",
        "title": "T",
        "description": "D",
        "cells": cells_of(*grids, **settings).model_dump(),
        "depth": depth,
        "figures": ["found_cells"],
    }
    return Plan(Study.model_validate(study), existing_only)


def key(**settings):
    return SearchKey(**{"space": "s4", "data_set": "digits", "l2": 3e-4, "drop_path": 0.2, "seed": 1} | settings)


# grids ----------------------------------------------------------------------------------------------------------------


def test_the_papers_grid_has_720_searches():
    found = searches(cells_of(PAPER))
    assert len(found) == 4 * 3 * 5 * 4 * 3 == 720
    assert len({(key.group, key.run) for key in found}) == 720
    assert len({key.group for key in found}) == 12
    assert set(map(tuple, found.values())) == {("darts", "darts_es")}


def test_a_grid_spans_every_combination_in_the_order_of_its_lists():
    found = list(
        searches(cells_of({"spaces": ["s4", "s2"], "l2": [0.1, 0.01], "drop_path": [0.2, 0.0], "seeds": [2, 1]}))
    )
    assert len(found) == 16
    assert [(key.space, key.l2, key.drop_path, key.seed) for key in found[:5]] == [
        ("s4", 0.1, 0.2, 2),
        ("s4", 0.1, 0.2, 1),
        ("s4", 0.1, 0.0, 2),
        ("s4", 0.1, 0.0, 1),
        ("s4", 0.01, 0.2, 2),
    ]
    assert found[8].space == "s2"


def test_two_grids_are_united_without_duplicates_in_the_order_of_first_mention():
    found = searches(cells_of({"seeds": [3, 1]}, {"seeds": [2, 1], "methods": ["darts_es"]}, {"seeds": [1]}))
    assert [key.seed for key in found] == [3, 1, 2]
    assert list(found.values()) == [["darts"], ["darts", "darts_es"], ["darts_es"]]


def test_a_grid_without_methods_is_searched_and_nothing_of_it_trained():
    plan = plan_of({"seeds": [1]}, {"seeds": [1, 2], "methods": []})
    assert len([job for job in plan.jobs if job.step == "cell_search"]) == 2
    assert [job.name for job in plan.jobs if job.step == "evaluate_genotype"] == [
        "evaluate_genotype/s4_digits/darts/l2-0.0003_drop-0_seed-1/seed-1"
    ]
    read_off = plan.job("derive_architectures", group="s4_digits")
    assert [entry["methods"] for entry in read_off.settings["runs"]] == [["darts"], ["darts"]]
    assert unmade(plan) <= {"config/published_values.csv"}


def test_trainings_of_one_architecture_are_that_of_the_method_that_the_paper_lists_first():
    runs = plan_of({"methods": ["darts_es", "darts"], "l2": [3e-4, 0.1], "seeds": [1]}).runs
    keys = runs.trainings["s4_digits"]
    assert [(each.method, each.run.split("_")[0]) for each in keys] == [
        *(("darts_es", "l2-0.0003"), ("darts", "l2-0.0003"), ("darts_es", "l2-0.1"), ("darts", "l2-0.1"))
    ]

    def first(*texts, apart=()):
        genotypes = {(each.method, each.run): text for each, text in zip(keys, texts, strict=True)}
        found = runs.same_trainings("s4_digits", genotypes, {keys[place].name for place in apart})
        return [keys.index(found[each.name]) for each in keys]

    assert first("a", "b", "c", "d") == first(None, None, None, None) == [0, 1, 2, 3]
    assert first("a", "a", "c", "a") == [1, 1, 2, 1]
    assert first("a", "b", "a", "b") == [0, 1, 0, 1]
    assert first("a", "a", "a", "a", apart=[1]) == [3, 1, 3, 3]
    assert runs.same_trainings("s4_digits", {}) == {each.name: each for each in keys}


def test_the_order_of_a_grid_does_not_decide_which_training_is_taken():
    for l2 in ([3e-4, 0.1], [0.1, 3e-4]):
        runs = plan_of({"methods": ["darts"], "l2": l2, "seeds": [1]}).runs
        genotypes = {(each.method, each.run): "a" for each in runs.trainings["s4_digits"]}
        found = runs.same_trainings("s4_digits", genotypes)
        assert {each.run for each in found.values()} == {"l2-0.0003_drop-0_seed-1"}


def test_grids_that_write_a_number_differently_name_the_same_search():
    found = searches(cells_of({"l2": [3e-4], "drop_path": [0]}, {"l2": ["3e-4"], "drop_path": [0.0]}, {"l2": [0.0003]}))
    assert len(found) == 1


@pytest.mark.parametrize("name", open_study.study_names())
def test_every_study_of_the_repository_is_sound(name, tmp_path, monkeypatch):
    monkeypatch.setattr(open_study, "LOCAL", tmp_path / "local.yaml")
    study = open_study.load([open_study.ROOT / "config" / f"{name}.yaml"], {})
    assert study.study == name
    sources = Plan(study).source_jobs
    assert len({source.record for source in sources}) == len(sources) > 0


# names ----------------------------------------------------------------------------------------------------------------


def test_the_name_of_a_run_is_stable():
    """Names are paths of results that people have: they must not change."""
    assert key().run == "l2-0.0003_drop-0.2_seed-1"
    assert key(l2=27e-4, drop_path=0.0, seed=12).run == "l2-0.0027_drop-0_seed-12"
    assert key(l2=1, drop_path=0.6).run == "l2-1_drop-0.6_seed-1"
    assert key(l2=3e-5).run == "l2-3e-05_drop-0.2_seed-1"
    assert key().group == "s4_digits"


def test_numbers_that_differ_late_have_different_names():
    assert key(l2=0.0001234567).run != key(l2=0.0001234568).run


FACTORS = st.floats(min_value=0, max_value=1e6, allow_nan=False)
SHARES = st.floats(min_value=0, max_value=0.999)
KEYS = st.builds(key, l2=FACTORS, drop_path=SHARES, seed=st.integers(1, 10**9))


@given(KEYS, KEYS)
def test_runs_have_the_same_name_exactly_when_they_are_the_same(one, other):
    assert (one.run == other.run) == (one == other)
    assert re.fullmatch(r"[a-z0-9_.+-]+", one.run)
    assert Path(one.run).name == one.run


# settings -------------------------------------------------------------------------------------------------------------


def test_evaluation_settings_differ_where_a_data_set_says_so():
    cells = cells_of(
        evaluation={"epochs": 5, "layers": 4, "drop_path": 0.1},
        evaluation_for={"digits": {"layers": 7, "l2": "3e-3", "seeds": [4, 5]}},
    )
    changed = cells.evaluation_of("digits")
    assert (changed.epochs, changed.layers, changed.drop_path, changed.l2) == (5, 7, 0.1, 3e-3)
    assert changed.seeds == (4, 5)
    assert cells.evaluation.layers == 4
    assert evaluation_job(cells, "digits", 4).training == Training.model_validate(changed.model_dump(exclude={"seeds"}))
    assert cells_of().evaluation_of("digits") == cells_of().evaluation


@pytest.mark.parametrize(("side", "padding", "cutout"), [(32, 4, 16), (8, 1, 4), (16, 2, 8), (64, 8, 32)])
def test_padding_and_cutout_scale_with_the_image_side(side, padding, cutout):
    cells = cells_of(image_size=side)
    images = images_of(cells, "digits", augment=True)
    assert (images.side, images.padding, images.cutout) == (side, padding, cutout)
    still = images_of(cells, "digits", augment=False)
    assert (still.side, still.padding, still.cutout, still.flip) == (side, 0, 0, False)


def test_images_are_those_of_the_data_sets_entry():
    entry = load_image_set("digits")
    images = images_of(cells_of(), "digits", augment=True)
    assert images.side == entry.side
    assert (images.channels, images.classes, images.mean) == (entry.channels, entry.classes, entry.normalisation.mean)
    assert images.flip is False, "a mirrored digit is another character, or none"


def test_training_images_are_split_in_halves_unless_the_study_says_otherwise():
    assert cells_of().split("digits") == (500, 500)
    assert cells_of().split("svhn") == (36628, 36629)  # as published: rounded down for the weights
    for fraction, split in ((0.6, (400, 600)), (0.1, (900, 100)), (0.9, (100, 900))):
        assert cells_of(search={"validation_fraction": fraction}).split("digits") == split
    assert cells_of(search={"subset": 100, "validation_fraction": 0.2}).split("digits") == (80, 20)


def test_a_searchs_settings_hold_all_that_decides_it():
    cells = cells_of(search={"epochs": 3, "subset": 200})
    job = search_job(cells, key(l2=0.1, drop_path=0.2, seed=7))
    assert (job.l2, job.drop_path, job.seed, job.weight_images, job.search.epochs) == (0.1, 0.2, 7, 100, 3)
    assert job.normal == job.reduce == [["noise", "sep_conv_3x3"]] * 14
    assert json.loads(canonical(job))["images"]["side"] == 8


# canonical form -------------------------------------------------------------------------------------------------------


def test_the_canonical_form_is_sorted_and_short():
    assert canonical({"b": 0.1, "a": [1, {"d": None, "c": True}]}) == '{"a":[1,{"c":true,"d":null}],"b":0.1}'
    assert canonical({"a": 3e-4}) == '{"a":0.0003}'
    assert canonical({"a": 0.1 + 0.2}) == '{"a":0.30000000000000004}'
    assert canonical({"b": 1, "a": 2}) == canonical({"a": 2, "b": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical({"a": float("nan")})


def test_a_number_written_as_text_has_the_same_canonical_form():
    """YAML reads 3e-4 as text and 3.0e-4 as a number."""
    forms = {canonical(cells_of(evaluation={"l2": value, "drop_path": 0})) for value in (3e-4, "3e-4", "0.0003")}
    assert len(forms) == 1
    assert '"l2":0.0003' in forms.pop()
    presets = {canonical(cells_of(evaluation_for={"digits": {"l2": value}})) for value in (3e-4, "3e-4")}
    assert len(presets) == 1


def test_swapping_two_values_changes_the_canonical_form():
    one = canonical(search_job(cells_of(search={"batch_size": 32, "init_channels": 64}), key()))
    other = canonical(search_job(cells_of(search={"batch_size": 64, "init_channels": 32}), key()))
    assert one != other
    assert sorted(one) == sorted(other)


# jobs -----------------------------------------------------------------------------------------------------------------


def files_of(plan, step):
    return [path for job in plan.jobs if job.step == step for path in job.writes]


def test_where_jobs_are_found():
    plan = plan_of({"methods": ["darts", "darts_es"], "seeds": [1, 2]}, evaluation={"seeds": [4, 5]}, depth=DEPTH)
    runs = ["l2-0.0003_drop-0_seed-1", "l2-0.0003_drop-0_seed-2"]
    assert list(plan.runs.searches) == ["s4_digits"]
    assert plan.search_files("s4_digits")["history"] == [
        f"results/made_up/cells/searches/s4_digits/darts/{run}/history.csv" for run in runs
    ]
    assert files_of(plan, "derive_architectures") == [
        f"results/made_up/cells/architectures/s4_digits/{method}/{run}.yaml"
        for run in runs
        for method in ("darts", "darts_es")
    ]
    trainings = files_of(plan, "evaluate_genotype")
    assert len(trainings) == len(set(trainings)) == 2 * 2 * 2 * 3
    assert f"results/made_up/cells/evaluations/s4_digits/darts_es/{runs[0]}/seed-5/outcome.json" in trainings
    assert files_of(plan, "depth_search") == [
        f"results/made_up/depth/deep_seed-{seed}_spirals_ldn_{depths}_width-20"
        for seed in (1, 2)
        for depths in ("D0-1", "D2-3")
    ]
    assert not plan.runs.missing


def test_the_settings_of_a_job_are_those_of_its_place():
    plan = plan_of({"l2": [0.1, 0.2]}, evaluation={"seeds": [4]}, depth=DEPTH)
    run = "l2-0.2_drop-0_seed-1"
    search = plan.job("cell_search", group="s4_digits", search="darts", run=run)
    assert search.settings.l2 == 0.2
    assert search.inputs == {"data": ["data/digits.npz"]}
    assert search.outputs["history"] == [f"results/made_up/cells/searches/s4_digits/darts/{run}/history.csv"]
    training = plan.job("evaluate_genotype", group="s4_digits", method="darts", run=run, seed="4")
    assert training.settings.seed == 4
    networks = plan.job("depth_search", group="deep_seed-2_spirals_ldn_D2-3_width-20").settings["runs"]
    assert {name: run["max_depth"] for name, run in networks.items()} == {
        "deep_ldn_D2_width-20_seed-2": 2,
        "deep_ldn_D3_width-20_seed-2": 3,
    }


def test_a_job_that_the_study_does_not_have_is_named():
    with pytest.raises(LookupError, match=r"^'?the study made_up has no job depth_search/a'?$"):
        plan_of().job("depth_search", group="a")


def test_every_source_has_its_own_record_and_outputs():
    plan = plan_of({"seeds": [1, 2]}, evaluation={"seeds": [4, 5]}, depth=DEPTH)
    found = plan.source_jobs
    assert [source.step for source in found] == 2 * ["cell_search"] + 4 * ["evaluate_genotype"] + 4 * ["depth_search"]
    assert len({source.record for source in found}) == len(found)
    outputs = [path for source in found for path in source.writes]
    assert len(set(outputs)) == len(outputs)
    assert all(source.record.startswith(f"results/made_up/records/{source.step}/") for source in found)


def unmade(plan: Plan) -> set[str]:
    """What planned jobs read and no planned job writes."""
    return {path for job in plan.jobs for path in job.reads} - {path for job in plan.jobs for path in job.writes}


@pytest.mark.parametrize("name", open_study.study_names())
def test_every_file_that_a_job_reads_is_made_by_another(name):
    study = open_study.load([open_study.ROOT / "config" / f"{name}.yaml"], {})
    assert unmade(Plan(study)) <= {"config/published_values.csv"}


@pytest.mark.parametrize("methods", [["darts_es", "r_darts_l2"], ["r_darts_dp"], ["darts", "r_darts_l2", "r_darts_dp"]])
def test_a_selection_finds_the_architectures_it_chooses_from(methods):
    plan = plan_of({"methods": methods, "l2": [3e-4, 9e-4]})
    assert unmade(plan) <= {"config/published_values.csv"}
    assert len(plan._own_architectures("s4_digits")) == len(set(methods) & {"r_darts_l2", "r_darts_dp"})


def test_only_searches_whose_supernet_a_method_computes_with_keep_its_weights():
    plan = plan_of({"methods": ["darts", "darts_pt", "darts_ada"]}, {"spaces": ["s3"], "methods": ["darts"]})
    searches = {job.name: job.settings.model_dump(mode="json") for job in plan.jobs if job.step == "cell_search"}
    keeping = {name for name, settings in searches.items() if settings.get("keeps_weights")}
    assert keeping == {"cell_search/s4_digits/darts/l2-0.0003_drop-0_seed-1"}
    assert sum("keeps_weights" in settings for settings in searches.values()) == 1, (
        "other identities are what they were"
    )
    (job,) = [job for job in plan.jobs if job.step == "supernet_architecture"]
    assert job.settings.search.model_dump(mode="json") == searches[min(keeping)]
    assert job.settings.perturbation.tuning_epochs == 10
    assert job.modules == ("workflow_scripts.cells.methods.darts_pt",)
    assert unmade(plan) <= {"config/published_values.csv"}
    (derived,) = [job for job in plan.jobs if job.name == "derive_architectures_s4_digits"]
    assert set(derived.writes).isdisjoint(job.writes)
    readers = {each.step for each in plan.jobs if set(job.writes) & set(each.reads)}
    assert readers == {"evaluate_genotype", "evaluation_table", "gather_architectures"}
    with pytest.raises(ValueError, match="darts_pt computes with a supernet, and published logs hold no weights"):
        cells_of({"source": "confopt", "methods": ["darts", "darts_pt"]})
    settings = plan.study.model_dump(mode="json")["cells"]
    assert "perturbation" not in settings, "the reports of other studies stay what they are"


def test_existing_only_leaves_out_and_names_runs_that_are_missing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    everything = plan_of({"seeds": [1, 2]}, depth=DEPTH)
    searches = "results/made_up/cells/searches/s4_digits/darts"
    for file in ("settings.json", "history.csv", "curvature.npz", "outcome.json"):
        there = tmp_path / searches / "l2-0.0003_drop-0_seed-1" / file
        there.parent.mkdir(parents=True, exist_ok=True)
        there.touch()
    half = tmp_path / searches / "l2-0.0003_drop-0_seed-2" / "settings.json"
    half.parent.mkdir(parents=True)
    half.touch()
    deep = everything.job("depth_search", group="deep_seed-1_spirals_ldn_D2-3_width-20")
    (tmp_path / deep.writes[0]).mkdir(parents=True)

    plan = plan_of({"methods": ["darts_pt"]}, existing_only=True)
    assert "architecture results/made_up/cells/architectures/s4_digits/darts_pt/l2-0.0003_drop-0_seed-1.yaml" in (
        plan.runs.missing
    )
    (key,) = plan.runs.searches["s4_digits"]
    assert (plan.runs.computed[key.group], plan.runs.keeps_weights(key)) == ([], True)

    plan = plan_of({"seeds": [1, 2]}, depth=DEPTH, existing_only=True)
    assert [key.place for key in plan.runs.searches["s4_digits"]] == ["darts/l2-0.0003_drop-0_seed-1"]
    assert files_of(plan, "depth_search") == ["results/made_up/depth/deep_seed-1_spirals_ldn_D2-3_width-20"]
    assert files_of(plan, "evaluate_genotype") == []
    assert sorted(plan.runs.missing) == [
        "depth search results/made_up/depth/deep_seed-1_spirals_ldn_D0-1_width-20",
        "depth search results/made_up/depth/deep_seed-2_spirals_ldn_D0-1_width-20",
        "depth search results/made_up/depth/deep_seed-2_spirals_ldn_D2-3_width-20",
        "search results/made_up/cells/searches/s4_digits/darts/l2-0.0003_drop-0_seed-2",
        "training results/made_up/cells/evaluations/s4_digits/darts/l2-0.0003_drop-0_seed-1/seed-1",
    ]
    assert {source.step for source in plan.source_jobs} == {"cell_search", "depth_search"}


def test_a_study_draws_only_the_tables_it_makes():
    assert plan_of().tables == [
        *("search_spaces", "searches", "search_epochs", "curvature", "spectra", "evaluations", "comparison")
    ]
    assert plan_of(depth=DEPTH).tables[-3:] == ["depth_runs", "depth_posteriors", "depth_calibration"]
    assert plan_of().job("figure", figure="found_cells").reads[0].startswith("results/made_up/")


def test_one_more_evaluation_seed_leaves_the_other_trainings_as_they_are() -> None:
    def training(plan: Plan, seed: int) -> str:
        place = {"group": "s4_digits", "method": "darts", "run": "l2-0.0003_drop-0_seed-1", "seed": str(seed)}
        return canonical(plan.job("evaluate_genotype", **place).settings)

    one, two = (plan_of({}, evaluation={"seeds": seeds}) for seeds in ([1], [1, 2]))
    assert training(one, 1) == training(two, 1)
    assert training(two, 1) != training(two, 2)


def test_the_order_of_what_a_job_reads_is_part_of_its_settings() -> None:
    """Rows stand in the order of the configuration: in another order, a table has other bytes."""
    orders = [(["darts", "r_darts_l2"], [0.1, 0.2], ["s2", "s4"], [1, 2])]
    orders += [tuple(list(reversed(values)) for values in orders[0])]
    one, other = (
        {
            job.name: job
            for job in plan_of(
                {"methods": methods, "l2": l2, "spaces": spaces, "seeds": seeds},
                evaluation={"seeds": seeds},
                depth={"experiments": {"deep": {"max_depths": [1, 20], "seeds": seeds}}},
            ).jobs
        }
        for methods, l2, spaces, seeds in orders
    )
    reordered = {name for name in one if one[name].reads != other[name].reads}
    assert {one[name].step for name in reordered} == {
        *("search_tables", "evaluation_table", "join_tables", "derive_architectures", "gather_architectures"),
        *("depth_tables",),
    }
    assert reordered <= {name for name in one if canonical(one[name].settings) != canonical(other[name].settings)}
