"""The demo shows the collapse of DARTS, by margins so wide that another processor's rounding does not cross them."""

from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from workflow_scripts.cells.early_stopping import moving_averages, stop_epoch
from workflow_scripts.cells.genotype_training import train_genotype
from workflow_scripts.cells.search import run_search
from workflow_scripts.data.image_batches import load_part
from workflow_scripts.runtime.progress import Silent
from workflow_scripts.steps import fetch_data
from workflow_scripts.study.cell_grids import searches
from workflow_scripts.study.cell_job_settings import evaluation_job, search_job
from workflow_scripts.study.open_study import load
from workflow_scripts.tables.genotype import parse_genotype

CONFIG = Path(__file__).parents[2] / "config" / "demo.yaml"
CPU = torch.device("cpu")


class Search(NamedTuple):
    """Of one search: genotypes by epoch, moving averages of the eigenvalue, and the epoch where the rule stops."""

    genotypes: list[str]
    averages: list[float]
    stop: int | None


@pytest.fixture(scope="module")
def cells():
    found = load([CONFIG], {}).cells
    assert found is not None
    return found


@pytest.fixture(scope="module")
def data(tmp_path_factory, cells):
    ((_, (name,)),) = {(tuple(grid.spaces), tuple(grid.data_sets)) for grid in cells.grids}
    path = tmp_path_factory.mktemp("demo") / f"{name}.npz"
    fetch_data.run({"module": f"workflow_scripts.data.sets.{name}", "access": {}}, {}, {"data": [path]}, Silent())
    return path


@pytest.fixture(scope="module")
def found(cells, data):
    """The demo's searches with the first of its seeds: under weak L2 and under strong."""
    keys = sorted((key for key in searches(cells) if key.seed == 1), key=lambda key: key.l2)
    both = []
    for key in keys:
        job = search_job(cells, key)
        result = run_search(job, load_part(data, "train", job.images), Silent(), CPU)
        epochs = [record.epoch for record in result.curvature]
        values = [record.dominant_eigenvalue for record in result.curvature]
        averages = [average.value for average in moving_averages(epochs, values, cells.stop.window)]
        stop = stop_epoch(epochs, values, cells.stop, job.search.epochs - 1)
        both.append(Search([record.genotype for record in result.epochs], averages, stop))
    weak, strong = both
    return weak, strong


def noise(genotype):
    """How many of the eight operations of the normal cell are noise."""
    return parse_genotype(genotype).count("noise")


def error(genotype, cells, data):
    """The test error of a genotype that is trained as the demo trains it, %."""
    job = evaluation_job(cells, data.stem, cells.evaluation.seeds[0])
    seen = job.training.subset
    train = load_part(data, "train", job.images).first(seen.train, after=seen.start)
    test = load_part(data, "test", job.images).first(seen.test)
    result = train_genotype(parse_genotype(genotype), job, train, test, Silent(), CPU)
    return result.epochs[-1].test_error_percent


def test_noise_fills_the_cell_under_weak_l2_alone(found):
    weak, strong = found
    assert noise(weak.genotypes[-1]) >= 6
    assert noise(strong.genotypes[-1]) <= 3


def test_the_eigenvalue_rises_under_weak_l2_alone(found):
    weak, strong = found
    assert weak.averages[-1] > 1.5 * weak.averages[0]
    assert weak.averages[-1] > 1.5 * strong.averages[-1]


def test_the_rule_fires_before_noise_fills_the_cell(found):
    weak, _ = found
    assert weak.stop is not None
    assert noise(weak.genotypes[weak.stop]) <= 3


def test_the_stopped_cell_works_and_the_filled_one_does_not(found, cells, data):
    weak, strong = found
    filled = error(weak.genotypes[-1], cells, data)
    assert filled > error(weak.genotypes[weak.stop], cells, data) + 30
    assert filled > error(strong.genotypes[-1], cells, data) + 30
