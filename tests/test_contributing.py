"""CONTRIBUTING.md: the walks name what is in their files, and two of the examples run."""

import importlib.util
import re

import pytest
import torch
from claims import worlds
from contributing_examples import ROOT, example, with_example

from workflow_scripts.cells.supernet import Alphas
from workflow_scripts.runtime.optimizers import SGD
from workflow_scripts.study.cell_settings import Search, StopRule

TEXT = (ROOT / "CONTRIBUTING.md").read_text().partition("## Three walks")[2]
WALKS = re.findall(r"^\*\*(.+?)\*\*.*\n\n((?:\d\. .*\n)+)", TEXT, re.MULTILINE)


def test_there_are_three_walks_of_at_most_eight_files() -> None:
    assert len(WALKS) == 3
    assert all(steps.count("\n") <= 8 for _, steps in WALKS)


@pytest.mark.parametrize("steps", [steps for _, steps in WALKS], ids=[title for title, _ in WALKS])
def test_every_name_of_a_walk_is_in_its_file(steps: str) -> None:
    for step in steps.splitlines():
        file, *names = re.findall(r"`([^`]+)`", step)
        text = (ROOT / file).read_text()
        for name in names:
            assert all(word in text for word in re.findall(r"\w+", name)), f"{file} does not have {name}"


def test_another_optimizer_of_the_alphas_and_another_schedule(tmp_path) -> None:
    changed = with_example("workflow_scripts/cells/optimizers.py", tmp_path)
    settings = Search(epochs=4, learning_rate=0.1)
    alphas = Alphas(torch.ones(2, 3, requires_grad=True), torch.ones(2, 3, requires_grad=True))
    assert isinstance(changed.alpha_optimizer(alphas, settings), SGD)
    assert [changed.weight_rate(settings, epoch) for epoch in range(4)] == pytest.approx([0.1, 0.075, 0.05, 0.025])


def test_another_stop_rule(tmp_path) -> None:
    changed, rule = with_example("workflow_scripts/cells/early_stopping.py", tmp_path), StopRule(start=2, delta=2)
    epochs, values = list(range(8)), [0.1, 0.1, 0.1, 0.1, 0.1, 0.2, 0.3, 0.4]
    assert changed.stop_epoch(epochs, values, rule, last_epoch=7) == 3
    assert changed.stop_epoch(epochs, [0.1] * 8, rule, last_epoch=7) is None
    assert changed.reach(rule) == 2


def test_one_more_claim(tmp_path) -> None:
    source = tmp_path / "early_cells_are_larger.py"
    source.write_text(example("workflow_scripts/claims/early_cells_are_larger.py"))
    spec = importlib.util.spec_from_file_location(source.stem, source)
    claim = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(claim)
    tables = worlds.cells(True)
    early = tables["evaluations"]["method"] == "darts_es"
    tables["evaluations"]["parameters_millions"] = early + 0.01 * tables["evaluations"]["seed"]
    assert claim.judge(tables).word == "undecided", "differences that are all the same have no interval"
    tables["evaluations"]["parameters_millions"] = early * (1 + 0.01 * tables["evaluations"]["seed"])
    assert claim.judge(tables).word == "holds"
    assert claim.judge(worlds.empty()).word == "undecided"
