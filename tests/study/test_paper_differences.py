"""Where a study's settings depart from the papers' own."""

from pathlib import Path

import pytest

from workflow_scripts.study.open_study import ROOT, load
from workflow_scripts.study.paper_differences import paper_differences


def of(study: str, *changes: str) -> dict[str, tuple[str, str]]:
    """Setting: its value here and the papers'."""
    found = paper_differences(load([Path(ROOT / "config" / f"{study}.yaml")], {"set": list(changes)}))
    return {setting: (here, paper) for setting, here, paper in found}


@pytest.mark.parametrize("study", ["paper", "spirals", "published", "published_2024"])
def test_the_papers_own_settings_have_none(study: str) -> None:
    assert of(study) == {}


@pytest.mark.parametrize(
    ("change", "setting", "values"),
    [
        ("cells.search.epochs=20", "search.epochs", ("20", "50")),
        ("cells.stop.factor=1.5", "stop.factor", ("1.5", "1.3")),
        ("cells.image_size=16", "image_size", ("16", "32")),
        ("cells.evaluation_for.svhn.layers=4", "evaluation.layers (svhn)", ("4", "8")),
        ("cells.evaluation_for.svhn.subset.train=100", "evaluation.subset.train (svhn)", ("100", "absent")),
        ("cells.evaluation.epochs=9", "evaluation.epochs", ("9", "600")),
        ("cells.selection.l2=[0.1,0.2]", "selection.l2", ("0.1, 0.2", "0.0003, 0.0009, 0.0027, 0.0081")),
        ("depth.experiments.width.training.epochs=9", "training.epochs (width)", ("9", "8000")),
        ("depth.experiments.width.prior_decay=0.5", "prior_decay (width)", ("0.5", "0.85")),
        ("depth.experiments.width.data.arms=4", "data.arms (width)", ("4", "2")),
        ("depth.experiments.width.data_seed=3", "data_seed (width)", ("3", "absent")),
        ("depth.experiments.width.seeds=[1,2]", "number of seeds (width)", ("2", "4")),
    ],
)
def test_one_changed_setting_is_told_with_the_papers_value(change: str, setting: str, values: tuple[str, str]) -> None:
    assert of("paper", change) == {setting: values}


def test_two_data_sets_are_trained_smaller_by_the_paper() -> None:
    found = of("paper", *(f"cells.evaluation_for.{name}.layers=20" for name in ("cifar100", "svhn")))
    assert found == {"evaluation.layers (cifar100, svhn)": ("20", "8")}


def test_the_fewest_seeds_of_a_setting_count() -> None:
    common = "spaces:[s1],data_sets:[svhn],methods:[darts]"
    grids = f"cells.grids=[{{{common},l2:[3e-4],seeds:[1,2,3]}},{{{common},l2:[9e-4],seeds:[1,1,1]}}]"
    assert of("paper", grids) == {"grids: number of seeds": ("1", "3")}


def test_what_no_job_uses_is_left_out() -> None:
    assert "adaptive.factor" in of("small")
    assert "adaptive.factor" not in of("laptop", "cells.adaptive.factor=3")
    assert of("paper", "cells.image_size=32") == {}


def test_small_studies_tell_their_scale() -> None:
    demo = of("demo")
    assert demo["grids: number of seeds"] == ("2", "3")
    assert demo["search.order"] == ("1", "2")
    assert demo["evaluation.epochs"] == ("6", "600")
    assert demo["training.epochs"] == ("1000", "8000")
    assert of("depth_images")["images.train_images"] == ("5000", "absent")
