"""The batched transforms have the distribution of the per-image ones of the published code, and work on batches."""

from functools import partial

import numpy as np
import torch
from scipy.stats import chi2_contingency, ks_2samp
from torchvision.transforms import v2

from workflow_scripts.benchmark.arithmetic import operations_dispatched
from workflow_scripts.data.augment import cutout, random_crop, random_flip
from workflow_scripts.data.image_batches import Part
from workflow_scripts.study.cell_job_settings import Images

CHANCE = 1e-3  # smallest p-value taken for chance; the seeds are fixed
COUNT = 8000


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def offsets(images):
    """Where each image's one bright pixel is, as a number."""
    count, _, row, column = images.nonzero(as_tuple=True)
    assert torch.equal(count, torch.arange(len(images)))
    return (row * images.shape[-1] + column).numpy()


def p_value(first, second):
    """That two samples of a few values are of one distribution."""
    values = np.unique(np.concatenate([first, second]))
    return chi2_contingency([[np.count_nonzero(kind == value) for value in values] for kind in (first, second)]).pvalue


def test_crop_offsets_are_those_of_torchvision():
    image = torch.zeros(1, 32, 32, dtype=torch.uint8)
    image[0, 16, 16] = 255
    torch.manual_seed(0)
    crop = v2.RandomCrop(32, padding=4)
    theirs = offsets(torch.stack([crop(image) for _ in range(COUNT)]))
    ours = offsets(random_crop(image.expand(COUNT, 1, 32, 32), 4, generator()))
    assert len(np.unique(ours)) == len(np.unique(theirs)) == 81
    assert p_value(ours, theirs) > CHANCE


def test_flip_rate_is_that_of_torchvision():
    image = torch.arange(4, dtype=torch.uint8).view(1, 1, 4)
    torch.manual_seed(0)
    flip = v2.RandomHorizontalFlip()
    theirs = np.array([int(flip(image)[0, 0, 0]) for _ in range(COUNT)])
    ours = random_flip(image.expand(COUNT, 1, 1, 4), generator())[:, 0, 0, 0].numpy()
    assert p_value(ours, theirs) > CHANCE


def published_area(side, length, random):
    """Pixels blanked by the published mask: a centre drawn over all pixels, the square clipped at the border."""
    row, column = random.integers(side), random.integers(side)
    half = length // 2
    return (min(side, row + half) - max(0, row - half)) * (min(side, column + half) - max(0, column - half))


def test_cutout_area_is_that_of_the_published_code():
    random = np.random.default_rng(0)
    theirs = [published_area(32, 16, random) for _ in range(COUNT)]
    ours = (cutout(torch.ones(COUNT, 1, 32, 32), 16, 1.0, generator()) == 0).sum((1, 2, 3)).numpy()
    assert (min(theirs), max(theirs)) == (ours.min(), ours.max()) == (64, 256)
    assert ks_2samp(ours, theirs).pvalue > CHANCE


def test_a_batch_is_transformed_as_a_whole():
    """As many operations for 64 images as for one, and few: that, unlike a duration, no busy machine changes."""
    shape = {"channels": 3, "side": 32, "classes": 10, "mean": (0.5,) * 3, "deviation": (0.25,) * 3}
    settings = Images.model_validate({"data_set": "cifar10", **shape, "padding": 4, "flip": True, "cutout": 16})
    pixels = torch.randint(0, 256, (100, 3, 32, 32), dtype=torch.uint8, generator=generator())
    part, draws = Part(pixels, torch.zeros(100, dtype=torch.long), settings), generator()
    one, many = (operations_dispatched(partial(part.batch, torch.arange(size), draws)) for size in (1, 64))
    assert one == many <= 60
