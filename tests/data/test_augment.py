"""The training transforms: what they do to an image, and how often."""

import pytest
import torch

from workflow_scripts.data.augment import cutout, normalise, random_crop, random_flip


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def chi_square(counts):
    """Of observed counts against equally likely cells."""
    expected = counts.double().mean()
    return float(((counts - expected) ** 2 / expected).sum())


def test_every_crop_offset_is_equally_likely():
    """One bright pixel in the middle shows where each image went: 25 offsets, 10,000 images."""
    images = torch.zeros(10_000, 1, 9, 9, dtype=torch.uint8)
    images[:, 0, 4, 4] = 255
    cropped = random_crop(images, 2, generator())
    assert cropped.shape == images.shape
    count, _, row, column = cropped.nonzero(as_tuple=True)
    assert torch.equal(count, torch.arange(10_000))  # each pixel is still in sight, once
    assert (row.min(), row.max(), column.min(), column.max()) == (2, 6, 2, 6)
    counts = torch.bincount((row - 2) * 5 + column - 2, minlength=25)
    assert chi_square(counts) < 51.2  # 99.9 % quantile, 24 degrees of freedom


def test_crop_shifts_the_whole_image_and_brings_in_zeros():
    image = torch.arange(1, 33, dtype=torch.uint8).view(1, 2, 4, 4)
    cropped = random_crop(image.expand(200, 2, 4, 4), 1, generator())
    padded = torch.zeros(2, 6, 6, dtype=torch.uint8)
    padded[:, 1:5, 1:5] = image[0]
    windows = {tuple(padded[:, r : r + 4, c : c + 4].flatten().tolist()) for r in range(3) for c in range(3)}
    assert {tuple(crop.flatten().tolist()) for crop in cropped} == windows


def test_half_of_the_images_are_mirrored_as_a_whole():
    image = torch.arange(12, dtype=torch.uint8).view(1, 1, 3, 4)
    flipped = random_flip(image.expand(4000, 1, 3, 4), generator())
    mirrored = (flipped == image.flip(-1)).flatten(1).all(1)
    kept = (flipped == image).flatten(1).all(1)
    assert (mirrored ^ kept).all()
    assert mirrored.double().mean() == pytest.approx(0.5, abs=0.032)  # four standard errors


def test_every_cutout_centre_is_equally_likely_and_the_square_is_clipped():
    """The rows and the columns of a hole tell its centre, at the border too: 64 centres, 16,000 images."""
    images = torch.ones(16_000, 2, 8, 8)
    holed = cutout(images, 4, 1.0, generator())
    hole = holed == 0
    assert torch.equal(hole[:, 0], hole[:, 1])
    assert torch.equal(holed[~hole], images[~hole])
    rows, columns = hole[:, 0].any(2), hole[:, 0].any(1)
    assert torch.equal(hole[:, 0], rows[:, :, None] & columns[:, None, :])  # a rectangle
    extents = [tuple(range(max(0, centre - 2), min(8, centre + 2))) for centre in range(8)]
    assert [len(extent) for extent in extents] == [2, 3, 4, 4, 4, 4, 4, 3]
    known = {extent: centre for centre, extent in enumerate(extents)}
    centres = [
        8 * known[tuple(row.nonzero().flatten().tolist())] + known[tuple(column.nonzero().flatten().tolist())]
        for row, column in zip(rows, columns, strict=True)
    ]
    assert chi_square(torch.bincount(torch.tensor(centres), minlength=64)) < 103.5  # 99.9 %, 63 degrees of freedom
    assert hole[:, 0].sum((1, 2)).double().mean() == pytest.approx(3.5**2, rel=0.01)


@pytest.mark.parametrize(("probability", "share"), [(0.0, 0.0), (0.3, 0.3), (1.0, 1.0)])
def test_cutout_probability(probability, share):
    holed = cutout(torch.ones(4000, 1, 4, 4), 2, probability, generator())
    assert (holed == 0).flatten(1).any(1).double().mean() == pytest.approx(share, abs=0.03)


def test_normalise():
    images = torch.tensor([0, 51, 255, 102], dtype=torch.uint8).view(1, 2, 1, 2)
    found = normalise(images, (0.2, 0.4), (0.5, 0.25))
    assert found.dtype == torch.float32
    expected = torch.tensor([-0.4, 0.0, 2.4, 0.0]).view(1, 2, 1, 2)
    assert torch.allclose(found, expected, atol=1e-6)
    assert normalise(torch.zeros(2, 3, 4, 4, dtype=torch.uint8), (0.5,) * 3, (1.0,) * 3).is_contiguous(
        memory_format=torch.channels_last
    )


@pytest.mark.parametrize(
    "transform",
    [
        lambda images, draws: random_crop(images, 2, draws),
        random_flip,
        lambda images, draws: cutout(images, 4, 0.5, draws),
    ],
)
def test_transforms_draw_from_their_generator_only(transform):
    images = torch.rand(20, 1, 8, 8, generator=generator())
    before = images.clone()
    state = torch.get_rng_state()
    first, again, other = (transform(images, generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(images, before)
