"""Where a study's settings depart from the papers' own."""

from pathlib import Path

import pytest

from workflow_scripts.study.departures import departures
from workflow_scripts.study.open_study import ROOT, load


def of(study: str, *changes: str) -> dict[str, tuple[str, str]]:
    """Setting: its value here and the papers'."""
    found = departures(load([Path(ROOT / "config" / f"{study}.yaml")], {"set": list(changes)}))
    return {setting: (here, paper) for setting, here, paper in found}


@pytest.mark.parametrize("study", ["paper", "spirals", "published"])
def test_the_papers_own_settings_have_none(study: str) -> None:
    assert of(study) == {}


def test_one_changed_setting_is_told_with_the_papers_value() -> None:
    assert of("paper", "cells.search.epochs=20") == {"search.epochs": ("20", "50")}
    assert of("paper", "cells.stop.factor=1.5") == {"stop.factor": ("1.5", "1.3")}
    assert of("paper", "cells.evaluation_for.svhn.layers=4") == {"evaluation_for.svhn.layers": ("4", "8")}
    assert of("paper", "depth.experiments.width.training.epochs=9") == {"training.epochs (width)": ("9", "8000")}


def test_what_no_job_uses_is_left_out() -> None:
    assert "adaptive.factor" in of("small")
    assert "adaptive.factor" not in of("laptop", "cells.adaptive.factor=3")


def test_small_studies_tell_their_scale() -> None:
    demo = of("demo")
    assert demo["grids: number of seeds"] == ("1", "3")
    assert demo["search.order"] == ("1", "2")
    assert demo["evaluation.epochs"] == ("8", "600")
    assert demo["training.epochs (max depth, deterministic depth)"] == ("1000", "8000")
    assert of("small")["images.train_images (image max depth, image deterministic depth)"] == ("5000", "absent")
