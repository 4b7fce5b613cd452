"""DARTS-PT: against the selection written out plainly; after a kill; from a search's files to the architecture."""

import io
import re

import pytest
import torch
from cells.tiny import OUTPUTS, tiny_search, written_search

from workflow_scripts.cells.perturbation import perturbed_genotype
from workflow_scripts.cells.split import split
from workflow_scripts.cells.supernet import Alphas
from workflow_scripts.cells.trained_supernet import TrainedSupernet, load_supernet
from workflow_scripts.data.image_batches import ShuffledBatches, load_part
from workflow_scripts.runtime.checkpoint import NO_CHECKPOINT
from workflow_scripts.runtime.learning_rates import cosine_rate
from workflow_scripts.runtime.progress import Silent
from workflow_scripts.runtime.seeds import stream
from workflow_scripts.steps import supernet_architecture
from workflow_scripts.study.cell_job_settings import SupernetJob
from workflow_scripts.study.cell_settings import Perturbation
from workflow_scripts.tables.architectures import read_architectures
from workflow_scripts.tables.files import read_arrays, write_arrays, write_json

CPU = torch.device("cpu")
SETTINGS = {"space": "s3", "epochs": 2, "steps_per_epoch": 2, "batch_size": 16, "init_channels": 8}
TUNED = Perturbation(tuning_epochs=1, learning_rate=0.2, learning_rate_min=0.05)


@pytest.fixture(scope="module")
def searched(digits, tmp_path_factory):
    """The files of a search that keeps its weights."""
    job = tiny_search(**SETTINGS).model_copy(update={"keeps_weights": True})
    return job, written_search(job, digits, tmp_path_factory.mktemp("pt") / "group/darts/run")


@pytest.fixture
def supernet(searched, digits):
    """A function that makes the supernet of that search, to be tuned for so many epochs."""

    def make(perturbation=TUNED, checkpoint=NO_CHECKPOINT):
        job = SupernetJob(search=searched[0], run="run", method="darts_pt", perturbation=perturbation)
        train = load_part(digits, "train", job.search.images)
        loaded = load_supernet(job, searched[1]["alphas.npz"], CPU)
        return TrainedSupernet(job, *loaded, train, CPU, Silent(), checkpoint)

    return make


def plain_selection(supernet):
    """The edges and operations that stay, by lists of numbers, with torch's own optimizers."""
    network, alphas, job, tuning = supernet.network, supernet.alphas, supernet.job.search, supernet.job.perturbation
    weight_part, alpha_part = split(supernet.train, job)
    names = [network.candidates[kind] for kind in ("normal", "reduce")]
    nodes = [[0, 1], [2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12, 13]]
    kept, gone = [{}, {}], [set(), set()]  # operation by edge; edges

    def mixed(without=None):
        weights = []
        for kind, alpha in enumerate(alphas):
            rows = list(alpha.softmax(-1))
            for edge in range(14):
                if edge in kept[kind]:
                    rows[edge] = torch.eye(len(names[kind][edge]))[kept[kind][edge]]
                if edge in gone[kind] or without == (kind, edge, None):
                    rows[edge] = torch.zeros(len(names[kind][edge]))
                elif without is not None and without[:2] == (kind, edge):
                    rows[edge] = rows[edge].detach().clone()
                    rows[edge][without[2]] = 0
            weights.append(torch.stack(rows))
        return Alphas(*weights)

    def errors(without):
        images, labels = alpha_part.batch(torch.arange(16), stream(job.seed, "perturbation pictures"), 0.0)
        with torch.no_grad():  # passes also move the running statistics, which none of them reads
            return int((network.mix(images, mixed(without)).argmax(1) != labels).sum())

    shuffled = ShuffledBatches(job.weight_images, 16, stream(job.seed, "perturbation weight batches"))
    pictures, order = stream(job.seed, "perturbation transforms"), stream(job.seed, "perturbation order")
    drawn = stream(job.seed, "perturbation alpha batches")
    sgd = torch.optim.SGD(network.weights, 1.0, momentum=job.search.momentum, weight_decay=job.l2)
    adam = torch.optim.Adam(
        alphas, job.search.arch_learning_rate, job.search.arch_betas, weight_decay=job.search.arch_weight_decay
    )

    def tune(epoch):
        sgd.param_groups[0]["lr"] = cosine_rate(epoch, 17, tuning.learning_rate, tuning.learning_rate_min)
        for _ in range(job.search.steps_per_epoch):
            train = weight_part.batch(next(shuffled), pictures, 0.0)
            valid = alpha_part.batch(torch.randperm(16, generator=drawn), pictures, 0.0)
            adam.zero_grad()
            torch.nn.functional.cross_entropy(network.mix(valid[0], mixed()), valid[1]).backward()
            adam.step()
            sgd.zero_grad()
            torch.nn.functional.cross_entropy(network.mix(train[0], mixed()), train[1]).backward()
            torch.nn.utils.clip_grad_norm_(network.weights, job.search.grad_clip)
            sgd.step()

    network.train()
    undecided = [[1, 2, 3], [1, 2, 3]]
    for number in range(17):
        if number:
            tune(number - 1)
        for kind in (0, 1):
            edges = [edge for edge in range(14) if edge not in kept[kind]]
            options = edges or undecided[kind]
            which = options[int(torch.randint(len(options), (), generator=order))]
            if edges:
                wrong = {
                    index: errors((kind, which, index)) for index in range(3) if names[kind][which][index] != "none"
                }
                kept[kind][which] = max(wrong, key=wrong.get)
            else:
                undecided[kind].remove(which)
                best = sorted(nodes[which], key=lambda edge: errors((kind, edge, None)), reverse=True)[:2]
                gone[kind] |= set(nodes[which]) - set(best)
    cells = [
        tuple(
            (names[kind][edge][kept[kind][edge]], edge - edges[0])
            for edges in nodes
            for edge in edges
            if edge not in gone[kind]
        )
        for kind in (0, 1)
    ]
    return cells, network


def test_the_selection_is_the_plain_one(supernet):
    ours = supernet()
    genotype = perturbed_genotype(ours)
    cells, network = plain_selection(supernet())
    assert [genotype.normal, genotype.reduce] == cells
    assert len(set(genotype.normal) | set(genotype.reduce)) > 4, "not the first of everything"
    assert not any(name == "none" for name, _ in (*genotype.normal, *genotype.reduce))
    for one, other in zip(ours.network.weights, network.weights, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)
    assert not torch.equal(ours.alphas.normal, supernet().alphas.normal)


class Memory:
    """A checkpoint that keeps every state, and gives one back."""

    def __init__(self, given=None):
        self.given, self.kept = given, []

    def load(self):
        return self.given

    def save(self, state):
        content = io.BytesIO()
        torch.save(state(), content)
        self.kept.append(torch.load(io.BytesIO(content.getvalue()), weights_only=True))


def test_a_selection_goes_on_after_a_kill_to_the_same_architecture(supernet):
    memory = Memory()
    whole = perturbed_genotype(supernet(checkpoint=memory))
    assert len(memory.kept) == 17, "14 edges and 3 nodes"
    for number in (4, 15):
        again = Memory(memory.kept[number])
        assert perturbed_genotype(supernet(checkpoint=again)) == whole
        assert len(again.kept) == 16 - number


UNTUNED = Perturbation(tuning_epochs=0)


def architecture(searched, data, folder, perturbation=UNTUNED):
    """What the job of a search's files writes."""
    job = SupernetJob(search=searched[0], run="run", method="darts_pt", perturbation=perturbation)
    inputs = {name.split(".")[0]: [path] for name, path in searched[1].items()} | {"data": [data]}
    outputs = {"architecture": [folder / "architecture.yaml"]}
    supernet_architecture.run(job.model_dump(mode="json"), inputs, outputs, Silent())
    return read_architectures(outputs["architecture"][0])[0]


def test_the_job_writes_the_architecture(searched, supernet, digits, tmp_path):
    found = architecture(searched, digits, tmp_path)
    assert found["genotype_text"] == perturbed_genotype(supernet(UNTUNED)).text()
    assert [found[key] for key in ("method", "run", "search", "outcome")] == ["darts_pt", "run", "darts", "found"]
    assert (found["epoch"], found["epoch_reason"]) == (1, "perturbation")


def test_a_tuning_that_diverges_gives_no_architecture(searched, digits, tmp_path):
    found = architecture(searched, digits, tmp_path, Perturbation(tuning_epochs=1, learning_rate=1e30))
    assert (found["outcome"], found["epoch_reason"], found["genotype_text"]) == (
        "not measured",
        "tuning diverged",
        None,
    )


def of_another(searched, folder):
    """The files of the search in another folder."""
    files = {name: folder / "darts/run" / name for name in OUTPUTS}
    (folder / "darts/run").mkdir(parents=True)
    for name, path in files.items():
        path.write_bytes(searched[1][name].read_bytes())
    return files


def test_a_search_that_diverged_gives_none_and_one_without_weights_is_refused(searched, digits, tmp_path):
    files = of_another(searched, tmp_path)
    alphas = read_arrays(files["alphas.npz"], "normal", "reduce")
    write_arrays(files["alphas.npz"], alphas)
    with pytest.raises(ValueError, match=rf"^{re.escape(str(files['alphas.npz']))}: .* supernet's weights"):
        architecture((searched[0], files), digits, tmp_path)
    write_json(files["outcome.json"], {"outcome": "diverged", "epoch": 1, "step": 0})
    files["history.csv"].write_text("".join(files["history.csv"].read_text().splitlines(keepends=True)[:2]))
    found = architecture((searched[0], files), digits, tmp_path)
    assert (found["outcome"], found["genotype_text"]) == ("diverged", None)


def test_a_search_that_keeps_its_weights_is_otherwise_the_same(searched, digits, tmp_path):
    job = searched[0].model_copy(update={"keeps_weights": False})
    assert "keeps_weights" not in job.model_dump(mode="json"), "its identity is what it was"
    files = written_search(job, digits, tmp_path)
    for name in ("history.csv", "curvature.npz", "outcome.json"):
        assert files[name].read_bytes() == searched[1][name].read_bytes()
    kept, plain = (read_arrays(one["alphas.npz"]) for one in (searched[1], files))
    assert set(plain) == {"normal", "reduce"}
    assert all((kept[name] == plain[name]).all() for name in plain)
