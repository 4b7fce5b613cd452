"""What the project states about each data set, and the digits themselves."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from workflow_scripts.data.entry import data_set_names, load_entry, module_name
from workflow_scripts.data.sets import digits
from workflow_scripts.data.torchvision_sets import arrays
from workflow_scripts.runtime.progress import Silent
from workflow_scripts.steps import fetch_data
from workflow_scripts.study.cells import Cells, images_of

ROOT = Path(__file__).parents[2]
PUBLISHED = {  # RobustDARTS code
    "cifar10": ((0.49139968, 0.48215827, 0.44653124), (0.24703233, 0.24348505, 0.26158768)),
    "cifar100": ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
    "svhn": ((0.4377, 0.4438, 0.4728), (0.1980, 0.2010, 0.1970)),
}


@pytest.mark.parametrize("name", data_set_names())
def test_entry(name):
    entry = load_entry(name)
    assert entry.name == name
    assert all(len(text) > 5 for text in (entry.description, entry.citation, entry.licence))
    assert entry.channels in (1, 3)
    assert entry.side % 4 == 0 and entry.side >= 8
    assert entry.classes >= 2
    assert entry.train_images > entry.classes and entry.test_images > entry.classes
    assert len(entry.mean) == len(entry.deviation) == entry.channels
    assert all(0 < value < 1 for value in (*entry.mean, *entry.deviation))


def test_importing_an_entry_loads_no_heavy_library():
    code = (
        "import sys; from workflow_scripts.data.entry import data_set_names, load_entry; "
        "[load_entry(name) for name in data_set_names()]; "
        "print(sorted({'torch', 'torchvision', 'sklearn', 'pandas', 'scipy'} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"


@pytest.mark.parametrize("name", sorted(set(PUBLISHED) & set(data_set_names())))
def test_published_normalisation(name):
    entry = load_entry(name)
    assert (entry.mean, entry.deviation) == PUBLISHED[name]
    grid = {"spaces": ["s1"], "data_sets": [name], "methods": ["darts"], "l2": [3e-4], "seeds": [1]}
    images = images_of(Cells.model_validate({"grids": [grid]}), name, augment=True)
    assert (images.side, images.padding, images.cutout, images.flip) == (32, 4, 16, True)


def test_digits_are_augmented_in_proportion_and_never_mirrored():
    grid = {"spaces": ["s1"], "data_sets": ["digits"], "methods": ["darts"], "l2": [3e-4], "seeds": [1]}
    cells = Cells.model_validate({"grids": [grid]})
    images = images_of(cells, "digits", augment=True)
    assert (images.side, images.padding, images.cutout, images.flip) == (8, 1, 4, False)
    plain = images_of(cells, "digits", augment=False)
    assert (plain.padding, plain.cutout, plain.flip) == (0, 0, False)


def test_digits_as_stated():
    found, entry = digits.read(), digits.DATA_SET
    assert found["train_images"].shape == (1000, 1, 8, 8)
    assert found["test_images"].shape == (797, 1, 8, 8)
    assert (entry.train_images, entry.test_images) == (1000, 797)
    assert all(images.dtype == np.uint8 for name, images in found.items() if name.endswith("images"))
    assert all(labels.dtype == np.int64 for name, labels in found.items() if name.endswith("labels"))
    assert set(found["train_labels"]) == set(found["test_labels"]) == set(range(10))
    shares = found["train_images"] / 255
    assert shares.mean() == pytest.approx(entry.mean[0], abs=1e-3)
    assert shares.std() == pytest.approx(entry.deviation[0], abs=1e-3)
    levels = np.unique(found["train_images"])
    assert len(levels) == 17 and levels[0] == 0 and levels[-1] == 255


def test_digits_keep_their_order_and_labels():
    from sklearn.datasets import load_digits

    bundle, found = load_digits(), digits.read()
    images = np.concatenate([found["train_images"], found["test_images"]])[:, 0]
    assert np.array_equal(np.rint(images / 255 * 16), bundle.images)
    assert np.array_equal(np.concatenate([found["train_labels"], found["test_labels"]]), bundle.target)


def test_prepared_file_is_the_same_bytes_each_time(tmp_path):
    for name in ("first", "again"):
        fetch_data.run({"module": module_name("digits")}, {}, {"data": [tmp_path / f"{name}.npz"]}, Silent())
    assert (tmp_path / "first.npz").read_bytes() == (tmp_path / "again.npz").read_bytes()
    with np.load(tmp_path / "first.npz") as stored:
        assert sorted(stored) == ["test_images", "test_labels", "train_images", "train_labels"]
        for name, values in digits.read().items():
            assert np.array_equal(stored[name], values)


def test_torchvision_sets_in_our_form():
    """CIFAR holds (N, S, S, C) and a list of targets, SVHN (N, C, S, S) and an array of labels."""
    pixels = np.arange(2 * 4 * 4 * 3, dtype=np.uint8).reshape(2, 4, 4, 3)
    cifar = SimpleNamespace(data=pixels, targets=[3, 1])
    svhn = SimpleNamespace(data=pixels.transpose(0, 3, 1, 2), labels=np.array([3, 1], dtype=np.uint8))
    found = arrays({"train": cifar, "test": svhn})
    assert found["train_images"].shape == (2, 3, 4, 4)
    assert np.array_equal(found["train_images"], found["test_images"])
    assert found["train_images"][1, 2, 3, 0] == pixels[1, 3, 0, 2]
    for part in ("train", "test"):
        assert found[f"{part}_labels"].tolist() == [3, 1]
        assert found[f"{part}_labels"].dtype == np.int64
