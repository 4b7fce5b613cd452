"""Kinds of search with another mixing of an edge's operations, as docs/extending.md shows them."""

import importlib.util
import sys

import pytest
import torch
from cells.tiny import SEARCH, SPLIT, written_search
from readme_examples import examples

from workflow_scripts.cells.edge_mixing import mixing_of
from workflow_scripts.cells.supernet import softmax, supernet_of
from workflow_scripts.study import method_modules
from workflow_scripts.study.job_plan import Plan
from workflow_scripts.study.study import Study
from workflow_scripts.tables.files import read_arrays
from workflow_scripts.tables.genotype import parse_genotype
from workflow_scripts.tables.search_run import HISTORY

CELLS = "workflow_scripts/cells"
MINUS = "workflow_scripts/cells/methods/darts_minus.py"


@pytest.fixture
def added(tmp_path, monkeypatch):
    """The files of the document, where the workflow looks for them."""
    files = {path: text for path, text in examples().items() if "/mixings/" in path or "/fair_darts" in path}
    files[MINUS] = files[f"{CELLS}/methods/fair_darts.py"].replace('"fair_darts"', '"darts_minus"')
    files[f"{CELLS}/methods/darts.py"] = "SEARCH = 'darts'\n"
    for path, text in files.items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        if "/mixings/" in path:
            spec = importlib.util.spec_from_file_location(file.stem, file)
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            monkeypatch.setitem(sys.modules, method_modules.mixing_module(file.stem), module)
    monkeypatch.setattr(method_modules, "FOLDER", tmp_path / CELLS / "methods")
    monkeypatch.setattr(method_modules, "MIXINGS", tmp_path / CELLS / "mixings")
    method_modules.search_of.cache_clear()
    method_modules.needs_weights.cache_clear()
    yield
    method_modules.search_of.cache_clear()
    method_modules.needs_weights.cache_clear()


def search_jobs(*methods):
    """The jobs of a study's searches, by the kind of search."""
    grid = {"spaces": ["s3"], "data_sets": ["digits"], "methods": methods, "l2": [3e-4], "seeds": [1]}
    search = {**SEARCH, **SPLIT, "epochs": 2, "curvature": {"kind": "dominant", "images": 4}}
    cells = {"grids": [grid], "search": search, "evaluation": None}
    texts = {"study": "made_up", "title": "T", "description": "D", "figures": ["found_cells"]}
    plan = Plan(Study.model_validate({**texts, "cells": cells}))
    return {job.name.split("/")[2]: job for job in plan.jobs if job.step == "cell_search"}


def test_a_kind_of_search_is_a_job_of_its_own_and_changes_no_other(added):
    jobs = search_jobs("darts", "fair_darts", "darts_minus")
    assert list(jobs) == ["darts", "fair_darts", "darts_minus"]
    assert jobs["darts"].modules == ()
    assert "mixing" not in jobs["darts"].settings.model_dump(mode="json")
    assert jobs["fair_darts"].settings.mixing == "fair_darts"
    assert jobs["fair_darts"].modules == ("workflow_scripts.cells.mixings.fair_darts",)


def test_the_weights_of_each_kind(added):
    jobs = {kind: job.settings for kind, job in search_jobs("darts", "fair_darts", "darts_minus").items()}
    network = supernet_of(jobs["darts"], torch.device("cpu"))
    alphas = network.initial_alphas(torch.Generator().manual_seed(0))
    plain = softmax(alphas)
    assert mixing_of(jobs["darts"], network.candidates, 0.5) is softmax
    fair = mixing_of(jobs["fair_darts"], network.candidates, 0.5)(alphas)
    assert torch.equal(fair.reduce, alphas.reduce.sigmoid())
    first, half, last = (mixing_of(jobs["darts_minus"], network.candidates, share)(alphas) for share in (0, 0.5, 1))
    place = network.candidates["normal"][0].index("skip_connect")
    added_to_skip = (first.normal - plain.normal)[:, place]
    assert torch.allclose(added_to_skip, torch.ones(14))
    assert torch.allclose((half.normal - plain.normal).sum(1), torch.full((14,), 0.5))
    assert torch.equal(last.normal, plain.normal)


def test_a_search_with_sigmoids_runs_and_is_read_off_them(added, digits, tmp_path):
    jobs = search_jobs("darts", "fair_darts")
    found = {kind: written_search(job.settings, digits, tmp_path / kind) for kind, job in jobs.items()}
    history, alphas = (HISTORY.read(found["fair_darts"]["history.csv"]), read_arrays(found["fair_darts"]["alphas.npz"]))
    assert history["train_loss"].iloc[0] != HISTORY.read(found["darts"]["history.csv"])["train_loss"].iloc[0]
    genotype = parse_genotype(history["genotype"].iloc[-1])
    names, strengths = jobs["fair_darts"].settings.normal, alphas["normal"][-1]
    best = {}
    for edge in (2, 3, 4):  # those into the second node
        allowed = [index for index, name in enumerate(names[edge]) if name != "none"]
        index = max(allowed, key=lambda index: strengths[edge][index])
        best[edge - 2] = (float(strengths[edge][index]), names[edge][index])
    wanted = sorted(best, key=lambda source: -best[source][0])[:2]
    assert list(genotype.normal[2:4]) == [(best[source][1], source) for source in wanted]
