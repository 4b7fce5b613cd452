"""RS-ws on digits: what is sampled, what a step changes, what is compared on what, and the form it is written in."""

import json
import math
from collections import Counter, defaultdict

import pytest
import torch
from cells.tiny import numbered_part, supernet, tiny_search
from scipy.stats import chi2

from workflow_scripts.cells import random_search_with_weight_sharing as module
from workflow_scripts.cells.random_search_with_weight_sharing import (
    _RandomSearch,
    random_architecture,
    run_random_search,
)
from workflow_scripts.cells.supernet import Supernet
from workflow_scripts.data import image_batches
from workflow_scripts.data.augment import cutout
from workflow_scripts.data.image_batches import load_part
from workflow_scripts.runtime.progress import Silent
from workflow_scripts.steps import derive_architectures, random_search
from workflow_scripts.study.cell_job_settings import Images
from workflow_scripts.study.cell_settings import RandomSearch, StopRule
from workflow_scripts.tables.architectures import read_architectures
from workflow_scripts.tables.genotype import parse_genotype
from workflow_scripts.tables.search_run import SAMPLES, read_search_run

CPU = torch.device("cpu")
OUTPUTS = ("settings.json", "history.csv", "curvature.npz", "outcome.json", "samples.csv")
BROKEN = {"learning_rate": 1e25, "learning_rate_min": 1e25, "grad_clip": 1e30, "momentum": 0.0}


def tiny_random(samples=6, batches=2, finalists=2, fidelity="corrected", **changes):
    """The job of one tiny random search; a search setting or space, seed, l2, drop_path may be changed."""
    settings = RandomSearch(samples=samples, batches=batches, finalists=finalists)
    return tiny_search(**changes).model_copy(update={"random_ws": settings, "fidelity": fidelity})


def numbered_random(**changes):
    """A job that sees the numbers of numbered images as its pixels."""
    job = tiny_random(augment=False, **changes)
    shown = Images.model_validate({**job.images.model_dump(), "mean": (0.0,), "deviation": (1 / 255,)})
    return job.model_copy(update={"images": shown})


def numbers(images):
    return images[:, 0, 0, 0].round().int().tolist()


def searched(job, digits):
    return run_random_search(job, load_part(digits, "train", job.images), Silent(), CPU)


def written(job, digits, folder):
    files = {name: folder / name for name in OUTPUTS}
    outputs = {name.split(".")[0]: [path] for name, path in files.items()}
    random_search.run(job.model_dump(mode="json"), {"data": [digits]}, outputs, Silent())
    return files


@pytest.fixture
def steps(monkeypatch):
    """What every weight step of the searches of a test got: images, architecture, drop path, learning rate, loss."""
    seen = []
    step = _RandomSearch._weight_step

    def spy(self, images, labels, architecture, drop_path):
        loss, logits = step(self, images, labels, architecture, drop_path)
        seen.append((images, architecture, drop_path, self.optimizer.param_groups[0]["lr"], float(loss)))
        return loss, logits

    monkeypatch.setattr(_RandomSearch, "_weight_step", spy)
    return seen


@pytest.fixture
def scored(monkeypatch):
    """What every candidate of a test was scored on, as (architecture, numbers of the images) in order."""
    seen = []
    score = _RandomSearch._score

    def spy(self, architecture, batches):
        batches = list(batches)
        assert not self.network.training
        seen.append((architecture, [number for images, _ in batches for number in numbers(images)]))
        return score(self, architecture, batches)

    monkeypatch.setattr(_RandomSearch, "_score", spy)
    return seen


# the sampler ----------------------------------------------------------------------------------------------------------


def pass_chi_square(counts, categories, drawn):
    """Whether counts of equally likely categories are what a thousandth of all samples would exceed."""
    assert len(counts) <= categories
    expected = drawn / categories
    statistic = sum((count - expected) ** 2 / expected for count in counts.values())
    statistic += (categories - len(counts)) * expected
    return statistic < chi2.ppf(0.999, categories - 1)


def test_architectures_are_drawn_uniformly():
    network, draws, drawn = supernet("s5"), torch.Generator().manual_seed(1), 3000
    predecessors, operations, together = defaultdict(Counter), defaultdict(Counter), Counter()
    for _ in range(drawn):
        architecture = random_architecture(network, draws)
        for kind, cell in zip(("normal", "reduce"), architecture, strict=True):
            for node, ((first, one), (second, other)) in enumerate(cell):
                assert 0 <= first < second < node + 2
                predecessors[kind, node][first, second] += 1
                operations[kind, node][one, other] += 1
        together[architecture.normal[3][0][1], architecture.reduce[3][0][1]] += 1  # operations of two cells
    assert len(predecessors) == len(operations) == 8
    for (_, node), counts in predecessors.items():
        assert node == 0 or pass_chi_square(counts, math.comb(node + 2, 2), drawn)
    assert all(pass_chi_square(counts, 64, drawn) for counts in operations.values())  # also: of two edges
    assert pass_chi_square(together, 64, drawn)


def test_the_chi_square_sees_what_is_not_uniform():
    assert not pass_chi_square(Counter({number: 450 + 10 * (number == 0) for number in range(7)}), 8, 3160)
    assert not pass_chi_square(Counter({number: 340 + 120 * (number == 0) for number in range(8)}), 8, 2840)


def test_none_and_noise_are_drawn():
    draws = torch.Generator().manual_seed(0)
    for space, name in (("s3", "none"), ("s4", "noise")):
        network = supernet(space)
        assert any(name in network.genotype_of(random_architecture(network, draws)).text() for _ in range(5))


def test_each_edge_has_its_own_candidates():
    network, draws = supernet("s1"), torch.Generator().manual_seed(0)
    for _ in range(50):
        genotype = network.genotype_of(random_architecture(network, draws))
        for kind in ("normal", "reduce"):
            edges, first = network.candidates[kind], 0
            for node in range(4):
                for name, source in getattr(genotype, kind)[2 * node : 2 * node + 2]:
                    assert name in edges[first + source]
                first += node + 2


# the training ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "sizes"),
    [
        ({"steps_per_epoch": None, "batch_size": 5}, [5, 5, 5, 5, 4] * 3),
        ({"steps_per_epoch": 2, "batch_size": 4}, [4] * 6),
        ({"steps_per_epoch": None, "batch_size": 100}, [24] * 3),
    ],
)
def test_budget(changes, sizes, digits, steps):
    result = searched(tiny_random(**changes), digits)
    assert [len(images) for images, *_ in steps] == sizes
    assert [record.epoch for record in result.epochs] == [0, 1, 2]


def test_published_budget(digits, steps, monkeypatch):
    job = tiny_random(fidelity="published", epochs=50, steps_per_epoch=None, batch_size=64)
    budget = _RandomSearch(job, load_part(digits, "train", job.images), CPU)._budget()
    assert budget == 19531  # `budget` in the published logs
    monkeypatch.setattr(module, "PUBLISHED_IMAGES", 50)
    result = searched(tiny_random(fidelity="published", steps_per_epoch=None, finalists=1), digits)
    assert len(steps) == 3 * 50 // 4
    rates = Counter(rate for *_, rate, _ in steps)
    assert [rates[record.learning_rate] for record in result.epochs] == [12, 12, 13]


def test_learning_rate_of_every_step(digits, steps):
    searched(tiny_random(epochs=3, steps_per_epoch=2, learning_rate=0.4, learning_rate_min=0.1), digits)
    assert [rate for *_, rate, _ in steps] == pytest.approx([0.4] * 2 + [0.325] * 2 + [0.175] * 2)


def test_every_step_has_an_architecture_of_its_own(digits, steps):
    searched(tiny_random(space="s5", epochs=2), digits)
    assert len({architecture for _, architecture, *_ in steps}) == 6


def memory(search):
    """Weights and momentum buffers by name; no buffer is a buffer of zeros."""
    found = {}
    for name, parameter in search.network.named_parameters():
        buffer = search.optimizer.state.get(parameter, {}).get("momentum_buffer")
        kept = torch.zeros_like(parameter) if buffer is None else buffer
        found[name] = (parameter.detach().clone(), kept.detach().clone())
    return found


def used(search, architecture):
    """The names of the parameters that an architecture runs."""
    first_edges = (0, 2, 5, 9)
    prefixes = ["stem.", "classifier."]
    for number, cell in enumerate(search.network.cells):
        prefixes.append(f"cells.{number}.preprocess")
        for first, pairs in zip(
            first_edges, architecture.reduce if cell.reduction else architecture.normal, strict=True
        ):
            prefixes += [f"cells.{number}._ops.{first + source}._ops.{index}." for source, index in pairs]
    return {name for name, _ in search.network.named_parameters() if name.startswith(tuple(prefixes))}


@pytest.mark.parametrize("fidelity", ["corrected", "published"])
def test_what_a_step_changes(fidelity, digits):
    job = tiny_random(space="s2", fidelity=fidelity, l2=0.1)
    part = load_part(digits, "train", job.images)
    search = _RandomSearch(job, part, CPU)
    search.network.train()
    momentum, rate = job.search.momentum, search.optimizer.param_groups[0]["lr"]
    returned = 0
    for step in range(6):
        architecture = random_architecture(search.network, search.architecture_generator)
        before = memory(search)
        search._weight_step(*part.batch(torch.arange(4 * step, 4 * step + 4)), architecture, 0.0)
        after, chosen = memory(search), used(search, architecture)
        assert 0 < len(chosen) < len(before)
        for name, (weight, buffer) in before.items():
            if name in chosen:
                assert not torch.equal(after[name][0], weight), name
                continue
            returned += bool(buffer.any())  # it was chosen before, so its momentum could move it
            if fidelity == "corrected":
                assert torch.equal(after[name][0], weight) and torch.equal(after[name][1], buffer), name
            else:
                expected = momentum * buffer + job.l2 * weight
                assert torch.allclose(after[name][1], expected), name
                assert torch.allclose(after[name][0], weight - rate * expected), name
                assert not torch.equal(after[name][0], weight), name
    assert returned > 0


@pytest.mark.parametrize("fidelity", ["corrected", "published"])
def test_running_statistics_follow_what_runs(fidelity, digits):
    job = tiny_random(space="s2", fidelity=fidelity)
    part = load_part(digits, "train", job.images)
    search = _RandomSearch(job, part, CPU)
    search._weight_step(
        *part.batch(torch.arange(4)), random_architecture(search.network, search.architecture_generator), 0.0
    )
    edges = [edge for cell in search.network.cells for edge in cell._ops]
    moved = sum(int(edge._ops[1].op[3].num_batches_tracked) for edge in edges)  # of the separable convolutions
    assert moved == len(edges) if fidelity == "published" else 0 < moved <= 3 * 8


@pytest.mark.parametrize(
    ("drop_path", "fidelity", "augment", "probabilities"),
    [
        (0.0, "corrected", True, set()),
        (0.4, "corrected", True, {0.5, 1.0}),
        (0.4, "corrected", False, set()),
        (0.4, "published", True, set()),
    ],
)
def test_drop_path_and_cutout_rise_as_in_a_search(
    drop_path, fidelity, augment, probabilities, digits, steps, monkeypatch
):
    seen = []

    def spy(images, length, probability, draws):
        seen.append(probability)
        return cutout(images, length, probability, draws)

    monkeypatch.setattr(image_batches, "cutout", spy)
    dropped = []
    drop_paths = module.Supernet.chosen

    def chosen(self, images, architecture, draws=None, drop_path=0.0):
        dropped.append(drop_path)
        return drop_paths(self, images, architecture, draws, drop_path)

    monkeypatch.setattr(Supernet, "chosen", chosen)
    searched(tiny_random(drop_path=drop_path, fidelity=fidelity, augment=augment, epochs=3, steps_per_epoch=1), digits)
    assert set(seen) == probabilities
    rising = [0.0, 0.2, 0.4] if fidelity == "corrected" and drop_path else [0.0] * 3
    applied = dropped[:3] if fidelity == "corrected" else [0.0] * 3
    assert applied == pytest.approx(rising)
    assert not any(dropped[3:])  # nothing is dropped where candidates are scored


# the choice -----------------------------------------------------------------------------------------------------------


def test_all_candidates_are_scored_on_the_same_batches(scored):
    job = numbered_random(samples=8, batches=2, finalists=3, steps_per_epoch=1)
    run_random_search(job, numbered_part(job), Silent(), CPU)
    few, final = [shown for _, shown in scored[:8]], [shown for _, shown in scored[8:]]
    assert len(few[0]) == len(set(few[0])) == 2 * 4
    assert set(few[0]) < set(range(24, 40)) and few[0] != sorted(few[0])
    assert all(shown == few[0] for shown in few)
    assert len(final) == 3 and all(sorted(shown) == list(range(24, 40)) for shown in final)


def test_no_image_counts_twice_when_the_batches_would_be_more_than_there_are(scored):
    job = numbered_random(samples=2, batches=7, steps_per_epoch=1)
    run_random_search(job, numbered_part(job), Silent(), CPU)
    assert all(sorted(shown) == list(range(24, 40)) for _, shown in scored)


def test_as_published_each_candidate_is_scored_on_the_batches_that_come_next(scored):
    job = numbered_random(fidelity="published", samples=8, batches=3, finalists=2, steps_per_epoch=1)
    run_random_search(job, numbered_part(job), Silent(), CPU)
    assert len({tuple(shown) for _, shown in scored[:8]}) == 8
    shown = [number for _, part in scored for number in part]
    assert len(shown) == 8 * 12 + 2 * 16
    for first in range(0, len(shown), 16):
        assert sorted(shown[first : first + 16]) == list(range(24, 40))  # pass after pass
    assert shown[:16] != shown[16:32]
    assert [len(part) for _, part in scored[8:]] == [16, 16]  # as many as there are


def test_augmented_candidates_see_the_same_pictures(digits, monkeypatch):
    seen = []
    score = _RandomSearch._score

    def spy(self, architecture, batches):
        batches = list(batches)
        seen.append(torch.cat([images for images, _ in batches]))
        return score(self, architecture, batches)

    monkeypatch.setattr(_RandomSearch, "_score", spy)
    job = tiny_random(samples=3, finalists=3, drop_path=0.3)
    searched(job, digits)
    assert all(torch.equal(images, seen[0]) for images in seen[:3])
    assert all(torch.equal(images, seen[3]) for images in seen[3:])
    plain = load_part(digits, "train", job.images).first(16, after=24).batch(torch.arange(16))[0]
    assert not any(torch.equal(image, other) for image in seen[3] for other in plain)  # by the training transform


def test_noise_is_the_same_for_every_candidate(digits):
    job = tiny_random(space="s4", samples=1)
    search = _RandomSearch(job, load_part(digits, "train", job.images), CPU)
    search.network.eval()
    architecture = random_architecture(search.network, search.sample_generator)
    assert search._score(architecture, search._validation(2)) == search._score(architecture, search._validation(2))


def count_of(edges):
    return sum(index for pairs in edges for _, index in pairs)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_best_finalist_wins_and_the_few_batches_choose_the_finalists(seed, monkeypatch, scored):
    """Planted: on the few batches an error for each second candidate in the normal cell, on the others in the
    reduction cell, so that the best of the samples need not be the best of the finalists."""
    trained = Supernet.chosen
    few = []

    def planted(self, images, architecture, draws=None, drop_path=0.0):
        if self.training:
            return trained(self, images, architecture, draws, drop_path)
        shown = numbers(images)
        few.extend(shown if len(few) < 8 else [])
        rest = sorted(set(range(24, 40)) - set(few))
        wrong = [
            few.index(number) < count_of(architecture.normal)
            if number in few
            else rest.index(number) < count_of(architecture.reduce)
            for number in shown
        ]
        labels = torch.tensor([(number + missed) % 10 for number, missed in zip(shown, wrong, strict=True)])
        return torch.nn.functional.one_hot(labels, 10).float()

    monkeypatch.setattr(Supernet, "chosen", planted)
    job = numbered_random(seed=seed, samples=40, batches=2, finalists=6, steps_per_epoch=1)
    result = run_random_search(job, numbered_part(job), Silent(), CPU)
    choices = [architecture for architecture, _ in scored[:40]]
    assert [sample.architecture for sample in result.samples] == choices
    assert [sample.error_percent for sample in result.samples] == [100 * count_of(c.normal) / 8 for c in choices]
    ranks = sorted(range(40), key=lambda number: (count_of(choices[number].normal), number))[:6]
    assert [architecture for architecture, _ in scored[40:]] == [choices[number] for number in ranks]
    totals = {
        number: 100 * (count_of(choices[number].normal) + count_of(choices[number].reduce)) / 16 for number in ranks
    }
    expected = sorted(ranks, key=lambda number: totals[number])
    assert [(one.sample, one.error_percent) for one in result.finalists] == [(n, totals[n]) for n in expected]
    assert expected != ranks  # the second look changed the order
    assert len(set(totals.values())) < 6  # and there were ties


def test_equal_candidates_keep_the_order_drawn(monkeypatch):
    monkeypatch.setattr(_RandomSearch, "_score", lambda *_: (1.0, 50.0))
    job = numbered_random(samples=7, finalists=4, steps_per_epoch=1)
    result = run_random_search(job, numbered_part(job), Silent(), CPU)
    assert [finalist.sample for finalist in result.finalists] == [0, 1, 2, 3]


def test_fewer_samples_than_finalists(digits):
    assert len(searched(tiny_random(samples=2, finalists=10), digits).finalists) == 2


@pytest.mark.parametrize("fidelity", ["corrected", "published"])
def test_finds_a_planted_architecture(fidelity, digits):
    """A space in which the reduction cells let an image pass by two edges alone: by a convolution, or noise instead.

    Trained on real digits, the two convolutions are best by far, and RS-ws finds them.
    """
    useless = [["none", "noise"]] * 12
    job = tiny_random(
        space="s4",
        samples=60,
        batches=4,
        finalists=5,
        fidelity=fidelity,
        steps_per_epoch=50,
        batch_size=32,
        init_channels=4,
        subset=1000,
        augment=False,
        learning_rate=0.1,
    ).model_copy(
        update={
            "normal": [["sep_conv_3x3", "dil_conv_3x3"]] * 2 + useless,
            "reduce": [["noise", "sep_conv_3x3"]] * 2 + useless,
        }
    )
    result = searched(job, digits)
    errors = defaultdict(list)
    for sample in result.samples:
        errors[tuple(index for _, index in sample.architecture.reduce[0])].append(sample.error_percent)
    means = {chosen: sum(values) / len(values) for chosen, values in errors.items()}
    assert min(means, key=means.get) == (1, 1)
    assert means[1, 1] < 65 < 85 < means[0, 0]  # ten classes: 90 is chance
    assert len(errors[1, 1]) < 25
    genotype = parse_genotype(result.samples[result.finalists[0].sample].genotype)
    assert genotype.reduce[:2] == (("sep_conv_3x3", 0), ("sep_conv_3x3", 1))


# as a whole -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fidelity", ["corrected", "published"])
def test_same_seed_same_bytes_and_other_seed_other_run(fidelity, digits, tmp_path):
    settings = {"space": "s4", "drop_path": 0.3, "fidelity": fidelity}
    first, again, other = (
        written(tiny_random(seed=seed, **settings), digits, tmp_path / name)
        for name, seed in (("first", 1), ("again", 1), ("other", 2))
    )
    assert {name for name in first if first[name].read_bytes() != again[name].read_bytes()} == set()
    for name in ("history.csv", "samples.csv"):
        assert first[name].read_bytes() != other[name].read_bytes()


def test_the_global_generator_decides_nothing(digits):
    job = tiny_random(space="s4", drop_path=0.3)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        first = searched(job, digits)
        state = torch.get_rng_state()
        torch.manual_seed(2)
        again = searched(job, digits)
    assert first == again
    with torch.random.fork_rng():
        torch.manual_seed(1)
        assert torch.equal(torch.get_rng_state(), state)  # nor does a search draw from it


def test_more_samples_leave_the_first_ones_as_they_are(digits):
    few, many = (searched(tiny_random(samples=samples), digits) for samples in (3, 6))
    assert few.epochs == many.epochs
    assert few.samples == many.samples[:3]


def test_weights_and_scores_see_disjoint_images(steps, scored):
    job = numbered_random(epochs=2, steps_per_epoch=None)
    run_random_search(job, numbered_part(job), Silent(), CPU)
    trained = [number for images, *_ in steps for number in numbers(images)]
    assert sorted(trained[:24]) == sorted(trained[24:]) == list(range(24))
    assert set().union(*(shown for _, shown in scored)) == set(range(24, 40))


@pytest.mark.parametrize("fidelity", ["corrected", "published"])
def test_on_disk_form(fidelity, digits, tmp_path):
    job = tiny_random(space="s1", samples=6, finalists=2, fidelity=fidelity, l2=9e-4)
    written(job, digits, tmp_path)
    found, result = read_search_run(tmp_path), searched(job, digits)
    best = result.finalists[0]
    genotype = result.samples[best.sample].genotype
    assert found.settings == job.model_dump(mode="json")
    assert found.outcome == {
        "outcome": "finished",
        "epochs": 3,
        "samples": 6,
        "valid_error_percent": best.error_percent,
        "final_l2": 9e-4,
    }
    assert (found.curvature_epochs, found.eigenvalues, found.hessians) == ([], [], None)
    history = found.history
    assert history["epoch"].tolist() == [0, 1, 2]
    assert history["l2"].tolist() == [9e-4] * 3
    rates = [0.001 + 0.024 * (1 + math.cos(math.pi * epoch / 3)) / 2 for epoch in range(3)]
    assert history["learning_rate"].tolist() == pytest.approx(rates, rel=1e-12)
    assert history["train_loss"].tolist() == [record.train_loss for record in result.epochs]
    assert history["train_loss"].between(0.1, 20).all() and history["train_error_percent"].between(0, 100).all()
    for name, value in (
        ("valid_loss", best.loss),
        ("valid_error_percent", best.error_percent),
        ("genotype", genotype),
    ):
        assert history[name].isna().tolist() == [True, True, False]
        assert history[name].iloc[-1] == value
    samples = SAMPLES.read(tmp_path / "samples.csv")
    assert samples["sample"].tolist() == list(range(6))
    assert samples["genotype"].tolist() == [sample.genotype for sample in result.samples]
    assert samples["valid_error_percent"].tolist() == [sample.error_percent for sample in result.samples]
    final = samples.dropna(subset="all_valid_error_percent")
    assert set(final["sample"]) == {finalist.sample for finalist in result.finalists}
    assert final["all_valid_error_percent"].min() == best.error_percent


def test_its_architecture_is_the_best_sample(digits, tmp_path):
    written(tiny_random(), digits, tmp_path / "random_ws" / "run")
    derive_architectures.run(
        {"stop": StopRule().model_dump(), "runs": [{"run": "x", "methods": ["random_ws"]}]},
        {"history": [tmp_path / "random_ws" / "run" / "history.csv"]},
        {"architecture": [tmp_path / "architecture.yaml"]},
        Silent(),
    )
    (found,) = read_architectures(tmp_path / "architecture.yaml")
    samples = SAMPLES.read(tmp_path / "random_ws" / "run" / "samples.csv")
    assert found["outcome"] == "found" and found["search"] == "random_ws"
    assert found["genotype_text"] in samples["genotype"].tolist()
    assert found["valid_error_percent"] == samples["all_valid_error_percent"].min()


def test_divergence_is_recorded_with_epoch_and_step(digits, tmp_path, steps):
    lines = []

    class Listener(Silent):
        def say(self, text):
            lines.append(text)

    job = tiny_random(**BROKEN)
    result = run_random_search(job, load_part(digits, "train", job.images), Listener(), CPU)
    first_broken = next(index for index, (*_, loss) in enumerate(steps) if not math.isfinite(loss))
    assert result.diverged_at == divmod(first_broken, 3)
    assert len(result.epochs) == result.diverged_at[0]
    assert lines == ["diverged: the loss is not finite at epoch {}, step {}".format(*result.diverged_at)]

    written(job, digits, tmp_path)
    epoch, step = result.diverged_at
    outcome = json.loads((tmp_path / "outcome.json").read_text())
    assert outcome == {"outcome": "diverged", "epochs": epoch, "epoch": epoch, "step": step, "final_l2": 3e-4}
    assert len(read_search_run(tmp_path).history) == epoch
    assert len(SAMPLES.read(tmp_path / "samples.csv")) == 0


def test_divergence_in_the_very_last_step_is_no_finished_search(digits):
    result = searched(tiny_random(epochs=1, steps_per_epoch=1, **BROKEN), digits)
    assert result.diverged_at == (0, 0)
    assert result.epochs == result.samples == result.finalists == []
