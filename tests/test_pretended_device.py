"""Epochs on a device that is no processor, on torch's tensors without numbers: what moves to and from it is counted.

Each transfer makes a GPU wait. In a step only batches' indices, draws of the training transform and the constants of
the normalisation are moved to the device, and nothing from it; a new transfer fails the test that meets it. An epoch
ends where its numbers are read for the first time, which tensors without numbers refuse. A GPU is not needed.
"""

from collections import Counter
from contextlib import contextmanager, nullcontext

import pytest
import torch
from cells.tiny import alphas_of, supernet, tiny_evaluation, tiny_search
from torch._subclasses.fake_tensor import DataDependentOutputException, DynamicOutputShapeException, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from workflow_scripts.cells import genotype_training, search
from workflow_scripts.cells import random_search_with_weight_sharing as random_search
from workflow_scripts.cells.bilevel_step import Randomness
from workflow_scripts.cells.curvature import hessian_product
from workflow_scripts.cells.supernet import Alphas
from workflow_scripts.data.image_batches import Part
from workflow_scripts.depth import run_setup, training
from workflow_scripts.runtime.optimizers import SGD
from workflow_scripts.runtime.progress import Silent
from workflow_scripts.runtime.seeds import stream
from workflow_scripts.study.depth_settings import Depth, expand
from workflow_scripts.tables.genotype import Genotype

DEVICE = torch.device("lazy", 0)  # CUDA asks its driver in a backward pass; of this device nothing is ever asked
IMAGES = {"data_sets": ["digits"], "train_images": 20, "test_images": 30, "outer_width": 6, "inner_width": 3}


class Transfers(TorchDispatchMode):
    """Notes the shape of each tensor that goes to another device, by what it is moved to."""

    def __init__(self):
        super().__init__()
        self.to_device, self.to_host = Counter(), Counter()

    def __torch_dispatch__(self, operation, types, arguments=(), named=None):
        result = operation(*arguments, **(named or {}))
        given = [leaf for leaf in tree_leaves((arguments, named)) if isinstance(leaf, torch.Tensor)]
        for made in (leaf for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor)):
            # a tensor of no dimensions from the host counts as a number, which needs no transfer of its own
            moved = [each for each in given if each.device != made.device and (each.dim() or len(given) == 1)]
            (self.to_host if made.device.type == "cpu" else self.to_device).update(tuple(each.shape) for each in moved)
        return result


@contextmanager
def pretended():
    """Tensors without numbers, until a number is read; gives the transfers up to there."""
    transfers = Transfers()
    read = (DataDependentOutputException, DynamicOutputShapeException)
    with pytest.raises(read), FakeTensorMode(), transfers:
        yield transfers


def moved(network):
    """The network with its tensors on the device; inside FakeTensorMode, where `to` does not work."""
    for module in network.modules():
        for kind, tensors in (("parameter", module._parameters), ("buffer", module._buffers)):
            for name, value in tensors.items():
                if value is not None:
                    there = torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device=DEVICE)
                    tensors[name] = torch.nn.Parameter(there) if kind == "parameter" else there
    if hasattr(network, "weights"):
        network.weights = list(network.parameters())
    network.to = lambda *_, **__: network
    return network


@pytest.fixture(autouse=True)
def draws_on_the_host(monkeypatch):
    """A generator of a device needs the device; these draws have no numbers anyway."""
    for module in (search, random_search, genotype_training):
        monkeypatch.setattr(module, "stream", lambda seed, purpose, device="cpu": stream(seed, purpose))


def part(job, count=48):
    """Images on the device."""
    shape = (count, job.images.channels, job.images.side, job.images.side)
    images = torch.zeros(shape, dtype=torch.uint8, device=DEVICE)
    return Part(images, torch.zeros(count, dtype=torch.long, device=DEVICE), job.images)


def of_batch(size, side=8, transformed=True):
    """What one batch moves: its indices, for images and labels; mean and deviation; offsets and holes."""
    drawn = [(2, size), (size, side, side)] if transformed else []  # digits are not mirrored
    return Counter([(size,), (size,), (1,), (1,), *drawn])


def times(count, transfers):
    return Counter({shape: count * number for shape, number in transfers.items()})


@pytest.mark.parametrize(("order", "space", "steps"), [(1, "s2", 1), (2, "s4", 2)])
def test_an_epoch_of_a_search(monkeypatch, order, space, steps):
    job = tiny_search(space=space, order=order, drop_path=0.3, steps_per_epoch=steps)
    network = search.supernet_of(job, torch.device("cpu"))
    monkeypatch.setattr(search, "supernet_of", lambda *_: moved(network))
    monkeypatch.setattr(search._Search, "_ramp", lambda *_: 1.0)  # with cutout and drop path in the first epoch
    with pretended() as transfers:
        search.run_search(job, part(job), Silent(), DEVICE)
    validation = of_batch(job.alpha_images)
    alphas = Counter(tuple(alpha.shape) for alpha in alphas_of(network))
    assert transfers.to_device == times(2 * steps, of_batch(job.search.batch_size)) + validation + alphas
    assert transfers.to_host == Counter({(steps,): 1})  # the losses


def test_a_product_with_the_hessian():
    network = supernet("s2", dtype=torch.float32)
    alphas = alphas_of(network)
    transfers = Transfers()
    with FakeTensorMode(), transfers:
        there = Alphas(*(torch.zeros(alpha.shape, device=DEVICE, requires_grad=True) for alpha in alphas))
        batch = torch.zeros(4, 3, 8, 8, device=DEVICE), torch.zeros(4, dtype=torch.long, device=DEVICE)
        product = hessian_product(moved(network), there, batch, Randomness(0.2, torch.Generator()))
        image = product(torch.zeros(sum(alpha.numel() for alpha in alphas), device=DEVICE))
    assert image.device == DEVICE
    assert not transfers.to_device and not transfers.to_host


@pytest.mark.parametrize("fidelity", ["corrected", "published"])
def test_an_epoch_of_random_search(monkeypatch, fidelity):
    job = tiny_search(drop_path=0.3, steps_per_epoch=2).model_copy(update={"fidelity": fidelity})
    network = random_search.supernet_of(job, torch.device("cpu"))
    drawn = random_search.random_architecture(network, torch.Generator())
    monkeypatch.setattr(random_search, "supernet_of", lambda *_: moved(network))
    monkeypatch.setattr(random_search, "random_architecture", lambda *_: drawn)  # it reads numbers, of the host
    monkeypatch.setattr(random_search._RandomSearch, "_ramp", lambda *_: 1.0)
    with pretended() as transfers:
        random_search.run_random_search(job, part(job), Silent(), DEVICE)
    steps = job.search.steps_per_epoch
    assert transfers.to_device == times(steps, of_batch(job.search.batch_size))
    assert transfers.to_host == Counter({(steps,): 1})


@pytest.mark.parametrize("augment", [False, True])
def test_an_epoch_of_a_training_from_scratch(monkeypatch, augment):
    batch_size, steps = 16, 2
    job = tiny_evaluation(augment=augment, batch_size=batch_size, drop_path=0.3)
    edges = (("sep_conv_3x3", 0), ("skip_connect", 1), ("max_pool_3x3", 2), ("dil_conv_5x5", 0))
    network = genotype_training.EvaluationNetwork(Genotype(edges, edges), 2, 3, 10, False, image_channels=1)
    monkeypatch.setattr(genotype_training, "EvaluationNetwork", lambda *_, **__: moved(network))
    # which need a device that torch computes on
    monkeypatch.setattr(genotype_training, "multiply_adds", lambda *_: 0)
    monkeypatch.setattr(genotype_training, "mixed_precision", lambda *_: nullcontext())
    with pretended() as transfers:
        genotype_training.train_genotype(
            Genotype(edges, edges), job, part(job, steps * batch_size), part(job, 30), Silent(), DEVICE
        )
    tested = of_batch(30, transformed=False)
    assert transfers.to_device == times(steps, of_batch(batch_size, transformed=augment)) + tested
    assert transfers.to_host == Counter({(steps,): 1})


@pytest.mark.parametrize("model", ["ldn", "ddn"])
@pytest.mark.parametrize("fidelity", ["corrected", "published"])
def test_an_epoch_of_an_image_depth_network(monkeypatch, model, fidelity):
    experiment = {"models": [model], "max_depths": [2], "seeds": [1], "images": IMAGES}
    experiment |= {"training": {"epochs": 3, "batch_size": 10}}
    runs = expand(Depth.model_validate({"experiments": {"image_max_depth": experiment}, "fidelity": fidelity}))
    ((run,),) = (group.values() for group in runs.values())
    built = run_setup.build(run)
    # one kernel for all tensors is there for devices that torch knows
    monkeypatch.setattr(training, "SGD", lambda *positional, fused, **named: SGD(*positional, **named))
    with pretended() as transfers:
        x = torch.zeros(20, 1, 8, 8, device=DEVICE).to(memory_format=torch.channels_last)
        y = torch.zeros(20, dtype=torch.long, device=DEVICE)
        state = training.TrainingState(moved(built), run.training, torch.Generator())
        state.run_epoch((x, y), None)
    assert transfers.to_device == Counter({(10,): 4})  # of two batches the indices, for images and labels
    assert transfers.to_host == Counter({(2, 3): 1})  # objective, divergence and errors of the epoch


@pytest.mark.parametrize("read", [float, bool, torch.Tensor.item])
def test_a_number_that_is_read_ends_the_pretence(read):
    with pretended():
        read(torch.zeros((), device=DEVICE))


def test_a_transfer_is_seen_in_both_directions():
    transfers = Transfers()
    with FakeTensorMode(), transfers:
        there = torch.zeros(3).to(DEVICE)
        there[torch.zeros(2, dtype=torch.long)].cpu()
        assert (there + 1).device == DEVICE
    assert transfers.to_device == Counter({(3,): 1, (2,): 1})
    assert transfers.to_host == Counter({(2,): 1})
