"""What trainings must not load, or only at their end: it would take time at the start of every job."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cells.tiny import MEASURE, OUTPUTS, tiny_evaluation, tiny_search

from workflow_scripts.study.cell_settings import RandomSearch
from workflow_scripts.study.depth_settings import Depth, expand, experiment_of
from workflow_scripts.tables.architectures import KEYS, write_architectures
from workflow_scripts.tables.genotype import Genotype

ROOT = Path(__file__).parents[1]
NEVER = {
    *("torch._dynamo", "torch._inductor", "triton.runtime", "sympy", "torchvision"),
    *("matplotlib", "seaborn", "PIL", "sklearn", "requests", "jinja2", "snakemake", "rocrate"),
}
BEFORE_A_TABLE = {"pandas"}
PROGRAM = """
import importlib, json, sys
from pathlib import Path
from workflow_scripts.runtime.progress import Silent

found = []

class Watch(Silent):
    def advance(self, done, total, note=""):
        found.append(sorted(sys.modules))

step, settings, inputs, outputs = json.load(sys.stdin)
named = lambda files: {key: [Path(path) for path in paths] for key, paths in files.items()}
importlib.import_module(f"workflow_scripts.steps.{step}").run(settings, named(inputs), named(outputs), Watch())
print(json.dumps([found[0], sorted(sys.modules)]))
"""
CELL = (("sep_conv_3x3", 0), ("skip_connect", 1)) * 4


def search(folder):
    return "cell_search", tiny_search(**MEASURE), {}, OUTPUTS


def random_search(folder):
    settings = RandomSearch(samples=3, batches=1, finalists=1)
    return "random_search", tiny_search().model_copy(update={"random_ws": settings}), {}, (*OUTPUTS, "samples.csv")


def training(folder):
    found = Genotype(CELL, CELL)
    entry = dict.fromkeys(KEYS) | {"genotype": found.structure(), "genotype_text": found.text()}
    write_architectures(folder / "architecture.yaml", [entry])
    inputs = {"architecture": [str(folder / "architecture.yaml")]}
    return "evaluate_genotype", tiny_evaluation(), inputs, ("history.csv", "weights.pt", "outcome.json")


def depth(folder):
    images = {"data_sets": ["digits"], "train_images": 60, "test_images": 30, "outer_width": 6, "inner_width": 3}
    experiment = {"max_depths": [2], "seeds": [1], "images": images, "training": {"epochs": 3, "batch_size": 18}}
    ((group, runs),) = expand(Depth.model_validate({"experiments": {"image_max_depth": experiment}})).items()
    by_name = {name: run.model_dump(mode="json") for name, run in runs.items()}
    return "depth_search", {"experiment": experiment_of(group), "runs": by_name}, {}, ("folder",)


@pytest.mark.parametrize("job", [search, random_search, training, depth])
def test_a_training_loads_what_it_needs(job, tmp_path):
    random, data = np.random.default_rng(0), tmp_path / "digits.npz"
    arrays = {f"{part}_labels": random.integers(0, 10, 100) for part in ("train", "test")}
    np.savez(data, **arrays, **{f"{part}_images": np.zeros((100, 1, 8, 8), np.uint8) for part in ("train", "test")})
    step, settings, inputs, files = job(tmp_path)
    plain = settings if isinstance(settings, dict) else settings.model_dump(mode="json")
    outputs = {file.split(".")[0]: [str(tmp_path / file)] for file in files}
    asked = json.dumps([step, plain, inputs | {"data": [str(data)]}, outputs])
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, cwd=ROOT, input=asked, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    first_epoch, whole = (set(modules) for modules in json.loads(done.stdout))
    assert "torch" in first_epoch
    assert whole & NEVER == set()
    assert first_epoch & BEFORE_A_TABLE == set()
    assert whole & BEFORE_A_TABLE == BEFORE_A_TABLE
