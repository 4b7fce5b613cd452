"""A day of a researcher: one study with everything of their own, by the words of the documents, up to its crate."""

import json
import os
import re
import subprocess
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from contributing_examples import example
from PIL import Image
from readme_examples import blocks, examples, run, small_clone
from workflow.workflow_copy import ROOT, edit

from workflow_scripts.tables.architectures import read_architectures
from workflow_scripts.tables.genotype_file import read_genotypes

SPACE = "every_edge: [skip_connect, conv_3x3]"
FIGURE = "figures/size_and_error.py"
GRID = {"data_sets": ["flowers"], "l2": [3.0e-4], "seeds": [1]}
SIZES = {"batch_size": 8, "init_channels": 2, "layers": 3}
SEARCH = {"epochs": 2, "steps_per_epoch": 2, "order": 1, "curvature": {"kind": "none"}, **SIZES}
RUN = "l2-0.0003_drop-0_seed-1"
STUDY = {
    "study": "day",
    "title": "A day of one's own",
    "description": "Generated flowers, an operation, a space, a figure: seconds, not science.",
    "cells": {
        "search": SEARCH,
        "perturbation": {"tuning_epochs": 1},
        "evaluation": {"epochs": 20, "augment": False, "drop_path": 0.0, **SIZES},
    },
    "figures": ["found_cells", "test_error", "size_and_error"],
}
TRAINED = (f"mine_flowers/darts/{RUN}", f"s4_flowers/darts_pt/{RUN}", "s4_flowers_genotypes/genotypes/darts_pt_s4_1")


def typed(tree: Path, command: str, status: int = 0) -> str:
    """What a command prints that ends with this status."""
    done = run(tree, command)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def shown(first_line: str) -> dict:
    """The example of a study that the documents show, which begins so."""
    (block,) = [block for block in blocks("yaml") if block.startswith(first_line)]
    return yaml.safe_load(block)


def paint(folder: Path) -> None:
    """Sixty flowers of three kinds, of different sizes: a spot of the kind's colour on a noisy ground."""
    generator = np.random.default_rng(1)
    for colour, kind in enumerate(("bluebell", "poppy", "sunflower")):
        (folder / kind).mkdir(parents=True)
        for number in range(20):
            picture = generator.integers(0, 100, (20 + number, 24, 3), dtype=np.uint8)
            picture[5:15, 6:18, colour] = 220
            Image.fromarray(picture).save(folder / kind / f"{number}.png")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone in the morning: the pictures, the operation, the space, the figure and the study are written."""
    tree = small_clone(tmp_path_factory.mktemp("day") / "clone")
    paint(tree / "pictures/flowers")
    operations = "workflow_scripts/cells/operations.py"
    edit(tree / operations, '    "none": lambda', f'{example(operations)}    "none": lambda')
    assert f"`{SPACE}`" in (ROOT / "docs/extending.md").read_text()
    (tree / "workflow_scripts/cells/spaces/mine.yaml").write_text(f"{SPACE}\n")
    (tree / FIGURE).write_text(examples()[FIGURE])
    genotypes = shown("cells:\n  grids:\n    - source: genotypes")["cells"]["grids"][0]
    genotypes |= {"names": genotypes["names"][:1], "data_sets": ["flowers"]}
    grids = [
        {"spaces": ["mine"], "methods": ["darts"], **GRID},
        {"spaces": ["s4"], "methods": ["darts_pt"], **GRID},
    ]
    study = {**STUDY, **shown("data:\n  own:"), "cells": {"grids": [*grids, genotypes], **STUDY["cells"]}}
    (tree / "config/day.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    return tree


@pytest.fixture(scope="module")
def watched(tree: Path) -> str:
    """The study is run; what `make watch` shows as soon as it shows a job that runs."""
    seen, command = "", ["make", "run", "STUDY=day"]
    with (
        (tree / "run.txt").open("w") as printed,
        subprocess.Popen(command, cwd=tree, stdout=printed, stderr=printed) as running,
    ):
        while running.poll() is None and "\nruns: " not in seen:
            seen = typed(tree, "make watch STUDY=day")
            time.sleep(0.2)
    assert running.returncode == 0, (tree / "run.txt").read_text()
    return seen


def test_it_is_watched_while_it_runs_and_afterwards_all_is_done(tree: Path, watched: str) -> None:
    done, jobs = map(int, re.match(r"results/day: (\d+) of (\d+) jobs done, \d+ run, \d+ left", watched).groups())
    assert done < jobs
    afterwards = typed(tree, "make watch STUDY=day")
    assert afterwards == f"results/day: {jobs} of {jobs} jobs done, no job runs now\nNothing is left to do.\n"


@pytest.mark.usefixtures("watched")
def test_what_is_ones_own_is_in_the_results(tree: Path) -> None:
    record = json.loads((tree / "data/records/flowers.json").read_text())
    assert record["settings"]["classes"] == ["bluebell", "poppy", "sunflower"]
    entries = read_architectures(tree / "results/day/architectures.yaml")
    found = {(entry["space"], entry["method"]): entry for entry in entries}
    own = found["mine", "darts"]["genotype_text"]
    assert own.count("'conv_3x3'") + own.count("'skip_connect'") == 16
    assert "'conv_3x3'" in own
    assert found["s4", "darts_pt"]["epoch_reason"] == "perturbation"
    rows = pd.read_csv(tree / "results/day/tables/evaluations.csv")
    assert sorted(rows["method"]) == ["darts", "darts_pt", "genotypes"]
    assert rows["test_error_percent"].between(0, 100).all()
    assert "3 trainings" in (tree / "results/day/figures/size_and_error.json").read_text()
    page = (tree / "results/day/report.html").read_text()
    for words in ("MINE", "flowers", "conv 3×3", "darts_pt_s4_1", "Test error against the number of parameters"):
        assert words in page, words


@pytest.mark.usefixtures("watched")
def test_tensorboard_shows_every_run(tree: Path) -> None:
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    typed(tree, "make board STUDY=day")
    runs = ["searches/mine_flowers/darts", "searches/s4_flowers/darts"]
    runs = [f"cells/{kind}/{RUN}" for kind in runs] + [f"cells/evaluations/{place}/seed-1" for place in TRAINED]
    for place in runs:
        accumulator = accumulators.EventAccumulator(str(tree / "board/day" / place))
        accumulator.Reload()
        losses = [event.value for event in accumulator.Scalars("train_loss")]
        history = pd.read_csv(tree / "results/day" / place / "history.csv")["train_loss"].dropna()
        assert losses == pytest.approx(list(history), rel=1e-6), place


@pytest.mark.usefixtures("watched")
@pytest.mark.parametrize("place", TRAINED[::2], ids=["own operation", "published cell"])
def test_a_network_leaves_as_onnx(tree: Path, place: str) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    folder = f"results/day/cells/evaluations/{place}/seed-1"
    typed(tree, f".venv/bin/python -m workflow_scripts.export_network {folder} network.onnx")
    images = np.load(tree / "data/flowers.npz")["test_images"]
    (block,) = [block for block in blocks("python") if "load_found_network" in block]
    block = re.sub(r'"results/demo/.*"', f'"{folder}"', block)
    block = re.sub(r"images = .*", 'images = torch.from_numpy(numpy.load("data/flowers.npz")["test_images"])', block)
    lines = ("import numpy", block, 'numpy.save("probabilities.npy", probabilities.numpy())')
    (tree / "example.py").write_text("\n".join(lines))
    typed(tree, "PYTHONPATH=. .venv/bin/python example.py")
    session = onnxruntime.InferenceSession(tree / "network.onnx", providers=["CPUExecutionProvider"])
    (probabilities,) = session.run(["probabilities"], {"images": images})
    assert probabilities.shape == (12, 3) and probabilities.std(0).max() > 0.01, "it tells pictures apart"
    np.testing.assert_allclose(probabilities, np.load(tree / "probabilities.npy"), rtol=0, atol=1e-5)


@pytest.mark.usefixtures("watched")
def test_genotypes_leave_and_are_read_again(tree: Path) -> None:
    typed(tree, ".venv/bin/python -m workflow_scripts.export_genotypes results/day genotypes.py")
    found = {entry["genotype_text"] for entry in read_architectures(tree / "results/day/architectures.yaml")}
    read = read_genotypes(tree / "genotypes.py")
    assert {genotype.text() for genotype in read.values()} == found
    (name,) = [name for name in read if "mine" in name]
    study = yaml.safe_load((tree / "config/day.yaml").read_text()) | {"study": "again"}
    grid = {"source": "genotypes", "file": "genotypes.py", "names": [name], "spaces": ["mine"]}
    study["cells"]["grids"] = [grid | {"data_sets": ["flowers"]}]
    (tree / "config/again.yaml").write_text(yaml.safe_dump(study))
    assert f"given_architecture/mine_flowers_genotypes/{name}" in typed(
        tree, ".venv/bin/python -m workflow_scripts.status config/again.yaml --all"
    )


@pytest.mark.usefixtures("watched")
def test_a_second_study_is_compared(tree: Path) -> None:
    typed(tree, "make run STUDY=day SET='study=second cells.evaluation.init_channels=4'")
    differences = typed(tree, ".venv/bin/python -m workflow_scripts.audit diff results/day results/second", status=1)
    assert "tables/evaluations.csv: 3 rows with other values" in differences
    assert re.search(r"space mine, data_set flowers, .*method darts, .*: .*parameters_millions \S+ -> ", differences)
    assert "tables/searches.csv" not in differences, "only the trainings have other settings"
    typed(tree, ".venv/bin/python -m workflow_scripts.compare_studies results/day results/second both.html")
    page = (tree / "both.html").read_text()
    assert page.count('<img src="data:image/png;base64,') == 6
    assert "evaluation.init_channels" in page


@pytest.mark.usefixtures("watched")
def test_it_is_verified_and_handed_on(tree: Path) -> None:
    assert "clean: every file matches its record" in typed(
        tree, ".venv/bin/python -m workflow_scripts.audit verify results/day"
    )
    typed(tree, "make publish STUDY=day AUTHORS='Doe, Jane; Roe, Richard'")
    names = set(os.listdir(tree / "published/day"))
    assert names == {"README.md", "CITATION.cff", ".zenodo.json", "LICENSE", "DATA_TERMS.md", "day.crate.zip"}
    terms = (tree / "published/day/DATA_TERMS.md").read_text()
    assert "## flowers" in terms and "in files: 60" in terms, "own pictures have terms, too"
