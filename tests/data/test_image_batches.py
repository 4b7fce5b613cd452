"""Image sets in memory: batches, their transform, resizing and the order of indices."""

import numpy as np
import pytest
import torch

from workflow_scripts.data.image_batches import Part, ShuffledBatches, load_part, ordered_batches
from workflow_scripts.study.cell_job_settings import Images


def settings(**changes):
    values = {
        "data_set": "squares",
        "channels": 1,
        "side": 8,
        "classes": 3,
        "mean": (0.5,),
        "deviation": (0.25,),
        "padding": 0,
        "flip": False,
        "cutout": 0,
    }
    return Images.model_validate({**values, **changes})


def part(count=6, **changes):
    draws = torch.Generator().manual_seed(0)
    images = torch.randint(1, 256, (count, 1, 8, 8), generator=draws, dtype=torch.uint8)
    return Part(images, torch.arange(count) % 3, settings(**changes))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_batch_takes_the_images_asked_for():
    whole = part()
    images, labels = whole.batch(torch.tensor([4, 0]))
    assert torch.allclose(images, (whole.images[[4, 0]].float() / 255 - 0.5) / 0.25)
    assert labels.tolist() == [1, 0]
    assert images.dtype == torch.float32


def test_training_transform_is_all_that_the_settings_ask_for():
    plain, _ = part().batch(torch.arange(6))
    assert torch.equal(part().batch(torch.arange(6), generator())[0], plain)
    for change in ({"padding": 2}, {"flip": True}, {"cutout": 4}):
        changed = part(**change)
        assert not torch.equal(changed.batch(torch.arange(6), generator())[0], plain)
        assert torch.equal(changed.batch(torch.arange(6))[0], plain)  # without draws: no transform


def test_padding_is_black_and_cutout_is_the_mean():
    """Zeros come in before normalisation; the hole is made after it."""
    padded, _ = part(padding=4).batch(torch.arange(6), generator())
    assert padded.min() == -2.0  # (0 - 0.5) / 0.25; the images hold no 0
    holed, _ = part(cutout=4).batch(torch.arange(6), generator())
    plain, _ = part().batch(torch.arange(6))
    changed = holed != plain
    assert changed.flatten(1).any(1).all()
    assert set(holed[changed].tolist()) == {0.0}


def test_cutout_probability_is_that_of_the_call():
    holed, _ = part(count=300, cutout=4).batch(torch.arange(300), generator(), cutout_probability=0.0)
    plain, _ = part(count=300).batch(torch.arange(300))
    assert torch.equal(holed, plain)
    some, _ = part(count=300, cutout=4).batch(torch.arange(300), generator(), cutout_probability=0.25)
    assert (some != plain).flatten(1).any(1).double().mean() == pytest.approx(0.25, abs=0.1)


def test_slice():
    whole = part()
    assert len(whole) == 6
    middle = whole.first(3, after=2)
    assert len(middle) == 3
    assert torch.equal(middle.images, whole.images[2:5])
    assert middle.labels.tolist() == [2, 0, 1]
    assert middle.settings == whole.settings


@pytest.fixture
def prepared(tmp_path):
    path = tmp_path / "squares.npz"
    images = np.arange(2 * 64, dtype=np.uint8).reshape(2, 1, 8, 8)
    arrays = {"train_images": images, "train_labels": np.array([1, 2]), "test_images": images[:1]}
    np.savez(path, **arrays, test_labels=np.array([0]))
    return path, images


def test_load_part(prepared):
    path, images = prepared
    train, test = (load_part(path, name, settings()) for name in ("train", "test"))
    assert (len(train), len(test)) == (2, 1)
    assert np.array_equal(train.images.numpy(), images)
    assert (train.labels.tolist(), test.labels.tolist()) == ([1, 2], [0])


def test_load_part_resizes_by_area(prepared):
    path, images = prepared
    smaller = load_part(path, "train", settings(side=4)).images
    means = images.reshape(2, 1, 4, 2, 4, 2).astype(float).mean((3, 5))
    assert smaller.dtype == torch.uint8
    assert np.array_equal(smaller.numpy(), np.round(means))
    larger = load_part(path, "train", settings(side=16)).images
    assert np.array_equal(larger.numpy(), images.repeat(2, -1).repeat(2, -2))


def test_shuffled_batches():
    batches = ShuffledBatches(10, 4, generator())
    passes = [[next(batches).tolist() for _ in range(3)] for _ in range(3)]
    assert all([len(batch) for batch in one] == [4, 4, 2] for one in passes)
    orders = [[index for batch in one for index in batch] for one in passes]
    assert all(sorted(order) == list(range(10)) for order in orders)
    assert len({tuple(order) for order in orders}) == 3
    again = ShuffledBatches(10, 4, generator())
    assert next(again).tolist() == passes[0][0]


def test_ordered_batches():
    assert [batch.tolist() for batch in ordered_batches(5, 2)] == [[0, 1], [2, 3], [4]]
