"""Which images train the weights and which the alphas: decided in one place, for searches and selections alike."""

import pytest
import torch
from cells.test_random_search_with_weight_sharing import tiny_random
from cells.test_selection import GOOD, architecture, selected
from cells.test_selection import job as selection_job
from cells.tiny import numbered_part, tiny_search
from contributing_examples import with_example

from workflow_scripts.cells.random_search_with_weight_sharing import run_random_search
from workflow_scripts.cells.search import run_search
from workflow_scripts.cells.split import split
from workflow_scripts.data.image_batches import Part, load_part
from workflow_scripts.runtime.progress import Silent
from workflow_scripts.steps import select_architecture

CPU = torch.device("cpu")


@pytest.fixture
def another_split(monkeypatch, tmp_path):
    """The body of `split` that CONTRIBUTING.md shows, as if its file had been edited."""
    alphas_first = with_example("workflow_scripts/cells/split.py", tmp_path).split
    return lambda: monkeypatch.setattr(split, "__code__", alphas_first.__code__)


def test_weights_have_the_first_images_and_alphas_those_that_follow():
    job = tiny_search()
    weights, alphas = split(numbered_part(job), job)
    assert weights.images[:, 0, 0, 0].tolist() == list(range(24))
    assert alphas.images[:, 0, 0, 0].tolist() == list(range(24, 40))


@pytest.mark.parametrize(("make", "search"), [(tiny_search, run_search), (tiny_random, run_random_search)])
def test_another_split_is_what_a_search_sees(digits, another_split, make, search):
    """The same search as one on images in another order, whose first ones train the weights."""
    job = make()
    train = load_part(digits, "train", job.images).first(job.weight_images + job.alpha_images)
    order = torch.cat([torch.arange(job.alpha_images, len(train)), torch.arange(job.alpha_images)])
    usual = search(job, train, Silent(), CPU)
    moved = search(job, Part(train.images[order], train.labels[order], train.settings), Silent(), CPU)
    another_split()
    found = search(job, train, Silent(), CPU)
    assert found.epochs == moved.epochs
    assert found.epochs != usual.epochs


def test_another_split_is_what_a_selection_sees(tmp_path, digits, another_split, monkeypatch):
    seen = []

    def trained(genotype, training, weights, alphas, *others):
        seen.append((weights, alphas))
        raise InterruptedError

    monkeypatch.setattr(select_architecture, "train_genotype", trained)
    another_split()
    with pytest.raises(InterruptedError):
        selected(tmp_path, digits, architecture("good", GOOD))
    every = load_part(digits, "train", selection_job().images).first(600).labels
    ((weights, alphas),) = seen
    assert torch.equal(weights.labels, every[300:])
    assert torch.equal(alphas.labels, every[:300])
