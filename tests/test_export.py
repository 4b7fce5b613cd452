"""Genotypes and trained networks written for use outside: they come back, and they compute what ours do."""

import json
import runpy
import sys
from pathlib import Path

import pytest
import torch
import yaml

from workflow_scripts import export_genotypes, export_network
from workflow_scripts.cells import trained_network
from workflow_scripts.cells.genotype_network import EvaluationNetwork
from workflow_scripts.cells.trained_network import load_found_network
from workflow_scripts.depth.posterior import LearntPosterior, pruned_log_probabilities
from workflow_scripts.depth.run_setup import build
from workflow_scripts.depth.trained_network import load_depth_network
from workflow_scripts.study.depth_settings import Depth, expand
from workflow_scripts.study.job_plan import Plan
from workflow_scripts.study.study import Layer, load_study
from workflow_scripts.tables.architectures import KEYS, write_architectures
from workflow_scripts.tables.files import sha256_of, write_json
from workflow_scripts.tables.genotype import Genotype
from workflow_scripts.tables.genotype_file import read_genotypes

PLAIN = Genotype((("sep_conv_3x3", 0), ("skip_connect", 1)), (("max_pool_3x3", 0), ("skip_connect", 1)))
NOISY = Genotype((("noise", 0), ("sep_conv_3x3", 1)) * 4, (("sep_conv_3x3", 0), ("noise", 1)) * 4)
IMAGES = {"data_set": "digits", "channels": 1, "side": 8, "classes": 10, "mean": [0.3], "deviation": [0.4]}
NO_AUGMENTATION = {"padding": 0, "flip": False, "cutout": 0}


def with_statistics(network):
    """A network whose BatchNorms have seen something, so that images differ in what it says of them."""
    random = torch.Generator().manual_seed(2)
    for name, tensor in network.state_dict().items():
        if name.endswith("running_mean"):
            tensor.copy_(0.1 * torch.randn(tensor.shape, generator=random))
        elif name.endswith("running_var"):
            tensor.copy_(0.05 + 0.1 * torch.rand(tensor.shape, generator=random))
    return network


def found(folder: Path, genotype=PLAIN, auxiliary=False) -> Path:
    """The folder of a training from scratch."""
    torch.manual_seed(1)
    network = with_statistics(EvaluationNetwork(genotype, 2, 3, 10, auxiliary, image_channels=1))
    folder.mkdir()
    torch.save(network.state_dict(), folder / "weights.pt")
    built = {"init_channels": 2, "layers": 3, "auxiliary": auxiliary}
    outcome = {"outcome": "completed", "images": IMAGES | NO_AUGMENTATION, "network": built}
    write_json(folder / "outcome.json", outcome | {"architecture": {"genotype_text": genotype.text()}})
    return folder


def deep(folder: Path, model="ldn", images=False) -> Path:
    """The folder of a depth network; of a learnt one q prefers depth 2 of 4."""
    experiment = {"models": [model], "max_depths": [4], "seeds": [1]}
    if images:
        experiment["images"] = {"data_sets": ["digits"], "outer_width": 6, "inner_width": 3}
    ((runs,),) = (expand(Depth.model_validate({"experiments": {"deep": experiment}})).values(),)
    ((name, run),) = runs.items()
    built = build(run)
    with_statistics(built.network)
    if isinstance(built.posterior, LearntPosterior):
        built.posterior.q_logits.data += torch.tensor([0.0, 1.0, 4.0, 2.0, 0.0])
    folder.mkdir()
    torch.save(built.state_dict(), folder / "weights.pt")
    write_json(folder / "settings.json", {"experiment": "deep", "run": name, "settings": run.model_dump(mode="json")})
    write_json(folder / "outcome.json", {"outcome": "completed"})
    return folder


# trained networks -----------------------------------------------------------------------------------------------------


def test_a_plain_module_predicts_as_the_network_does(tmp_path):
    network = load_found_network(found(tmp_path / "it", auxiliary=True))
    images = torch.randint(0, 256, (7, 1, 8, 8), dtype=torch.uint8)
    module = network.module()
    assert not module.training
    assert torch.equal(module(images), network.predict(images))
    assert network.predict(images).std(0).max() > 0.01, "it tells images apart"
    assert not any("auxiliary" in name for name in module.state_dict()), "it is for training only"
    with torch.no_grad():
        module.network.network.classifier.weight.zero_()
    assert not torch.equal(module(images), network.predict(images)), "its weights are copies"


@pytest.mark.parametrize("images", [False, True], ids=["spirals", "images"])
@pytest.mark.parametrize("model", ["ldn", "ddn"])
def test_a_plain_module_of_a_depth_network_is_pruned_and_predicts_as_we_do(tmp_path, model, images):
    network = load_depth_network(deep(tmp_path / "it", model, images))
    x = torch.randint(0, 256, (5, 1, 8, 8), dtype=torch.uint8) if images else torch.randn(5, 2)
    module = network.module()
    pruned = module.network if images else module
    assert (network.depth, pruned.network.max_depth) == ((2, 2) if model == "ldn" else (4, 4))
    assert module(x).allclose(network.predict(x), atol=1e-6)
    assert network.predict(x).sum(1).allclose(torch.ones(5))
    if not images:
        model_ = network.model.eval()
        ours = pruned_log_probabilities(model_.logits(x), model_.posterior.log_q(), network.depth).exp()
        assert network.predict(x).allclose(ours, atol=1e-6)
    with pytest.raises(ValueError, match="this network takes"):
        network.predict(x.double())


def test_an_exported_program_computes_what_we_do(tmp_path, capsys):
    folder, file = found(tmp_path / "it"), tmp_path / "network.pt2"
    assert export_network.main([str(folder), str(file)]) == 0
    assert "uint8 images (n, 1, 8, 8) to probabilities, which differ from ours by" in capsys.readouterr().out
    loaded, network = torch.export.load(file).module(), load_found_network(folder)
    for count in (1, 4):
        images = torch.randint(0, 256, (count, 1, 8, 8), dtype=torch.uint8)
        with torch.no_grad():
            assert loaded(images).allclose(network.predict(images), atol=1e-5)
    record = json.loads((tmp_path / "network.pt2.json").read_text())
    assert record["sha256"] == sha256_of(file)
    assert record["made_from"] == {
        str(path): sha256_of(path) for path in (folder / "weights.pt", folder / "outcome.json")
    }
    assert record["input"] == {"name": "images", "type": "uint8", "shape": ["n", 1, 8, 8]}
    assert str(Path(trained_network.__file__).parents[2]).encode() not in file.read_bytes(), "no path of this machine"


def test_the_same_network_is_the_same_bytes_wherever_it_is_written(tmp_path):
    folder = deep(tmp_path / "it")
    for name in ("one.pt2", "two.pt2"):
        assert export_network.main([str(folder), str(tmp_path / name)]) == 0
    assert (tmp_path / "one.pt2").read_bytes() == (tmp_path / "two.pt2").read_bytes()


@pytest.mark.parametrize("made", [found, lambda folder: deep(folder, images=True)], ids=["cells", "depth"])
def test_onnx_computes_what_we_do(tmp_path, made):
    pytest.importorskip("onnxscript")
    import onnxruntime

    folder, file = made(tmp_path / "it"), tmp_path / "network.onnx"
    assert export_network.main([str(folder), str(file)]) == 0
    network = load_found_network(folder) if made is found else load_depth_network(folder)
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    for count in (1, 4):
        images = torch.randint(0, 256, (count, 1, 8, 8), dtype=torch.uint8)
        (probabilities,) = session.run(["probabilities"], {"images": images.numpy()})
        assert torch.from_numpy(probabilities).allclose(network.predict(images), atol=1e-5)
    assert str(Path(trained_network.__file__).parents[2]).encode() not in file.read_bytes(), "no path of this machine"


def test_nothing_is_written_where_outputs_differ(tmp_path, monkeypatch, capsys):
    folder = deep(tmp_path / "it")
    predict = export_network.load_depth_network(folder).predict
    real = export_network._network
    monkeypatch.setattr(export_network, "_network", lambda given: (lambda x: predict(x) + 1e-4, *real(given)[1:]))
    assert export_network.main([str(folder), str(tmp_path / "x.pt2")]) == 1
    assert "the exported network differs by 1.0e-04 from ours; nothing was written" in capsys.readouterr().err
    assert not list(tmp_path.glob("x.*"))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda folder: found(folder, NOISY), "it: its architecture has the operation noise, which draws new numbers"),
        (lambda folder: folder.mkdir(), "it: it has no readable trained network ("),
        (lambda folder: None, "it: there is no such folder"),
        (lambda folder: (deep(folder) / "weights.pt").unlink(), "it: it has no weights; its training has the outcome"),
        (lambda folder: (deep(folder) / "weights.pt").write_text("x"), "it: it has no readable trained network ("),
    ],
)
def test_a_folder_that_gives_no_network(tmp_path, capsys, make, sentence):
    make(tmp_path / "it")
    assert export_network.main([str(tmp_path / "it"), str(tmp_path / "x.pt2")]) == 1
    message = capsys.readouterr().err
    assert sentence in message and message.count("\n") == 1
    assert not (tmp_path / "x.pt2").exists()


def test_a_name_with_another_ending_and_packages_that_are_not_installed(tmp_path, capsys, monkeypatch):
    with pytest.raises(SystemExit) as ended:
        export_network.main([str(tmp_path), "network.h5"])
    assert ended.value.code == 2
    assert "its name must end in .onnx or .pt2" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert export_network.main([str(deep(tmp_path / "it")), str(tmp_path / "x.onnx")]) == 1
    assert "ONNX needs the package onnx; install the extras with `make .venv/.extras`" in capsys.readouterr().err


# genotypes ------------------------------------------------------------------------------------------------------------


def architectures(folder: Path, *genotypes: Genotype | None) -> Path:
    """The results folder of a study that found these, in searches with other seeds."""
    entries = []
    for seed, genotype in enumerate(genotypes, start=1):
        entry = dict.fromkeys(KEYS) | {"space": "s4", "data_set": "digits", "search": "darts", "method": "darts_es"}
        if genotype is not None:
            entry |= {"genotype": genotype.structure(), "genotype_text": genotype.text()}
        entries.append(entry | {"run": f"l2-0.0003_drop-0_seed-{seed}"})
    write_architectures(folder / "architectures.yaml", entries)
    return folder


def test_genotypes_come_back_from_the_file_by_our_reader_and_as_a_module(tmp_path, capsys):
    results, file = architectures(tmp_path / "results", PLAIN, NOISY, None), tmp_path / "genotypes.py"
    assert export_genotypes.main([str(results), str(file)]) == 0
    assert capsys.readouterr().out == f"{file}: 2 genotypes of {results}/architectures.yaml; 1 search gave none\n"
    names = [f"darts_es_s4_digits_darts_l2_0_0003_drop_0_seed_{seed}" for seed in (1, 2)]
    assert read_genotypes(file) == dict(zip(names, (PLAIN, NOISY), strict=True))
    module = runpy.run_path(str(file))  # as the published code has it
    assert tuple(module[names[0]].normal) == PLAIN.normal
    record = json.loads((tmp_path / "genotypes.py.json").read_text())
    source = results / "architectures.yaml"
    assert record["made_from"] == {str(source): sha256_of(source)} and sha256_of(source) in file.read_text()
    assert (record["sha256"], record["genotypes"]) == (sha256_of(file), names)


def test_a_grid_of_genotypes_trains_what_was_exported(tmp_path):
    file = tmp_path / "genotypes.py"
    export_genotypes.main([str(architectures(tmp_path / "results", NOISY)), str(file)])
    grid = {"source": "genotypes", "file": str(file), "spaces": ["s4"], "data_sets": ["digits"]}
    cells = {"grids": [grid], "evaluation": {"epochs": 1}}
    study = {"study": "again", "title": "t", "description": "d", "figures": ["test_error"], "cells": cells}
    jobs = Plan(load_study([Layer("FILE", yaml.safe_load(json.dumps(study)))])).jobs
    (given,) = (job for job in jobs if job.step == "given_architecture")
    assert given.settings["genotype"] == NOISY.text()


def test_results_without_an_architecture_and_none_at_all(tmp_path, capsys):
    assert export_genotypes.main([str(architectures(tmp_path / "results", None)), "x.py"]) == 1
    assert "architectures.yaml: no search gave an architecture" in capsys.readouterr().err
    assert export_genotypes.main([str(tmp_path), "x.py"]) == 1
    assert "it has no architectures.yaml; give a results folder with a cell search" in capsys.readouterr().err
