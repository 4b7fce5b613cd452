"""What steps state about themselves is what their code does."""

import ast
from pathlib import Path

import pytest

from workflow_scripts.provenance.identity import code_digests
from workflow_scripts.study.module_literals import STEPS as FOLDER
from workflow_scripts.study.module_literals import keeps_checkpoint, uses_gpu
from workflow_scripts.study.study import RULES

STEPS = sorted(path.stem for path in FOLDER.glob("[a-z]*.py"))


@pytest.mark.parametrize("step", STEPS)
def test_a_step_that_asks_for_the_device_states_that_it_can_use_a_gpu(step):
    asks = "workflow_scripts.runtime.device" in code_digests([f"workflow_scripts.steps.{step}"])
    assert uses_gpu(step) == asks


@pytest.mark.parametrize("step", STEPS)
def test_a_step_whose_run_takes_a_checkpoint_states_that_it_keeps_one(step):
    body = ast.parse(Path(FOLDER / f"{step}.py").read_text()).body
    (run,) = (node for node in body if isinstance(node, ast.FunctionDef) and node.name == "run")
    assert keeps_checkpoint(step) == ("checkpoint" in [argument.arg for argument in run.args.args])


def test_a_study_says_what_the_steps_need_that_can_use_a_gpu():
    assert {step for step in STEPS if uses_gpu(step)} == set(RULES)
